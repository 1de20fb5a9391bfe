"""Read the records of an engine's processes."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from dwdp_hw.record.command_line import RECORDS
from dwdp_hw.record.inside.record_file import MOST_CALLS, MOST_COPIES
from dwdp_hw.record.schema import FORMAT, Allocation, Call, Copies, End, Line, Process, Profile, Shared
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import decode_json
from dwdp_sim.base.user_file import read_data

MOST_RECORD_BYTES = 1 << 29  # of one process
MOST_RECORDS = 4096  # of a folder


@dataclass(frozen=True)
class Record:
    """What one process of an engine did.

    Attributes:
        path: The file.
        process: Its first line.
        watched: Functions that were watched, by module.
        shared: The GPU of memory that it offered to other processes, by handle.
        allocations, copies: By number.
        calls: In the order in which they were made.
        profiles: Windows of device times, and why there are none.
        end: Its last line; None of a process that was killed, or still runs.
    """

    path: str
    process: Process
    watched: Mapping[str, Sequence[str]]
    shared: Mapping[str, int]
    allocations: Mapping[int, Allocation]
    copies: Mapping[int, Copies]
    calls: tuple[Call, ...]
    profiles: tuple[Profile, ...]
    end: End | None


def holds_records(trace: Any) -> bool:
    """Whether `trace` names a folder, as the recorder's are, where a profiler's are files."""
    return isinstance(trace, str) and os.path.isdir(trace)


def read_records(folder: str) -> tuple[Record, ...]:
    """Read every record of a folder, in the order in which their processes first called.

    Raises:
        ConfigError: There is none, or one is damaged, of the future or too large; the message names file and line.
    """
    paths = sorted(Path(folder).glob(RECORDS))
    if not paths:
        allowed = "a folder of python -m dwdp_hw.record is wanted, and this one has no records: no process was recorded"
        raise ConfigError("trace", folder, allowed)
    if len(paths) > MOST_RECORDS:
        raise ConfigError("trace", folder, f"has {len(paths)} records; at most {MOST_RECORDS} are read")
    records = _with_owners([read_record(str(path)) for path in paths])
    return tuple(sorted(records, key=lambda record: record.calls[0].begin_ns if record.calls else 2**63))


def _with_owners(records: Sequence[Record]) -> list[Record]:
    """Say of memory that a process opened on whose GPU it is; nobody knows if its owner was not recorded."""
    owners = {handle: gpu for record in records for handle, gpu in record.shared.items()}

    def owned(one: Allocation) -> Allocation:
        if one.handle is None:
            return one
        gpu = owners.get(one.handle, -1)
        return replace(one, device=gpu, kind=one.kind if gpu >= 0 else "unknown")

    return [
        dataclasses.replace(record, allocations={n: owned(one) for n, one in record.allocations.items()})
        for record in records
    ]


def read_record(path: str) -> Record:
    """Read one record. A last line without its end was being written when the process was killed, and is left out.

    Raises:
        ConfigError: As `read_records`.
    """
    data = read_data(path, "trace", "a record", MOST_RECORD_BYTES)
    lines = data.split(b"\n")[:-1]
    reader = _Reader(path)
    for number, line in enumerate(lines, 1):
        reader.take(decode_json(line, Line, path, "trace", at=f"line {number}"), f"line {number}")
    return reader.record()


class _Reader:
    """Takes line after line, and checks what their types do not say."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._process: Process | None = None
        self._watched: dict[str, Sequence[str]] = {}
        self._shared: dict[str, int] = {}
        self._allocations: dict[int, Allocation] = {}
        self._copies: dict[int, Copies] = {}
        self._calls: list[Call] = []
        self._profiles: list[Profile] = []
        self._end: End | None = None
        self._copies_left = MOST_COPIES

    def take(self, line: Line, where: str) -> None:
        """Take the next line."""
        if (self._process is None) != isinstance(line, Process) or self._end is not None:
            self._refuse(where, "the first line, and no other, is the process; nothing comes after the end")
        match line:
            case Process():
                if line.format > FORMAT:
                    self._refuse(where, f"has format {line.format}; this version reads 1 to {FORMAT}")
                self._process = line
            case Shared():
                self._shared[line.handle] = line.device
            case Allocation():
                if line.id in self._allocations:
                    self._refuse(where, f"allocation {line.id} is there twice")
                self._allocations[line.id] = line
            case Copies():
                self._take_copies(line, where)
            case Call():
                self._take_call(line, where)
            case Profile():
                self._profiles.append(line)
            case End():
                self._end = line
            case _:
                self._watched[line.module] = line.functions

    def _take_copies(self, line: Copies, where: str) -> None:
        if len({len(line.src), len(line.src_offset), len(line.dst), len(line.dst_offset), len(line.bytes)}) > 1:
            self._refuse(where, "has columns of different lengths")
        if line.id in self._copies or not {*line.src, *line.dst} <= set(self._allocations):
            self._refuse(where, f"copies {line.id} are there twice, or in an allocation that is not above")
        self._copies_left -= len(line.bytes)
        if self._copies_left < 0:
            self._refuse(where, f"more than {MOST_COPIES} copies")
        self._copies[line.id] = line

    def _take_call(self, line: Call, where: str) -> None:
        if line.copies not in self._copies:
            self._refuse(where, f"names copies {line.copies}, which are not above")
        if line.end_ns < line.begin_ns or len(self._calls) >= MOST_CALLS:
            self._refuse(where, f"ends before it begins, or is beyond {MOST_CALLS} calls")
        self._calls.append(line)

    def record(self) -> Record:
        """All of it."""
        if self._process is None:
            self._refuse("the file", "is empty")
        repeated = [order for order, count in Counter(call.order for call in self._calls).items() if count > 1]
        if repeated:
            self._refuse("the file", f"has call {repeated[0]} twice")
        return Record(
            path=self._path,
            process=self._process,
            watched=self._watched,
            shared=self._shared,
            allocations=self._allocations,
            copies=self._copies,
            calls=tuple(sorted(self._calls, key=lambda call: call.order)),
            profiles=tuple(self._profiles),
            end=self._end,
        )

    def _refuse(self, where: str, why: str) -> NoReturn:
        raise ConfigError("trace", self._path, f"{where}: {why}")
