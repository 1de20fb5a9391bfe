"""Rows: what a job's file holds, and how a damaged one is told."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.job.build import build_run
from dwdp_sim.job.job import CheckedRun
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.columns import COLUMNS, SCHEMA_VERSION, data_dictionary
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.rows import (
    Run,
    failed_in,
    failure_rows,
    is_complete,
    read_rows,
    result_rows,
    write_rows,
)
from tests.dwdp_sim.composing import config_object

RUN = Run("the sweep", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 0.25)
SMALL = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB")


def asked(*overrides: str) -> Asked:
    return Asked("a" * 32, "b" * 32, overrides, config_object(*overrides))


def rows_of(*overrides: str) -> tuple[pa.Table, CheckedRun, dict[str, Any]]:
    one = asked(*overrides)
    job = build_run(config_object(*overrides), overrides)
    summary = summarize_run(job)
    return result_rows(one, job, summary, RUN), job, summary.to_dict()


def test_rows_say_what_the_summary_says() -> None:
    rows, job, summary = rows_of(*SMALL)
    assert rows.column_names == [column.name for column in COLUMNS]
    assert rows.column("rank").to_pylist() == [0, 1, 2, 3]
    for name, key in (("prefetch_latency_s", "prefetch_latency_s"), ("host_s", "host_s"), ("gap_s", "gap_s")):
        assert rows.column(name).to_pylist() == [rank[key] for rank in summary["ranks"]]
    assert rows.column("pulled_bytes").to_pylist() == [358_318_512] * 4
    assert rows.column("prefetch_latency_mean_s")[0].as_py() == summary["prefetch_latency_s"]["mean"]
    assert [rows.column(f"range_{end}_s")[2].as_py() for end in ("low", "high")] == list(summary["range_s"]["ranks"][2])
    assert rows.column("slice_bytes")[0].as_py() == 8 * 2**20
    assert rows.column("num_prefetch_experts")[0].as_py() == 18  # filled in: 72 experts over 4 ranks
    assert rows.column("in_flight_sources")[0].as_py() == 2
    assert json.loads(rows.column("config_json")[0].as_py())["dwdp"] == job.config["dwdp"]


def test_every_column_of_parameters_and_metrics_has_a_value_in_some_workload() -> None:
    layer = rows_of(*SMALL, "workload.start=random", "workload.max_phase_s=1e-4")[0]
    small_steps = (
        *SMALL, "workload=iteration", "workload.iterations=1", "workload.isl=1024", "workload.max_num_tokens=1024",
        "workload.replications=2",
    )  # fmt: skip
    steps = rows_of(*small_steps, "compute.load=balanced")[0]
    constant = rows_of(*small_steps, "compute=constant", "compute.window_s=1e-3")[0]
    rows = (layer, steps, constant)
    empty = {name for name in layer.column_names if all(t.column(name).null_count == t.num_rows for t in rows)}
    assert empty == {"error"}
    assert steps.num_rows == 1
    assert steps.column("step_iteration_s")[0].as_py() > 0


def test_a_replay_has_a_row_a_stream(tmp_path: Path) -> None:
    copy = {"issue": "async", "src": "gpu1", "dst": "gpu0", "bytes": 1048576, "count": 4}
    (tmp_path / "program.json").write_text(json.dumps({"streams": [{"gpu": 0, "calls": [copy]}] * 2}))
    rows, _, summary = rows_of("cluster=h200_x2", "workload=replay", f"workload.file={tmp_path / 'program.json'}")
    assert rows.column("prefetch_latency_s").to_pylist() == [one["elapsed_s"] for one in summary["streams"]]
    assert rows.column("issue_mode").to_pylist() == ["replay"] * 2


def test_a_failure_says_why_and_in_which_sweep(tmp_path: Path) -> None:
    one = asked("strategy.slice_bytes=nonsense", "dwdp.dwdp_size=5")
    path = tmp_path / f"{one.job}.parquet"
    write_rows(path, failure_rows(one, "two\nlines", RUN))
    rows = read_rows(path)
    assert rows.num_rows == 1
    row = rows.to_pylist()[0]
    assert (row["status"], row["error"], row["rank"]) == ("failed", "two\\nlines", None)
    assert (row["dwdp_size"], row["slice_bytes"]) == (5, None)
    assert failed_in(path) == "the sweep"
    assert failed_in(tmp_path / "none.parquet") is None
    assert not is_complete(path)


def test_a_file_is_complete_only_under_its_own_job_s_name(tmp_path: Path) -> None:
    rows = rows_of(*SMALL)[0]
    for name in ("a" * 32, "c" * 32):
        write_rows(tmp_path / f"{name}.parquet", rows)
    assert is_complete(tmp_path / f"{'a' * 32}.parquet")
    assert not is_complete(tmp_path / f"{'c' * 32}.parquet")
    assert not is_complete(tmp_path / "none.parquet")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    path = tmp_path_factory.mktemp("rows") / f"{'a' * 32}.parquet"
    rows = rows_of(*SMALL)[0]
    write_rows(path, rows)
    return path, rows


@settings(max_examples=300)
@given(data=st.data())
def test_no_damage_is_read_as_other_rows(written: tuple[Path, pa.Table], data: st.DataObject) -> None:
    path, rows = written
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged = path.parent / "damaged" / path.name
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert read_rows(damaged).equals(rows)


def test_rows_of_an_earlier_version_lack_columns_and_of_a_later_one_are_refused(
    written: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    _, rows = written
    pq.write_table(rows.drop_columns(["gap_s"]), tmp_path / "old.parquet")
    assert read_rows(tmp_path / "old.parquet").column("gap_s").null_count == 4
    newer = pa.array([SCHEMA_VERSION + 1] * 4)
    pq.write_table(rows.set_column(0, "schema_version", newer), tmp_path / "new.parquet")
    with pytest.raises(ValueError, match="schema 2 of a newer version of dwdp-toolkit, this one knows schema 1"):
        read_rows(tmp_path / "new.parquet")


def test_the_data_dictionary_is_current() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "data_dictionary.md"
    assert page.read_text(encoding="utf-8") == data_dictionary(), (
        "dwdp-report data-dictionary > docs/data_dictionary.md"
    )
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
