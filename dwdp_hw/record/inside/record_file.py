"""The file of one process: calls as JSON lines, with numbers in place of addresses, handles and threads."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import Any

from dwdp_hw.record.inside.call_log import CallLog
from dwdp_hw.record.inside.pointers import Allocations

FORMAT = 2
MOST_CALLS = 1_000_000  # written of a process; later ones are counted
MOST_COPIES = 2_000_000  # of all different lists of copies of a process; calls with further ones are counted
_DEFAULT_STREAMS = (0, 1)  # the handle of the legacy default stream, and its name
_AT_ONCE_BYTES = 1 << 20
_TORCH = "Tensor."


class RecordFile:
    """Writes what calls did. Equal lists of copies are written once, and only numbered afterwards.

    Attributes:
        calls, left_out: How many were written, and were beyond what a file holds.
        gpu: The last one that was written to; −1 at first.
    """

    def __init__(self, folder: str, log: CallLog) -> None:
        self._log = log
        self._path = os.path.join(folder, f"record-{secrets.token_hex(6)}.jsonl")
        self._file = -1
        self._text: list[str] = []
        self._text_bytes = 0
        self._lists = 0  # of copies
        self._threads: dict[int, int] = {}
        self._streams: dict[int, int] = dict.fromkeys(_DEFAULT_STREAMS, 0)
        self._allocations = Allocations(self.line)
        self._copies_left = MOST_COPIES
        self._highest_order, self._seen = -1, 0
        self.calls = self.left_out = 0
        self.gpu = -1

    def open(self) -> None:
        """Create the file, with its first line."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.line({
            "what": "process",
            "format": FORMAT,
            "process": os.getpid(),
            "parent": os.getppid(),
            "python": ".".join(map(str, sys.version_info[:3])),
        })  # fmt: skip

    @property
    def is_open(self) -> bool:
        """Whether lines may be written."""
        return self._file >= 0

    def line(self, content: dict[str, Any]) -> None:
        """Add a line."""
        self._add(json.dumps(content, separators=(",", ":")) + "\n")

    def _add(self, text: str) -> None:
        self._text.append(text)
        self._text_bytes += len(text)
        if self._text_bytes > _AT_ONCE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand whole lines to the system, from where they survive this process."""
        data = memoryview("".join(self._text).encode("ascii"))
        self._text, self._text_bytes = [], 0
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Close the file; nothing more is written."""
        os.close(self._file)
        self._file = -1

    def call(self, call: tuple[Any, ...]) -> bool:
        """Add a call, as it stands in `CallLog.pending`; return whether its copies were new, which takes its time.

        Raises:
            Exception: Its arguments are not as known; nothing is written.
        """
        order, thread, begin_ns, end_ns, name, key, columns, stream, result = call
        self._seen += 1
        self._highest_order = max(self._highest_order, order)
        if key is None:
            read, arguments, named = columns
            columns, stream = read(arguments, named)
            key = hash(columns)
        is_new = columns is not None and key not in self._log.known
        if is_new:
            self._log.known[key] = self._new_copies(columns, name)
        copies = self._log.known.get(key, -1)
        if copies < 0 or self.calls >= MOST_CALLS:
            self.left_out += 1
            return is_new
        handle = int(stream or 0)
        self.calls += 1
        self._add(
            f'{{"what":"call","order":{order},"name":"{name}",'
            f'"thread":{self._threads.setdefault(thread, len(self._threads))},'
            f'"stream":{self._streams.setdefault(handle, len(self._streams) - len(_DEFAULT_STREAMS) + 1)},'
            f'"begin_ns":{begin_ns},"end_ns":{end_ns},"code":{int(result[0])},"copies":{copies}}}\n'
        )
        return is_new

    @property
    def lost(self) -> int:
        """Calls that were thrown away before they were looked at, because too many waited."""
        return self._highest_order + 1 - self._seen

    def take_shared(self) -> None:
        """Take note of memory that has been shared."""
        while self._log.shared:
            is_opened, address, handle = self._log.shared.popleft()
            (self._allocations.opened if is_opened else self._allocations.offered)(address, handle)

    def _new_copies(self, columns: Any, name: str) -> int:
        """Write copies that are new, and return their number; −1 if there is no room."""
        self.take_shared()
        place = self._allocations.place
        if name.startswith(_TORCH):
            dst, src, size = columns
            rows: list[tuple[int, ...]] = [(*place(src[0], _said(src)), *place(dst[0], _said(dst)), size)]
        elif len(columns[0]) > self._copies_left:
            self._log.is_full = True
            return -1
        else:
            dsts, srcs, sizes = (list(map(int, column)) for column in columns)
            rows = [(*place(s), *place(d), n) for s, d, n in zip(srcs, dsts, sizes, strict=True)]
        return self._add_copies(rows)

    def _add_copies(self, rows: list[tuple[int, ...]]) -> int:
        number, self._lists = self._lists, self._lists + 1
        self._copies_left -= len(rows)
        if rows and self._allocations.gpus[rows[-1][2]] >= 0:
            self.gpu = self._allocations.gpus[rows[-1][2]]
        names = ("src", "src_offset", "dst", "dst_offset", "bytes")
        columns = zip(names, zip(*rows, strict=True), strict=True) if rows else ((name, ()) for name in names)
        self.line({"what": "copies", "id": number, **dict(columns)})
        return number


def _said(end: tuple[int, str, int]) -> tuple[str, int]:
    """Kind and GPU of an end of a tensor's copy, as torch names its device."""
    _, kind, index = end
    return {"cuda": ("device", index), "cpu": ("unknown", -1)}.get(kind, ("other", -1))
