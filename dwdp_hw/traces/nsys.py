"""Read the copies in a SQLite file that Nsight Systems exported (`nsys export --type sqlite`).

Tables and columns are those of the "SQLite Export Schema Reference" in the Nsight Systems documentation
(docs.nvidia.com/nsight-systems, nsys-exporter/exported_data.html), which says that a table exists only when there is
something to put in, and of the CUPTI activity records that they are named after (docs.nvidia.com/cupti).

- `CUPTI_ACTIVITY_KIND_MEMCPY`: start, end (ns), deviceId, streamId, correlationId, globalPid, bytes, copyKind, and, in
  newer exports, srcDeviceId and dstDeviceId, without which a peer copy does not say whose memory it read. Nsight
  Systems lists peer copies here, with copyKind 10.
- `CUPTI_ACTIVITY_KIND_MEMCPY2`: CUPTI's own record of peer copies; read as well where an export has it.
- `ENUM_CUDA_MEMCPY_OPER`: id, name (`CUDA_MEMCPY_KIND_PTOP`); CUPTI's numbers are assumed where it is missing.
- `CUPTI_ACTIVITY_KIND_RUNTIME`: start, end, correlationId, nameId, globalTid; `StringIds`: id, value. Correlation
  numbers are unique in a process: a globalTid without its lowest 24 bits is the process's globalPid.
- `TARGET_INFO_GPU`: id, name; `TARGET_INFO_CUDA_DEVICE`: gpuId, cudaId, pid: which GPU a process means by a device
  number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from dwdp_hw.traces.traced_copy import TOO_MANY, ApiCall, Gpu, Number, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program_file import MOST_COPIES

_COPIES = ("CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_MEMCPY2")
_NEEDED = ("start", "end", "deviceId", "streamId", "bytes", "copyKind")
_CUPTI_KINDS = {1: "HTOD", 2: "DTOH", 8: "DTOD", 10: "PTOP"}
_RECORD = "record with `nsys profile --trace=cuda` and export with `nsys export --type sqlite`"
_THREAD_BITS = 24
_WAIT_S = 1.0  # for a writer to unlock the file

_Row = TypeVar("_Row")


class _Copy(Struct):
    copyKind: int
    deviceId: Gpu
    streamId: Number
    bytes: Number
    start: Number | None
    end: Number | None
    globalPid: Number | None = None
    correlationId: Number | None = None
    srcDeviceId: Gpu | None = None
    dstDeviceId: Gpu | None = None


class _Call(Struct):
    start: Number
    end: Number
    name: Name
    process: Number | None
    number: Number | None


class _Kind(Struct):
    id: int
    name: str


class _Device(Struct):
    gpuId: Gpu
    cudaId: Gpu
    pid: Number


class _GpuName(Struct):
    id: Gpu
    name: Name


def read_nsys(path: str) -> Trace:
    """Read the copies of an export.

    Raises:
        ConfigError: Not such a file, or a table or column that is needed is missing.
    """
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", _WAIT_S, uri=True)) as database:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA trusted_schema = OFF")
            return _Export(path, database).read()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged file's error may quote what is no text
        raise ConfigError("trace", path, f"cannot be read as SQLite: {error}") from error


class _Export:
    """One export, and what its tables are called."""

    def __init__(self, path: str, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")  # a view may have no end
        self._tables = {str(row["name"]) for row in tables}
        self._notes: list[str] = []

    def read(self) -> Trace:
        present = [name for name in _COPIES if name in self._tables]
        if not present:
            raise self._missing(f"table {_COPIES[0]}", f"no CUDA copy was recorded; {_RECORD}")
        calls = self._calls()
        devices = self._devices()
        copies: list[TracedCopy] = []
        for table in present:
            seen = set(copies)  # an export may have a peer copy in both tables
            copies += [copy for copy in self._copies(table, calls, devices) if copy not in seen]
        return Trace(self._path, "Nsight Systems", self._gpu_names(), tuple(copies), tuple(self._notes))

    def _copies(
        self, table: str, calls: Mapping[tuple[int, int], ApiCall], devices: Mapping[tuple[int, int], int]
    ) -> Iterable[TracedCopy]:
        columns = self._columns(table)
        for name in _NEEDED:
            if name not in columns:
                raise self._missing(f"column {name} of {table}", _RECORD)
        kinds = self._kinds()
        skipped = 0
        for row in self._rows(f"SELECT * FROM {table}", _Copy, table):
            kind = kinds.get(row.copyKind)
            if kind is None or row.start is None or row.end is None or row.end <= row.start or row.bytes < 1:
                skipped += 1
                continue
            process, correlation = row.globalPid or 0, row.correlationId or 0
            src, dst = self._ends(row, kind, columns, table)
            yield TracedCopy(
                process=process,
                gpu=_gpu(row.deviceId, process, devices),
                stream=row.streamId,
                src=_gpu(src, process, devices),
                dst=_gpu(dst, process, devices),
                bytes=row.bytes,
                start_ns=row.start,
                end_ns=row.end,
                correlation=correlation,
                call=calls.get((process, correlation)),
            )
        if skipped:
            self._notes.append(f"{table}: {skipped} records of other kinds or without times are left out")

    def _ends(self, row: _Copy, kind: str, columns: set[str], table: str) -> tuple[int, int]:
        if kind != "PTOP":
            return (HOST if kind == "HTOD" else row.deviceId), (HOST if kind == "DTOH" else row.deviceId)
        if row.srcDeviceId is None or row.dstDeviceId is None:
            name = "srcDeviceId" if row.srcDeviceId is None else "dstDeviceId"
            what = f"value in column {name} of {table}" if name in columns else f"column {name} of {table}"
            raise self._missing(
                what, "it says whose memory a peer copy reads; export again with a newer Nsight Systems"
            )
        return row.srcDeviceId, row.dstDeviceId

    def _kinds(self) -> dict[int, str]:
        table = "ENUM_CUDA_MEMCPY_OPER"
        if table not in self._tables:
            return _CUPTI_KINDS
        rows = self._rows(f"SELECT id, name FROM {table}", _Kind, table)
        names = {row.id: row.name.removeprefix("CUDA_MEMCPY_KIND_") for row in rows}
        return {number: name for number, name in names.items() if name in _CUPTI_KINDS.values()}

    def _calls(self) -> dict[tuple[int, int], ApiCall]:
        """Host calls by process and correlation number."""
        table = "CUPTI_ACTIVITY_KIND_RUNTIME"
        for name in (table, "StringIds"):
            if name not in self._tables:
                self._notes.append(f"no table {name}: when the host issued is not known, nor what was a batch")
                return {}
        columns = self._columns(table)
        for name in ("start", "end", "correlationId", "nameId"):
            if name not in columns:
                raise self._missing(f"column {name} of {table}", _RECORD)
        process = f"(r.globalTid >> {_THREAD_BITS}) << {_THREAD_BITS}" if "globalTid" in columns else "0"
        query = (
            f"SELECT r.start, r.end, r.correlationId AS number, s.value AS name, {process} AS process "
            f"FROM {table} AS r JOIN StringIds AS s ON s.id = r.nameId "
            "WHERE s.value LIKE '%Memcpy%' OR s.value LIKE '%GraphLaunch%' ORDER BY r.start, r.end DESC"
        )
        calls: dict[tuple[int, int], ApiCall] = {}
        for row in self._rows(query, _Call, table):  # a driver call may share its runtime call's number
            calls.setdefault((row.process or 0, row.number or 0), ApiCall(row.name, row.start, row.end))
        return calls

    def _devices(self) -> dict[tuple[int, int], int]:
        """GPU by process number and the device number that this process uses."""
        table = "TARGET_INFO_CUDA_DEVICE"
        if table not in self._tables:
            return {}
        rows = self._rows(f"SELECT gpuId, cudaId, pid FROM {table}", _Device, table)
        return {(row.pid, row.cudaId): row.gpuId for row in rows}

    def _gpu_names(self) -> dict[int, str]:
        table = "TARGET_INFO_GPU"
        if table not in self._tables:
            self._notes.append(f"no table {table}: the GPUs' names are not known")
            return {}
        return {row.id: row.name for row in self._rows(f"SELECT id, name FROM {table}", _GpuName, table)}

    def _rows(self, query: str, kind: type[_Row], table: str) -> Iterator[_Row]:
        """The rows of a query as a declared type: a column of SQLite may hold anything."""
        for number, row in enumerate(self._database.execute(query), start=1):
            if number > MOST_COPIES:
                raise ConfigError("trace", self._path, f"{table} has more than {MOST_COPIES} rows; {TOO_MANY}")
            yield convert(dict(row), kind, self._path, "trace", at=f"{table}, row {number}")

    def _columns(self, table: str) -> set[str]:
        return {str(row["name"]) for row in self._database.execute(f"PRAGMA table_info({table})")}

    def _missing(self, what: str, remedy: str) -> ConfigError:
        return ConfigError("trace", self._path, f"has no {what}: {remedy}")


def _gpu(device: int, process: int, devices: Mapping[tuple[int, int], int]) -> int:
    """The GPU that a process calls `device`; the pid is in bits 24 to 47 of its globalPid."""
    return devices.get((process >> _THREAD_BITS & (1 << _THREAD_BITS) - 1, device), device)
