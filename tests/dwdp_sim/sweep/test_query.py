"""Readers see each job's rows once, whatever the folder has gone through."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwdp_sim import report_app as report
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.build import build_run
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.claims import claim
from dwdp_sim.sweep.columns import SCHEMA_VERSION
from dwdp_sim.sweep.compact import compact, compacted_jobs, read_folder
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.query import connect, load_results
from dwdp_sim.sweep.query_answer import ask, print_table, write_csv
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


OWN = "d" * 32  # a name that a sweep gives
NEWER = SCHEMA_VERSION + 1


def _newer(rows: pa.Table) -> pa.Table:
    return rename(rows, schema_version=NEWER).append_column("new_s", pa.array([1.0] * rows.num_rows))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path, rows: path.write_bytes(b"PAR1 and no more"),
            "cannot be read: .*; remove it: the sweep",
        ),
        (lambda path, rows: pq.write_table(pa.table({"a": [1]}), path), "columns a are no rows of a sweep; remove it"),
        (
            lambda path, rows: pq.write_table(_newer(rows), path),
            f"schema {NEWER} of a newer version of dwdp-toolkit, .* or move the file out of it",
        ),
    ],
)
def test_a_file_under_a_sweep_s_own_name_is_refused_until_it_is_gone(
    write: Callable[[Path, pa.Table], object], message: str, folder: Folder, rows: pa.Table
) -> None:
    write(folder.rows(OWN), rows)
    for read in (read_folder, lambda one: load_results(one.path), lambda one: compact(one.path)):
        with pytest.raises(ConfigError, match=rf"{OWN}\.parquet: {message}"):
            read(folder)
    assert len(folder.finished_files()) == 4
    folder.rows(OWN).unlink()
    assert len(load_results(folder.path)) == 6


def _put_strangers(folder: Folder, elsewhere: Path) -> list[str]:
    """Everything that is no file of a sweep where files of finished and failed jobs are; their names."""
    jobs = folder.path / "jobs"
    (folder.path / "failed").mkdir()
    pq.write_table(pa.table({"a": [1]}), elsewhere)
    (jobs / "dangling.parquet").symlink_to(elsewhere.parent / "none")
    (jobs / f"{OWN}.parquet").symlink_to(elsewhere)
    (jobs / "loop.parquet").symlink_to("loop.parquet")
    (jobs / "folder.parquet").mkdir()
    os.mkfifo(jobs / "pipe.parquet")
    (jobs / "empty.parquet").touch()
    (jobs / "notes.parquet").write_text("not a table")
    pq.write_table(pa.table({"a": [1]}), jobs / "another's\x1b[31m.parquet")
    with socket.socket(socket.AF_UNIX) as one, chdir(folder.path / "failed"):
        one.bind("socket.parquet")
    return [*(path.name for path in jobs.iterdir() if len(path.stem) > 1), "socket.parquet"]


def test_strangers_in_a_folder_are_left_out_and_named_on_one_line(
    folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = _put_strangers(folder, tmp_path / "elsewhere.parquet")
    assert list(load_results(folder.path)["job"]) == ["a", "a", "b", "b", "c", "c"]
    (line,) = caplog.messages
    assert f"skipped, no rows of a sweep: failed/socket.parquet (no regular file), jobs/another's{chr(92)}x1b" in line
    assert "and 4 more" in line
    assert line.isprintable()
    assert compacted_jobs(folder) == set()
    assert compact(folder.path) == 3
    assert len(load_results(folder.path)) == 6
    left = {path.name for name in ("jobs", "failed") for path in (folder.path / name).iterdir()}
    assert left > set(names), "a merge removed what is not a sweep's"
    assert pq.read_table(tmp_path / "elsewhere.parquet").to_pylist() == [{"a": 1}]


def test_a_command_says_what_it_skips_on_one_line_of_standard_error(folder: Folder, tmp_path: Path) -> None:
    _put_strangers(folder, tmp_path / "elsewhere.parquet")
    code = "from dwdp_sim.report_app import main; main()"
    command = [sys.executable, "-c", code, "query", "select count(*) as n from rows", str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "n\n6\n"
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{folder.path}: skipped, no rows of a sweep: ")


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
        (["query", "copy rows to 'FOLDER/out.csv'", "FOLDER"], "one question is wanted, as select …; got COPY"),
        (["query", "select 1; select 2", "FOLDER"], "one question is wanted, as select …; got SELECT, SELECT"),
        (["query", "", "FOLDER"], "one question is wanted, as select …; got nothing"),
        (["query", "select 'a\udcff'", "FOLDER"], "query=select 'a\\udcff': 'utf-8' codec can't encode"),
        (["query", "x" * 5000, "FOLDER"], f'syntax error at or near "{"x" * 199}…'),
        (["query", "select 1"], "the following arguments are required: results; dwdp-report query --help explains it"),
        (
            ["query", "select 1", "FOLDER", "--unknown"],
            "arguments: --unknown; dwdp-report --help explains it",
        ),
        (["query", "drop view jobs", "FOLDER"], "one question is wanted, as select …; got DROP"),
        (["query", "select * from read_text('/etc/hostname')", "FOLDER"], "file system operations are disabled"),
        (["query", "select error('no' || job) from jobs", "FOLDER"], "query=select error('no' || job) from jobs: "),
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


@pytest.mark.parametrize(
    "statement",
    [
        "copy rows to 'PLACE/out.csv'",
        "copy rows to 'PLACE/out.parquet' (format parquet)",
        "export database 'PLACE/out'",
        "attach 'PLACE/out.db'",
        "create table t as select * from read_csv('PLACE/secret.csv')",
        "select * from 'PLACE/secret.csv'",
        "select * from read_text('PLACE/secret.csv')",
        "select * from read_blob('PLACE/secret.csv')",
        "select * from glob('PLACE/*')",
        "select * from sniff_csv('PLACE/secret.csv')",
        "select * from parquet_schema('PLACE/secret.csv')",
        "select * from duckdb_secrets()",
        "copy (select 1) to '/dev/stdout'",
        "import database 'PLACE'",
        "install httpfs",
        "load httpfs",
        "select * from read_csv('https://example.com/a.csv')",
        "set enable_external_access = true",
        "reset enable_external_access",
        "set memory_limit = '1TB'",
        "pragma temp_directory = 'PLACE'",
        "set lock_configuration = false",
        "select * from local_variable",
    ],
)
def test_sql_reaches_the_rows_alone(statement: str, folder: Folder, tmp_path: Path) -> None:
    local_variable = pa.table({"a": [1]})  # DuckDB finds what Python names, unless it is locked
    place = tmp_path / "place"
    place.mkdir()
    (place / "secret.csv").write_text("a\n1\n")
    with pytest.raises(duckdb.Error, match=r"disabled|locked|does not exist"):
        connect(folder.path).sql(statement.replace("PLACE", str(place))).fetchall()
    assert [path.name for path in place.iterdir()] == ["secret.csv"]
    assert local_variable.num_rows == 1


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("from rows select job, rank order by all", ("a", 0)),
        ("with one as (select 1 as n) select * from one", (1,)),
        ("describe select job from jobs", ("job",)),
        ("select config_json->>'$.seed' from jobs", ("0",)),
        ("select date_trunc('day', started_at)::date::text from jobs", ("2026-01-01",)),
        ("select strftime(started_at, '%Y') from jobs", ("2026",)),
        ("values ('a')", ("a",)),
        ("select current_setting('memory_limit'), current_setting('temp_directory')", ("3.7 GiB", "")),
        ("select list(job order by job) from jobs", (["a", "b", "c"],)),
        ("select current_setting('enable_progress_bar')", (False,)),  # it would stand in the answer
    ],
)
def test_questions_that_change_nothing_are_answered(question: str, first: tuple[object, ...], folder: Folder) -> None:
    row = next(ask(connect(folder.path), question).rows)
    assert row[: len(first)] == first


def test_an_answer_larger_than_memory_is_written_as_it_comes(folder: Folder) -> None:
    rows = ask(connect(folder.path), "select range, range::text from range(1_000_000_000_000)").rows
    assert next(rows) == (0, "0")


def test_values_that_hold_control_characters_reach_a_file_as_they_are_and_a_terminal_as_escapes(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "select 'a' || chr(27) || '[31m' as \"[red]b\", null as n, 1 as whole, 0.1 as real"
    file = io.StringIO()
    write_csv(ask(connect(folder.path), question), file)
    assert file.getvalue() == "[red]b,n,whole,real\na\x1b[31m,,1,0.1\n"
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    write_csv(ask(connect(folder.path), question), screen)
    monkeypatch.setattr(sys, "stdout", screen)
    print_table(ask(connect(folder.path), question))
    assert screen.getvalue().count("a\\x1b[31m") == 2
    assert screen.getvalue().count("[red]b") == 2


def test_a_folder_may_have_any_name(folder: Folder, tmp_path: Path) -> None:
    odd = folder.path.rename(tmp_path / 'it\'s "odd"; $(x) `y` {z} [b] %s \\ é')
    assert len(load_results(odd)) == 6
    assert compact(odd) == 3
    assert connect(odd, odd).sql("select count(*) from rows").fetchall() == [(6,)]
