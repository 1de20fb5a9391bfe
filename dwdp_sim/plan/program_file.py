"""Read copy programs that users write as JSON (the format is in docs/replay.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import numpy as np
from msgspec import Meta, Struct

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.endpoints import HOST, endpoint_key
from dwdp_sim.plan.program import LATEST_START_S, Program, ProgramStream, check_spread

MOST_COPIES = 2_000_000  # of a program: 0.3 GB of columns

Count = Annotated[int, Meta(ge=1, le=MOST_COPIES)]
"""How often something is repeated."""

CopyBytes = Annotated[int, Meta(ge=1, le=2**50)]
"""The length of one copy."""


class _Copy(Struct, forbid_unknown_fields=True):
    src: str
    dst: str
    bytes: CopyBytes
    count: Count = 1


class _Async(Struct, forbid_unknown_fields=True, tag_field="issue", tag="async"):
    src: str
    dst: str
    bytes: CopyBytes
    count: Count = 1


class _Batch(Struct, forbid_unknown_fields=True, tag_field="issue", tag="batch"):
    copies: Annotated[list[_Copy], Meta(min_length=1)]


class _Stream(Struct, forbid_unknown_fields=True):
    gpu: Annotated[int, Meta(ge=0)]
    calls: Annotated[list[_Async | _Batch], Meta(min_length=1)]
    start_s: Annotated[float, Meta(ge=0, le=LATEST_START_S)] = 0.0
    queued: bool = True


class _File(Struct, forbid_unknown_fields=True):
    streams: Annotated[list[_Stream], Meta(min_length=1)]


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
    return _Reader(path, num_gpus).read(convert(content, _File, path, "workload.file"))


class _Reader:
    """Walks the file, and checks what its types do not say: GPUs of the cluster, and copies in all."""

    def __init__(self, path: str, num_gpus: int) -> None:
        self._path = path
        self._num_gpus = num_gpus
        self._copies = 0  # of all streams so far

    def read(self, file: _File) -> Program:
        streams = [self._stream(entry, f"streams[{index}]") for index, entry in enumerate(file.streams)]
        check_spread("workload.file", [stream.start_s for stream in streams])
        return Program.build(self._num_gpus, streams)

    def _stream(self, stream: _Stream, where: str) -> ProgramStream:
        if stream.gpu >= self._num_gpus:
            self._refuse(f"{where}.gpu", stream.gpu, f"a whole number from 0 to {self._num_gpus - 1}")
        issues: list[tuple[int, int, int]] = []  # how many calls, of how many copies, issued how
        copies: list[tuple[int, int, int, int]] = []  # how many, source, destination, bytes
        for index, call in enumerate(stream.calls):
            place = f"{where}.calls[{index}]"
            if isinstance(call, _Async):
                copies.append(self._copy(call, stream.gpu, place))
                issues.append((call.count, 1, ASYNC))
            else:
                own = [self._copy(copy, stream.gpu, f"{place}.copies[{i}]") for i, copy in enumerate(call.copies)]
                copies += own
                issues.append((1, sum(count for count, *_ in own), BATCH))
        call_copies, call_issue = _repeated(issues)
        src, dst, size = _repeated(copies)
        return ProgramStream(
            stream.gpu, src, dst, size, call_copies, call_issue, start_s=stream.start_s, queued=stream.queued
        )

    def _copy(self, copy: _Copy | _Async, gpu: int, where: str) -> tuple[int, int, int, int]:
        src, dst = self._endpoint(copy.src, f"{where}.src"), self._endpoint(copy.dst, f"{where}.dst")
        if gpu not in (src, dst):
            self._refuse(where, f"{copy.src} to {copy.dst}", f"the stream's own gpu{gpu} as src or dst")
        self._copies += copy.count
        if self._copies > MOST_COPIES:
            self._refuse(f"{where}.count", copy.count, f"at most {MOST_COPIES} copies in the whole program")
        return copy.count, src, dst, copy.bytes

    def _endpoint(self, value: str, where: str) -> int:
        if value == endpoint_key(HOST):
            return HOST
        match = re.fullmatch(r"gpu([0-9]{1,9})", value)
        if match is None or int(match[1]) >= self._num_gpus:
            last = f"gpu0 … gpu{self._num_gpus - 1}" if self._num_gpus > 1 else "gpu0"
            self._refuse(where, value, f"host or {last} (the cluster's GPUs)")
        return int(match[1])

    def _refuse(self, where: str, value: object, allowed: str) -> NoReturn:
        raise ConfigError("workload.file", self._path, f"{where} is {shorten(str(value))}; allowed: {allowed}")


def _repeated(entries: Sequence[tuple[int, ...]]) -> Ints:
    """Columns of the entries, each repeated as often as its first number says."""
    columns = np.array(entries, dtype=np.int64).T
    repeated: Ints = np.repeat(columns[1:], columns[0], axis=1)
    return repeated
