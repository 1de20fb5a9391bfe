"""A measured step stands beside what is predicted from the windows measured in it and from tables of kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dwdp_hw.job import measurement
from dwdp_hw.job.measurement import Measurement, build_measurement
from dwdp_hw.job.measurement_report import print_measurement
from dwdp_hw.job.measurement_summary import summarize_measurement
from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_hw.job.step_predictions import MEASURED
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
CASE = "mixtral_8x7b_bf16_host_batched_2x8192"
STEP = (
    "model=mixtral_8x7b_bf16",
    "cluster=h100_x1_host",
    "compute.gpu=H200",
    "backend.measure=pipeline",
    "backend.window=kernels",
    "backend.layers=6",
    "workload.isl=8192",
    "workload.max_num_tokens=16384",
)


@pytest.fixture(autouse=True)
def _one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "count_gpus", lambda: 1)


def build(*overrides: str) -> Measurement:
    register_hw_schemas()
    return build_measurement(compose("hw", HwConfig, list(overrides), [str(config_dir())]), overrides)


def recorded(name: str) -> Any:
    rows = json.loads((MEASUREMENTS / "h200_x1_pipelines.json").read_text(encoding="utf-8"))["rows"]
    return next(row for row in rows if row["case"] == name)


def test_a_step_with_kernels_is_predicted_as_the_study_does() -> None:
    row = recorded(f"{CASE}_round0")
    summary = summarize_measurement(build(*STEP), row)
    assert summary.steps is not None
    assert summary.no_prediction is None
    beforehand = json.loads((MEASUREMENTS / "predictions/h200_pipelines.json").read_text(encoding="utf-8"))["rows"]
    said = next(case for case in beforehand if case["case"] == CASE)
    for backend in ("trtllm", "sglang"):
        assert summary.steps.step_s[f"{backend}'s tables"] == pytest.approx([said[backend]["step_us"] * 1e-6], rel=1e-4)
    (rank,) = summary.ranks
    assert (rank.predicted_s,) == summary.steps.step_s[MEASURED]
    assert rank.error is not None
    assert abs(rank.error) < 0.03
    assert summary.to_dict()["step_predictions"]["step_s"][MEASURED] == summary.steps.step_s[MEASURED]


def test_every_prediction_of_a_step_is_printed_with_its_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built, row = build(*STEP), recorded(f"{CASE}_round0")
    print_measurement(Console(width=200), built, summarize_measurement(built, row), tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Measured: a step of 6 MoE layers of mixtral_8x7b_bf16" in printed
    for basis in (MEASURED, "trtllm's tables", "sglang's tables"):
        assert f"step predicted from {basis}: " in printed
    assert "not predicted" not in printed


def test_what_tables_or_constants_lack_is_said_and_the_rest_predicted() -> None:
    lacking = summarize_measurement(build(*STEP, "model.intermediate_size=1616"), recorded(f"{CASE}_round0")).steps
    assert lacking is not None
    assert list(lacking.step_s) == [MEASURED]
    assert "no measured experts" in lacking.missing["trtllm's tables"]
    no_link = build(*STEP, "cluster.constants.host_in_bytes_per_s.value=null")
    nothing = summarize_measurement(no_link, recorded(f"{CASE}_round0"))
    assert nothing.steps is not None
    assert nothing.steps.step_s == {}
    assert "host_in_bytes_per_s" in nothing.steps.missing[MEASURED]
    assert nothing.ranks[0].predicted_s is None


def test_other_windows_have_no_tables_and_host_memory_no_prediction() -> None:
    spin = build(*(word for word in STEP if "window" not in word))
    assert spin.case.pipeline is not None
    steps = summarize_measurement(spin, recorded(f"{CASE}_round0")).steps
    assert steps is not None
    assert list(steps.step_s) == [MEASURED]
    on_host = build("backend=host", "backend.measure=pipeline")
    assert (on_host.simulator, on_host.no_prediction) == (None, "no prediction of host memory")
