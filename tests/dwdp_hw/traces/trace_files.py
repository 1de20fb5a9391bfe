"""Generator of trace files that follow the public schemas of Nsight Systems' SQLite export and Kineto's Chrome trace.

What it writes is no real export: only the tables, columns and fields that those schemas document and a reader needs.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.endpoints import HOST

OPERATIONS = {1: "HTOD", 2: "DTOH", 8: "DTOD", 10: "PTOP", 11: "UVM_HTOD"}
MEMCPY = (
    "start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, "
    "streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, bytes INTEGER NOT NULL, "
    "copyKind INTEGER NOT NULL, srcKind INTEGER, dstKind INTEGER, srcDeviceId INTEGER, dstDeviceId INTEGER"
)
RUNTIME = (
    "start INTEGER NOT NULL, end INTEGER NOT NULL, eventClass INTEGER NOT NULL, globalTid INTEGER, "
    "correlationId INTEGER, nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL"
)


@dataclass(frozen=True)
class Record:
    """One copy: device, stream, ends (`HOST` for host memory), bytes, times in ns, and the call that issued it."""

    gpu: int
    src: int
    dst: int
    bytes: int
    start_ns: int
    end_ns: int
    correlation: int = 0
    call: tuple[str, int, int] | None = None
    stream: int = 7
    pid: int = 100


def write_nsys(
    path: Path,
    records: Sequence[Record],
    *,
    without: Collection[str] = (),
    peer_table: str = "CUPTI_ACTIVITY_KIND_MEMCPY",
    devices: Sequence[tuple[int, int, int]] = (),
) -> Path:
    """Write `records` as an export.

    Args:
        path: SQLite file to create.
        records: Copies.
        without: Tables to leave out, and columns as `table.column`.
        peer_table: Where peer copies stand.
        devices: (pid, device number in that process, GPU).
    """
    with closing(sqlite3.connect(path)) as database:
        tables = {
            "CUPTI_ACTIVITY_KIND_MEMCPY": MEMCPY,
            peer_table: MEMCPY,
            "CUPTI_ACTIVITY_KIND_RUNTIME": RUNTIME,
            "StringIds": "id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL",
            "TARGET_INFO_GPU": "id INTEGER, name TEXT",
            "TARGET_INFO_CUDA_DEVICE": "gpuId INTEGER, cudaId INTEGER, pid INTEGER",
            "ENUM_CUDA_MEMCPY_OPER": "id INTEGER NOT NULL PRIMARY KEY, name TEXT, label TEXT",
        }
        for name, columns in tables.items():
            database.execute(f"CREATE TABLE {name} ({columns})")
        names: dict[str, int] = {}
        for record in records:
            _insert_copy(database, record, peer_table)
            if record.call:
                name, start_ns, end_ns = record.call
                text = names.setdefault(name, len(names) + 1)
                tid = (record.pid << 24) + 5
                values = (start_ns, end_ns, 0, tid, record.correlation, text, 0)
                database.execute("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?,?,?,?,?,?,?)", values)
        database.executemany("INSERT INTO StringIds VALUES (?,?)", [(number, name) for name, number in names.items()])
        database.executemany("INSERT INTO TARGET_INFO_GPU VALUES (?,?)", [(gpu, "NVIDIA H200") for gpu in range(8)])
        rows = [(gpu, cuda, pid) for pid, cuda, gpu in devices]
        database.executemany("INSERT INTO TARGET_INFO_CUDA_DEVICE VALUES (?,?,?)", rows)
        kinds = [(number, f"CUDA_MEMCPY_KIND_{name}", name) for number, name in OPERATIONS.items()]
        database.executemany("INSERT INTO ENUM_CUDA_MEMCPY_OPER VALUES (?,?,?)", kinds)
        for name in without:
            table, _, column = name.partition(".")
            database.execute(f"ALTER TABLE {table} DROP COLUMN {column}" if column else f"DROP TABLE {table}")
        database.commit()
    return path


def _insert_copy(database: sqlite3.Connection, record: Record, peer_table: str) -> None:
    kind = operation(record)
    number = next(number for number, name in OPERATIONS.items() if name == kind)
    ends = (record.src, record.dst) if kind == "PTOP" else (None, None)
    table = peer_table if kind == "PTOP" else "CUPTI_ACTIVITY_KIND_MEMCPY"
    values = (record.start_ns, record.end_ns, record.gpu, 1, record.stream, record.correlation, record.pid << 24)
    database.execute(
        f"INSERT INTO {table} VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", (*values, record.bytes, number, 2, 2, *ends)
    )


def operation(record: Record) -> str:
    """CUPTI's name for the kind of copy."""
    if HOST in (record.src, record.dst):
        return "HTOD" if record.src == HOST else "DTOH"
    return "DTOD" if record.src == record.dst else "PTOP"


