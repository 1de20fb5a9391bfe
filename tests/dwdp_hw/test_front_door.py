"""The names of `import dwdp_hw` measure, read, calibrate and validate without a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dwdp_hw
import dwdp_sim as dwdp

MEASUREMENTS = Path(__file__).resolve().parents[2] / "measurements"
SHAPE = dwdp.MoEModel("shape", 64, 32, 4, 1, 4, 4, "nvfp4")


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(dwdp_hw.__all__) == list(dwdp_hw.__all__) == dir(dwdp_hw)
    assert all(getattr(dwdp_hw, name).__doc__ for name in dwdp_hw.__all__)


def test_a_plan_is_measured_by_processes_on_host_memory(shared_folder: Path) -> None:
    plan = dwdp.predict(model=SHAPE, dwdp_size=2, with_range=False).job.layer.plan
    settings = dwdp_hw.Settings(start_s=60.0, shared_folder=str(shared_folder))
    measured = dwdp_hw.measure(plan, executor="host", repeats=3, detail=True, settings=settings)
    assert list(measured.latency_s) == [0, 1]
    assert list(measured.table().columns) == ["median_s", "min_s", "max_s", "host_s"]
    assert len(measured.timeline.copy_end_s) == len(plan.copy_bytes)
    assert [result.verified_runs for result in measured.results] == [measured.results[0].verified_runs] * 2 != [0, 0]


def test_rows_are_validated_from_a_file_or_what_was_read_of_it() -> None:
    path = MEASUREMENTS / "h200_x2_validation_1.json"
    validation = dwdp_hw.validate(path, "h200_x2")
    assert validation.passed
    assert not validation.in_sample
    assert dwdp_hw.validate([dwdp_hw.read_rows(path)], dwdp.load_cluster("h200_x2")).rows == validation.rows


def test_a_recorded_row_is_predicted_with_its_range() -> None:
    rows = dwdp_hw.read_rows(MEASUREMENTS / "h200_x2_random.json").rows
    row = next(row for row in rows if row.case == "r1_56_batched_2048K_as_issued")
    found = dwdp_hw.predict_row(row, "h200_x2")
    assert (found.low_s <= found.mean_s).all()
    assert (found.mean_s <= found.high_s).all()
    assert found.mean_s.max() == pytest.approx(max(row.median_s), rel=0.2)


def test_a_trace_s_copies_are_a_program_to_replay(tmp_path: Path) -> None:
    (burst,) = dwdp_hw.read_trace(MEASUREMENTS / "traces/h200_x2_v3lite36_default_rank0.json")
    (stream,) = burst
    path = tmp_path / "program.json"
    path.write_text(json.dumps(dwdp_hw.program_content([burst])))
    found = dwdp.replay(path, cluster="h200_x2", with_range=False)
    assert found.job.program.copy_bytes.sum() == stream.bytes
    assert found.latency_s == pytest.approx(stream.elapsed_s, rel=0.1)
    with pytest.raises(dwdp.ConfigError, match=r"trace=.*missing\.json: cannot be read"):
        dwdp_hw.read_trace(tmp_path / "missing.json")


def test_a_measured_row_must_be_of_a_format_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("{}")
    with pytest.raises(dwdp.ConfigError, match=r"rows=.*rows\.json"):
        dwdp_hw.read_rows(tmp_path / "rows.json")
