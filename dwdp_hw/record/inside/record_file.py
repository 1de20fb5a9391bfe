"""The file of one process: calls as JSON lines, with numbers in place of addresses, handles and threads."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import Any

from dwdp_hw.record.inside.call_log import MadeCall
from dwdp_hw.record.inside.cuda_calls import copies_of
from dwdp_hw.record.inside.pointers import Allocations

FORMAT = 1
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

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, f"record-{secrets.token_hex(6)}.jsonl")
        self._file = -1
        self._text: list[str] = []
        self._text_bytes = 0
        self._copies: dict[int, int] = {}
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
        text = json.dumps(content, separators=(",", ":")) + "\n"
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

    def call(self, call: MadeCall) -> None:
        """Add a call.

        Raises:
            Exception: Its arguments are not as known; nothing is written.
        """
        self._seen += 1
        self._highest_order = max(self._highest_order, call.order)
        if self.calls >= MOST_CALLS:
            self.left_out += 1
            return
        copies, stream = self._torch_copy(call) if call.name.startswith(_TORCH) else self._cuda_copies(call)
        if copies is None:
            self.left_out += 1
            return
        self.calls += 1
        self.line({
            "what": "call",
            "order": call.order,
            "name": call.name,
            "thread": self._threads.setdefault(call.thread, len(self._threads)),
            "stream": self._streams.setdefault(stream, len(self._streams) - len(_DEFAULT_STREAMS) + 1),
            "begin_ns": call.begin_ns,
            "end_ns": call.end_ns,
            "code": int(call.result[0]),
            "copies": copies,
        })  # fmt: skip

    @property
    def lost(self) -> int:
        """Calls that were thrown away before they were looked at, because too many waited."""
        return self._highest_order + 1 - self._seen

    def _cuda_copies(self, call: MadeCall) -> tuple[int | None, int]:
        columns, stream = copies_of(call)
        # Two lists with the same 64-bit hash are taken for one; comparing them would cost more than all the rest.
        key = hash(columns)
        if key not in self._copies and len(columns[0]) <= self._copies_left:
            dsts, srcs, sizes = (list(map(int, column)) for column in columns)
            place = self._allocations.place
            self._add_copies(key, [(*place(s), *place(d), n) for s, d, n in zip(srcs, dsts, sizes, strict=True)])
        return self._copies.get(key), stream

    def _torch_copy(self, call: MadeCall) -> tuple[int | None, int]:
        dst, src, size, stream = call.arguments
        key = hash((dst, src, size))
        if key not in self._copies and self._copies_left:
            place = self._allocations.place
            self._add_copies(key, [(*place(src[0], _said(src)), *place(dst[0], _said(dst)), size)])
        return self._copies.get(key), stream

    def _add_copies(self, key: int, rows: list[tuple[int, ...]]) -> None:
        self._copies[key] = number = len(self._copies)
        self._copies_left -= len(rows)
        if rows and self._allocations.gpus[rows[-1][2]] >= 0:
            self.gpu = self._allocations.gpus[rows[-1][2]]
        names = ("src", "src_offset", "dst", "dst_offset", "bytes")
        columns = zip(names, zip(*rows, strict=True), strict=True) if rows else ((name, ()) for name in names)
        self.line({"what": "copies", "id": number, **dict(columns)})


def _said(end: tuple[int, str, int]) -> tuple[str, int]:
    """Kind and GPU of an end of a tensor's copy, as torch names its device."""
    _, kind, index = end
    return {"cuda": ("device", index), "cpu": ("unknown", -1)}.get(kind, ("other", -1))
