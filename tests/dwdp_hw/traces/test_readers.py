"""What the two readers take from a trace, and what they say when something is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_hw.traces.importing import read_trace
from dwdp_hw.traces.torch_profiler import read_torch_profiler
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.endpoints import HOST
from tests.dwdp_hw.traces.trace_files import Record, write_nsys, write_torch

CALL = ("cudaMemcpyAsync", 100, 200)
RECORDS = [
    Record(gpu=0, src=1, dst=0, bytes=4096, start_ns=2_000, end_ns=5_000, correlation=3, call=CALL),
    Record(gpu=1, src=1, dst=0, bytes=8192, start_ns=3_000, end_ns=6_000, correlation=4, stream=9),
    Record(gpu=0, src=HOST, dst=0, bytes=16, start_ns=7_000, end_ns=7_500, correlation=5),
    Record(gpu=0, src=0, dst=HOST, bytes=32, start_ns=8_000, end_ns=8_500, correlation=6),
    Record(gpu=1, src=1, dst=1, bytes=64, start_ns=9_000, end_ns=9_500, correlation=7),
]


def facts(path: Path) -> list[tuple[object, ...]]:
    copies = sorted(read_trace(str(path)).copies, key=lambda copy: copy.start_ns)
    return [
        (c.kind, c.gpu, c.stream, c.src, c.dst, c.bytes, c.start_ns, c.end_ns, c.correlation, c.call and c.call.name)
        for c in copies
    ]


EXPECTED = [
    ("peer", 0, 7, 1, 0, 4096, 2_000, 5_000, 3, "cudaMemcpyAsync"),
    ("peer", 1, 9, 1, 0, 8192, 3_000, 6_000, 4, None),
    ("host", 0, 7, HOST, 0, 16, 7_000, 7_500, 5, None),
    ("host", 0, 7, 0, HOST, 32, 8_000, 8_500, 6, None),
    ("local", 1, 7, 1, 1, 64, 9_000, 9_500, 7, None),
]


@pytest.mark.parametrize("name", ["run.sqlite", "run.json", "run.json.gz"])
def test_every_kind_of_file_gives_the_same_copies_with_their_kind_ends_times_and_call(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if name.endswith("sqlite"):
        write_nsys(path, RECORDS)
    else:
        write_torch(path, RECORDS)
    assert facts(path) == EXPECTED
    assert read_trace(str(path)).gpu_names[1] == "NVIDIA H200"


def test_peer_copies_in_cupti_s_own_table_are_read_too(tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", RECORDS, peer_table="CUPTI_ACTIVITY_KIND_MEMCPY2")
    assert facts(path) == EXPECTED


def test_an_export_without_the_enum_uses_cupti_s_numbers(tmp_path: Path) -> None:
    assert facts(write_nsys(tmp_path / "run.sqlite", RECORDS, without=["ENUM_CUDA_MEMCPY_OPER"])) == EXPECTED


def test_device_numbers_of_a_process_that_sees_other_gpus_are_translated(tmp_path: Path) -> None:
    records = [replace(RECORDS[0], pid=100), replace(RECORDS[0], pid=200)]
    devices = [(100, 0, 4), (100, 1, 5), (200, 0, 6), (200, 1, 7)]
    copies = read_trace(str(write_nsys(tmp_path / "run.sqlite", records, devices=devices))).copies
    assert [(copy.gpu, copy.src, copy.dst) for copy in copies] == [(4, 5, 4), (6, 7, 6)]


def test_equal_correlation_numbers_of_two_processes_are_two_calls(tmp_path: Path) -> None:
    records = [replace(RECORDS[0], pid=100), replace(RECORDS[0], pid=200, call=("cudaMemcpyBatchAsync", 300, 400))]
    copies = read_trace(str(write_nsys(tmp_path / "run.sqlite", records))).copies
    assert [copy.call and copy.call.name for copy in copies] == ["cudaMemcpyAsync", "cudaMemcpyBatchAsync"]
    assert copies[0].process != copies[1].process


@pytest.mark.parametrize("writer", [write_nsys, write_torch])
def test_of_a_runtime_call_and_the_driver_call_in_it_the_outer_one_counts(
    writer: Callable[[Path, list[Record]], Path], tmp_path: Path
) -> None:
    inner = replace(RECORDS[0], call=("cuMemcpyBatchAsync_v2", 120, 180), start_ns=6_000, end_ns=7_000)
    outer = replace(RECORDS[0], call=("cudaMemcpyBatchAsync", 100, 200))
    copies = read_trace(str(writer(tmp_path / "run", [inner, outer]))).copies
    assert {copy.call and copy.call.name for copy in copies} == {"cudaMemcpyBatchAsync"}


def test_files_of_two_ranks_are_laid_on_one_clock(tmp_path: Path) -> None:
    for base_ns, name in ((0, "a.json"), (1_000, "b.json")):
        write_torch(tmp_path / name, RECORDS[:1], base_ns=base_ns)
    first, second = (
        read_torch_profiler(str(tmp_path / name), n).copies[0] for n, name in enumerate(("a.json", "b.json"))
    )
    assert first.start_ns == second.start_ns == 2_000
    assert first.process != second.process


def test_records_of_migrations_and_without_times_are_left_out_and_counted(tmp_path: Path) -> None:
    odd = replace(RECORDS[0], end_ns=2_000)
    trace = read_trace(str(write_nsys(tmp_path / "run.sqlite", [RECORDS[0], odd])))
    assert len(trace.copies) == 1
    assert "1 records of other kinds or without times" in trace.notes[0]


def test_without_the_host_s_calls_the_copies_are_read_and_a_note_says_so(tmp_path: Path) -> None:
    export = write_nsys(tmp_path / "run.sqlite", RECORDS, without=["CUPTI_ACTIVITY_KIND_RUNTIME"])
    trace = write_torch(tmp_path / "run.json", RECORDS, calls=False)
    for path in (export, trace):
        found = read_trace(str(path))
        assert all(copy.call is None for copy in found.copies)
        assert any("when the host issued is not known" in note for note in found.notes)


MISSING: dict[str, tuple[Callable[[Path], object], str]] = {
    "no copies": (
        lambda path: write_nsys(path, [], without=["CUPTI_ACTIVITY_KIND_MEMCPY"]),
        "has no table CUPTI_ACTIVITY_KIND_MEMCPY: no CUDA copy was recorded; record with `nsys profile --trace=cuda`",
    ),
    "no peers": (
        lambda path: write_nsys(path, RECORDS, without=["CUPTI_ACTIVITY_KIND_MEMCPY.srcDeviceId"]),
        "has no column srcDeviceId of CUPTI_ACTIVITY_KIND_MEMCPY: it says whose memory a peer copy reads",
    ),
    "no bytes": (
        lambda path: write_nsys(path, RECORDS, without=["CUPTI_ACTIVITY_KIND_MEMCPY.bytes"]),
        "has no column bytes of CUPTI_ACTIVITY_KIND_MEMCPY: record with",
    ),
    "torch without peers": (
        lambda path: write_torch(path, RECORDS, without=["fromDevice"]),
        "traceEvents[1], a copy, has no args.fromDevice: it says",
    ),
    "torch without streams": (
        lambda path: write_torch(path, RECORDS, without=["stream"]),
        "traceEvents[1], a copy, has no args.stream",
    ),
    "torch without a GPU": (lambda path: write_torch(path, []), "has no events of category gpu_memcpy: record with"),
    "other JSON": (lambda path: path.write_text("{}"), "lacks the field 'traceEvents'"),
    "no JSON": (lambda path: path.write_text("hello"), "cannot be read as JSON"),
    "half a gzip": (lambda path: path.write_bytes(b"\x1f\x8b\x08\x00"), "cannot be read as JSON"),
    "half an SQLite file": (lambda path: path.write_bytes(b"SQLite format 3\x00"), "cannot be read as SQLite"),
    "no file": (lambda path: None, "cannot be read as a trace: No such file"),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_in_one_line_with_the_file_and_the_remedy(name: str, tmp_path: Path) -> None:
    write, said = MISSING[name]
    path = tmp_path / "run"
    write(path)
    with pytest.raises(ConfigError) as caught:
        read_trace(str(path))
    assert str(caught.value).startswith(f"trace={path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_that_was_not_exported_is_answered_with_the_export_command() -> None:
    with pytest.raises(ConfigError, match=r"nsys export --type sqlite run\.nsys-rep"):
        read_trace("run.nsys-rep")


COPY, CALLS = "CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_RUNTIME"
VALUES = ["NULL", "'text'", "x'00ff'", "-1", "9e999", "1e308", "9223372036854775807"]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "column",
    [f"{COPY}.{name}" for name in ("start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes",
                                   "copyKind", "srcDeviceId")]
    + [f"{CALLS}.start", f"{CALLS}.correlationId", f"{CALLS}.globalTid", f"{CALLS}.nameId", "StringIds.value",
       "TARGET_INFO_GPU.name", "TARGET_INFO_GPU.id", "TARGET_INFO_CUDA_DEVICE.pid", "ENUM_CUDA_MEMCPY_OPER.name"],
)  # fmt: skip
def test_a_column_may_hold_anything_and_is_read_or_refused_in_one_line(column: str, value: str, tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", RECORDS, devices=[(1, 0, 0), (1, 1, 1)])
    table, name = column.split(".")
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE free AS SELECT * FROM {table}")  # without its constraints
        database.execute(f"DROP TABLE {table}")
        database.execute(f"ALTER TABLE free RENAME TO {table}")
        database.execute(f'UPDATE {table} SET "{name}" = {value} WHERE rowid = 1')
        database.commit()
    found, said = None, ""
    try:
        found = read_trace(str(path))
    except ConfigError as error:
        said = str(error)
    if found is None:
        assert said.startswith(f"trace={path}: ")
        assert "\n" not in said
    else:
        assert all(copy.bytes > 0 and 0 <= copy.start_ns < copy.end_ns < 2**63 for copy in found.copies)


def test_a_column_s_misfit_is_named_with_its_table_and_row(tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", RECORDS)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE {COPY} SET bytes = 'many' WHERE rowid = 2")
        database.commit()
    with pytest.raises(ConfigError, match=f"{COPY}, row 2.bytes is many; expected `int`"):
        read_trace(str(path))


def test_a_view_without_end_is_not_read(tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", RECORDS, without=[COPY])
    with closing(sqlite3.connect(path)) as database:
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"
        database.execute(f"CREATE VIEW {COPY} AS {rows}")
        database.commit()
    with pytest.raises(ConfigError, match=f"has no table {COPY}"):
        read_trace(str(path))


def test_an_export_that_is_being_written_is_refused_soon(tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", RECORDS)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match="cannot be read as SQLite: database is locked"):
            read_trace(str(path))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/proc/self/mem", "/tmp"])
def test_what_is_no_regular_file_is_no_trace(path: str) -> None:
    with pytest.raises(ConfigError, match=f"trace={path}: cannot be read as "):
        read_trace(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"traceEvents": [' + "[" * 100_000, "expected `object`, got `array`|nested too deeply"),
        ('{"traceEvents": [], "other": ' + "[" * 100_000, "nested too deeply"),
        ('{"traceEvents": [{"ph": "X", "args": ' + '{"a": ' * 100_000, "nested too deeply"),
        ('{"traceEvents": [{"ts": NaN}]}', "cannot be read as JSON"),
        ('{"traceEvents": [{"ts": 1e308}]}', r"traceEvents\[0\].ts: expected `float` <= "),
        ('{"traceEvents": [{"ts": 1e999}]}', r"traceEvents\[0\].ts|cannot be read as JSON"),
        ('{"traceEvents": [{"ts": -1e17}]}', r"traceEvents\[0\].ts: expected `"),
        ('{"traceEvents": [{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (", "dur": 1, "ts": 1, "args": []}]}',
         r"traceEvents\[0\].args: expected `object`, got `array`"),
        ('{"traceEvents": [{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (", "dur": 1, "ts": 1, "args":'
         '{"device": 0, "stream": 0, "bytes": -1}}]}', r"traceEvents\[0\].args.bytes: expected `int` >= 0"),
        ('{"traceEvents": [], "deviceProperties": [{"id": 0, "name": "\\u001b[2J"}]}', "text on one line is wanted"),
    ],
)  # fmt: skip
def test_json_that_no_profiler_writes_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_trace(str(tmp_path / "run.json"))
    assert "\n" not in str(caught.value)
