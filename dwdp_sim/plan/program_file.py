"""Read copy programs that users write as JSON (the format is in docs/replay.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.user_file import read_json
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.endpoints import HOST, endpoint_key
from dwdp_sim.plan.program import LATEST_START_S, Program, ProgramStream, check_spread

_MAX_COPIES = 20_000_000  # about 2 GB of columns; more is a typing error

_Copy = tuple[int, int, int]  # source, destination, bytes


def read_program(path: str, num_gpus: int) -> Program:
    """Read a replay file (the format is in docs/replay.md).

    Args:
        path: JSON file with `streams`.
        num_gpus: GPUs of the cluster; endpoints are `gpu0` … and `host`.

    Raises:
        ConfigError: Unreadable, or something in it is not allowed; the message names the place in the file.
    """
    return program_from_dict(read_json(path, "workload.file"), num_gpus, path)


def program_from_dict(content: Any, num_gpus: int, path: str = "program") -> Program:
    """Return the program of a parsed replay file.

    Raises:
        ConfigError: Something in it is not allowed.
    """
    return _Reader(path, num_gpus).read(content)


class _Reader:
    """Walks the file and checks every value."""

    def __init__(self, path: str, num_gpus: int) -> None:
        self._path = path
        self._num_gpus = num_gpus
        self._copies = 0  # of all streams so far

    def read(self, content: Any) -> Program:
        entries = self._list(self._object(content, "file", {"streams"}), "streams", "file")
        streams = [self._stream(entry, f"streams[{index}]") for index, entry in enumerate(entries)]
        check_spread("workload.file", [stream.start_s for stream in streams])
        return Program.build(self._num_gpus, streams)

    def _stream(self, stream: Any, where: str) -> ProgramStream:
        fields = self._object(stream, where, {"gpu", "calls"}, {"start_s", "queued"})
        gpu = self._whole(fields["gpu"], f"{where}.gpu", 0, self._num_gpus - 1)
        start = fields.get("start_s", 0.0)
        if isinstance(start, bool) or not isinstance(start, int | float) or not 0 <= start <= LATEST_START_S:
            self._refuse(f"{where}.start_s", start, f"seconds from 0 to {LATEST_START_S:g}")
        queued = fields.get("queued", True)
        if not isinstance(queued, bool):
            self._refuse(f"{where}.queued", queued, "true or false")
        calls: list[tuple[int, int]] = []  # issue, copies
        copies: list[_Copy] = []
        for index, call in enumerate(self._list(fields, "calls", where)):
            own_calls, own_copies = self._call(call, gpu, f"{where}.calls[{index}]")
            calls += own_calls
            copies += own_copies
        call_issue, call_copies = np.array(calls, dtype=np.int64).T
        src, dst, size = np.array(copies, dtype=np.int64).T
        return ProgramStream(gpu, src, dst, size, call_copies, call_issue, start_s=float(start), queued=queued)

    def _call(self, call: Any, gpu: int, where: str) -> tuple[list[tuple[int, int]], list[_Copy]]:
        """The driver calls that an entry stands for, as (issue, copies), and their copies."""
        issue = call.get("issue") if isinstance(call, Mapping) else None
        if issue == "async":
            fields = self._object(call, where, {"issue", "src", "dst", "bytes"}, {"count"})
            copies = self._copy(fields, gpu, where)
            return [(ASYNC, 1)] * len(copies), copies
        if issue == "batch":
            fields = self._object(call, where, {"issue", "copies"})
            copies = []
            for index, entry in enumerate(self._list(fields, "copies", where)):
                place = f"{where}.copies[{index}]"
                copies += self._copy(self._object(entry, place, {"src", "dst", "bytes"}, {"count"}), gpu, place)
            return [(BATCH, len(copies))], copies
        self._refuse(f"{where}.issue", issue, "async or batch")

    def _copy(self, fields: Mapping[str, Any], gpu: int, where: str) -> list[_Copy]:
        src = self._endpoint(fields["src"], f"{where}.src")
        dst = self._endpoint(fields["dst"], f"{where}.dst")
        if gpu not in (src, dst):
            self._refuse(where, f"{fields['src']} to {fields['dst']}", f"the stream's own gpu{gpu} as src or dst")
        size = self._whole(fields["bytes"], f"{where}.bytes", 1, 2**50)
        count = self._whole(fields.get("count", 1), f"{where}.count", 1, _MAX_COPIES - self._copies)
        self._copies += count
        return [(src, dst, size)] * count

    def _endpoint(self, value: Any, where: str) -> int:
        if value == endpoint_key(HOST):
            return HOST
        match = re.fullmatch(r"gpu([0-9]{1,9})", value) if isinstance(value, str) else None
        if match is None or int(match[1]) >= self._num_gpus:
            last = f"gpu0 … gpu{self._num_gpus - 1}" if self._num_gpus > 1 else "gpu0"
            self._refuse(where, value, f"host or {last} (the cluster's GPUs)")
        return int(match[1])

    def _object(
        self, value: Any, where: str, needed: set[str], optional: frozenset[str] | set[str] = frozenset()
    ) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self._refuse(where, type(value).__name__, f"an object with {', '.join(sorted(needed))}")
        missing, unknown = sorted(needed - set(value)), sorted(set(value) - needed - optional)
        if missing:
            self._refuse(where, f"without '{missing[0]}'", f"needed: {', '.join(sorted(needed))}")
        if unknown:
            self._refuse(where, f"with '{unknown[0]}'", f"known: {', '.join(sorted(needed | optional))}")
        return value

    def _list(self, fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
        value = fields[name]
        if not isinstance(value, list) or not value:
            self._refuse(f"{where}.{name}", value, "a list with at least one entry")
        return value

    def _whole(self, value: Any, where: str, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(where, value, f"a whole number from {least} to {most}")
        return value

    def _refuse(self, where: str, value: object, allowed: str) -> NoReturn:
        if isinstance(value, list | dict) and value:
            shown = f"{type(value).__name__} of {len(value)}"
        else:
            shown = shorten(value if isinstance(value, str) else json.dumps(value, default=str))
        raise ConfigError("workload.file", self._path, f"{where} is {shown}; allowed: {allowed}")