def write_torch(
    path: Path, records: Sequence[Record], *, base_ns: int = 0, without: Collection[str] = (), calls: bool = True
) -> Path:
    """Write `records` as Kineto does, gzipped if the name ends so.

    Args:
        path: `.json` or `.json.gz`.
        records: Copies.
        base_ns: Zero of the event times.
        without: Args of copies to leave out.
        calls: Whether the host's calls were recorded.
    """
    events: list[dict[str, Any]] = [{"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "python"}}]
    for record in records:
        events.append(_copy_event(record, base_ns, without))
        if record.call and calls:
            name, start_ns, end_ns = record.call
            times = {"ts": (start_ns - base_ns) / 1000, "dur": (end_ns - start_ns) / 1000}
            args = {"cbid": 41, "correlation": record.correlation}
            events.append({"ph": "X", "cat": "cuda_runtime", "name": name, "pid": 9, "tid": 9, **times, "args": args})
    gpus = sorted({record.gpu for record in records})
    content = {
        "schemaVersion": 1,
        "deviceProperties": [{"id": gpu, "name": "NVIDIA H200"} for gpu in gpus],
        "baseTimeNanoseconds": base_ns,
        "traceEvents": events,
    }
    data = json.dumps(content).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _copy_event(record: Record, base_ns: int, without: Collection[str]) -> dict[str, Any]:
    kind = operation(record).replace("TO", "to")
    args: dict[str, Any] = {"stream": record.stream, "correlation": record.correlation, "bytes": record.bytes}
    if kind == "PtoP":
        args |= {"fromDevice": record.src, "inDevice": record.gpu, "toDevice": record.dst}
    else:
        args["device"] = record.gpu
    return {
        "ph": "X",
        "cat": "gpu_memcpy",
        "name": f"Memcpy {kind} (Device -> Device)",
        "pid": record.gpu,
        "tid": record.stream,
        "ts": (record.start_ns - base_ns) / 1000,
        "dur": (record.end_ns - record.start_ns) / 1000,
        "args": {name: value for name, value in args.items() if name not in without},
    }


def records_of(timeline: Timeline, *, origin_ns: int = 10_000_000, slower: float = 1.0) -> list[Record]:
    """The records of a simulated run: queued streams were issued 1 ms before, others as they were simulated.

    Args:
        timeline: What was simulated.
        origin_ns: Time of its zero.
        slower: Factor on every time.
    """
    program = timeline.program
    call_end = {int(call): float(issue) for call, issue in zip(program.copy_call, timeline.copy_issue_s, strict=True)}
    records = []
    for copy, call in enumerate(program.copy_call.tolist()):
        stream = int(program.call_stream[call])
        before = call_end[call - 1] if call and program.call_stream[call - 1] == stream else None
        begun = float(program.stream_start_s[stream]) if before is None else before
        ended = call_end[call]
        if program.stream_queued[stream]:
            begun, ended = -1e-3, -1e-3 + 1e-6
        name = "cudaMemcpyBatchAsync" if program.call_issue[call] == BATCH else "cudaMemcpyAsync"
        times = (begun, ended, float(timeline.copy_start_s[copy]), float(timeline.copy_end_s[copy]))
        call_start_ns, call_end_ns, start_ns, end_ns = (origin_ns + round(time * slower * 1e9) for time in times)
        gpu = int(program.stream_gpu[stream])
        records.append(
            Record(
                gpu=gpu,
                src=int(program.copy_src[copy]),
                dst=int(program.copy_dst[copy]),
                bytes=int(program.copy_bytes[copy]),
                start_ns=start_ns,
                end_ns=end_ns,
                correlation=call + 1,
                call=(name, call_start_ns, call_end_ns),
                stream=7 + stream,
                pid=100 + gpu,
            )
        )
    return records
