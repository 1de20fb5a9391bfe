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
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from dwdp_hw.traces.traced_copy import ApiCall, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.endpoints import HOST

_COPIES = ("CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_MEMCPY2")
_NEEDED = ("start", "end", "deviceId", "streamId", "bytes", "copyKind")
_CUPTI_KINDS = {1: "HTOD", 2: "DTOH", 8: "DTOD", 10: "PTOP"}
_RECORD = "record with `nsys profile --trace=cuda` and export with `nsys export --type sqlite`"
_THREAD_BITS = 24


def read_nsys(path: str) -> Trace:
    """Read the copies of an export.

    Raises:
        ConfigError: Not such a file, or a table or column that is needed is missing.
    """
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return _Export(path, database).read()
    except sqlite3.Error as error:
        raise ConfigError("trace", path, f"cannot be read as SQLite: {error}") from error


class _Export:
    """One export, and what its tables are called."""

    def __init__(self, path: str, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database
        tables = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
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
        for row in self._database.execute(f"SELECT * FROM {table}"):  # noqa: S608  # our own names
            kind = kinds.get(row["copyKind"])
            if kind is None or row["end"] <= row["start"] or row["bytes"] < 1:
                skipped += 1
                continue
            process = int(row["globalPid"] or 0) if "globalPid" in columns else 0
            src, dst = self._ends(row, kind, columns, table)
            correlation = int(row["correlationId"] or 0) if "correlationId" in columns else 0
            yield TracedCopy(
                process=process,
                gpu=_gpu(int(row["deviceId"]), process, devices),
                stream=int(row["streamId"]),
                src=_gpu(src, process, devices),
                dst=_gpu(dst, process, devices),
                bytes=int(row["bytes"]),
                start_ns=int(row["start"]),
                end_ns=int(row["end"]),
                correlation=correlation,
                call=calls.get((process, correlation)),
            )
        if skipped:
            self._notes.append(f"{table}: {skipped} records of other kinds or without times are left out")

    def _ends(self, row: sqlite3.Row, kind: str, columns: set[str], table: str) -> tuple[int, int]:
        device = int(row["deviceId"])
        if kind != "PTOP":
            return (HOST if kind == "HTOD" else device), (HOST if kind == "DTOH" else device)
        for name in ("srcDeviceId", "dstDeviceId"):
            if name not in columns or row[name] is None:
                newer = "it says whose memory a peer copy reads; export again with a newer Nsight Systems"
                raise self._missing(f"column {name} of {table}", newer)
        return int(row["srcDeviceId"]), int(row["dstDeviceId"])

    def _kinds(self) -> dict[int, str]:
        if "ENUM_CUDA_MEMCPY_OPER" not in self._tables:
            return _CUPTI_KINDS
        rows = self._database.execute("SELECT id, name FROM ENUM_CUDA_MEMCPY_OPER")
        names = {int(row["id"]): str(row["name"]).removeprefix("CUDA_MEMCPY_KIND_") for row in rows}
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
        rows = self._database.execute(
            f"SELECT r.start, r.end, r.correlationId AS number, s.value AS name, {process} AS process "  # noqa: S608  # our own names
            f"FROM {table} AS r JOIN StringIds AS s ON s.id = r.nameId "
            "WHERE s.value LIKE '%Memcpy%' OR s.value LIKE '%GraphLaunch%' ORDER BY r.start, r.end DESC"
        )
        calls: dict[tuple[int, int], ApiCall] = {}
        for row in rows:  # a driver call within a runtime call may share its number: the outer one counts
            key = (int(row["process"] or 0), int(row["number"] or 0))
            calls.setdefault(key, ApiCall(str(row["name"]), int(row["start"]), int(row["end"])))
        return calls

    def _devices(self) -> dict[tuple[int, int], int]:
        """GPU by process number and the device number that this process uses."""
        if "TARGET_INFO_CUDA_DEVICE" not in self._tables:
            return {}
        rows = self._database.execute("SELECT gpuId, cudaId, pid FROM TARGET_INFO_CUDA_DEVICE")
        return {(int(row["pid"]), int(row["cudaId"])): int(row["gpuId"]) for row in rows}

    def _gpu_names(self) -> dict[int, str]:
        if "TARGET_INFO_GPU" not in self._tables:
            self._notes.append("no table TARGET_INFO_GPU: the GPUs' names are not known")
            return {}
        rows = self._database.execute("SELECT id, name FROM TARGET_INFO_GPU")
        return {int(row["id"]): str(row["name"]) for row in rows}

    def _columns(self, table: str) -> set[str]:
        return {str(row["name"]) for row in self._database.execute(f"PRAGMA table_info({table})")}

    def _missing(self, what: str, remedy: str) -> ConfigError:
        return ConfigError("trace", self._path, f"has no {what}: {remedy}")


def _gpu(device: int, process: int, devices: Mapping[tuple[int, int], int]) -> int:
    """The GPU that a process calls `device`; the pid is in bits 24 to 47 of its globalPid."""
    return devices.get((process >> _THREAD_BITS & (1 << _THREAD_BITS) - 1, device), device)
