"""Readers see each job's rows once, whatever the folder has gone through."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwdp_sim import report_app as report
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.build import build_run
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.claims import claim
from dwdp_sim.sweep.compact import compact, compacted_jobs, read_folder
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.query import connect, load_results
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, failure_rows, result_rows, write_rows
from tests.dwdp_sim.composing import config_object

SMALL = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2", "strategy.slice_bytes=8MiB")


def at(minute: int) -> Run:
    return Run("some sweep", datetime(2026, 1, 1, 0, minute, tzinfo=UTC), 0.25)


def asked(name: str) -> Asked:
    return Asked(name, f"asked-{name}", SMALL, config_object(*SMALL))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    job = build_run(config_object(*SMALL), SMALL)
    return result_rows(asked("a"), job, summarize_run(job), at(0))


def rename(rows: pa.Table, **values: object) -> pa.Table:
    """`rows` with some columns' values replaced throughout."""
    for name, value in values.items():
        index = rows.column_names.index(name)
        column = pa.array([value] * rows.num_rows, rows.schema.field(name).type)
        rows = rows.set_column(index, rows.schema.field(name), column)
    return rows


@pytest.fixture
def folder(rows: pa.Table, tmp_path: Path) -> Folder:
    """Jobs a, b and c, of two ranks each."""
    folder = Folder(tmp_path / "rows")
    for name in "abc":
        write_rows(folder.rows(name), rename(rows, job=name, asked_hash=f"asked-{name}"))
    return folder


def test_rows_come_as_a_frame_one_a_rank(folder: Folder) -> None:
    frame = load_results(folder.path)
    assert list(frame["job"]) == ["a", "a", "b", "b", "c", "c"]
    assert list(frame["rank"]) == [0, 1] * 3
    assert "config_json" not in frame
    assert frame["prefetch_latency_s"].dtype == float


def test_sql_sees_rows_and_jobs(folder: Folder) -> None:
    connection = connect(folder.path)
    assert connection.sql("select count(*), count(distinct job) from rows").fetchall() == [(6, 3)]
    query = "select job, slice_bytes, config_json like '%8388608%' from jobs order by job"
    assert connection.sql(query).fetchall() == [(job, 8 * 2**20, True) for job in "abc"]


def test_a_success_hides_the_failure_that_it_could_not_remove(folder: Folder) -> None:
    write_rows(folder.failure("a"), failure_rows(asked("a"), "killed", at(1)))
    write_rows(folder.failure("d"), failure_rows(asked("d"), "killed", at(1)))
    frame = load_results(folder.path)
    assert list(frame["status"]) == ["ok"] * 6 + ["failed"]
    assert list(frame["job"])[-1] == "d"


def test_of_several_versions_of_the_code_the_newest_rows_count(folder: Folder, rows: pa.Table) -> None:
    new = rename(rows, job="a2", asked_hash="asked-a", code_version="9+new", started_at=at(5).started_at)
    write_rows(folder.rows("a2"), new)
    connection = connect(folder.path)
    assert connection.sql("select job from jobs order by job").fetchall() == [("a2",), ("b",), ("c",)]
    assert connection.sql("select count(*) from every_row").fetchall() == [(8,)]


def test_merging_changes_no_row_and_a_merge_killed_halfway_neither(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "before")
    before = load_results(folder.path)
    assert compact(folder.path) == 3
    assert [file.name.split("-")[0] for file in folder.finished_files()] == ["compact"]
    assert compacted_jobs(folder) == {"a", "b", "c"}
    assert load_results(folder.path).equals(before)
    assert compact(folder.path) == 0
    # Killed after the merged file was there and one of the merged ones was removed:
    for name in "bc":
        shutil.copy(tmp_path / "before" / "jobs" / f"{name}.parquet", folder.rows(name))
    assert load_results(folder.path).equals(before)
    assert compact(folder.path) == 2
    assert load_results(folder.path).equals(before)


def test_nothing_is_merged_while_a_job_runs(folder: Folder) -> None:
    with claim(folder.claim("d")), pytest.raises(ConfigError, match="1 jobs are running; merge when they are done"):
        compact(folder.path)
    assert len(folder.finished_files()) == 3


def test_a_reader_names_the_damaged_file_and_what_to_do(folder: Folder) -> None:
    folder.rows("b").write_bytes(folder.rows("b").read_bytes()[:-100])
    for read in (read_folder, lambda one: load_results(one.path), lambda one: compact(one.path)):
        with pytest.raises(ConfigError, match=r"b\.parquet: cannot be read: .*the sweep's command replaces it"):
            read(folder)
    assert len(folder.finished_files()) == 3


def test_a_table_of_something_else_is_named(folder: Folder) -> None:
    pq.write_table(pa.table({"a": [1]}), folder.rows("d"))
    for read in (read_folder, lambda one: load_results(one.path), lambda one: compact(one.path)):
        with pytest.raises(ConfigError, match=r"d\.parquet: damaged or of another version: columns a"):
            read(folder)


def test_leftovers_of_a_kill_are_no_rows(folder: Folder) -> None:
    (folder.path / "jobs" / ".d.x7.parquet").write_bytes(b"PAR1")
    assert len(load_results(folder.path)) == 6


def test_several_folders_are_read_together(folder: Folder, rows: pa.Table, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    write_rows(other.rows("d"), rename(rows, job="d", asked_hash="asked-d"))
    assert set(load_results(folder.path, other.path)["job"]) == set("abcd")


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["dwdp-report", *arguments])
    report.main()


def test_a_query_is_answered_as_text(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, "query", "select job, slice_bytes from jobs order by job", str(folder.path))
    assert capsys.readouterr().out == "job,slice_bytes\na,8388608\nb,8388608\nc,8388608\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "selct 1", "FOLDER"], 'query=selct 1: Parser Error: syntax error at or near "selct"'),
        (["query", "select colour from rows", "FOLDER"], 'Binder Error: Referenced column "colour" not found'),
        (["query", "select 1", "none"], "none: a results folder of a sweep is wanted"),
        (["compact", "none"], "none: a results folder of a sweep is wanted"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    message: str,
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(monkeypatch, *[str(folder.path) if one == "FOLDER" else one for one in arguments])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.err.count("\n") == 1
    assert message in printed.err
