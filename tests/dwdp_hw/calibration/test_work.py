"""What a calibration will take is known before, about: to a factor of two in predictions and simulated copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from dwdp_hw.calibration import work
from dwdp_hw.calibration.calibrate import calibrate, rows_used
from dwdp_hw.calibration.design import rule_rows
from dwdp_hw.calibration.rules import showing
from dwdp_hw.calibration.work import predictions_of, work_of_calibration
from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.validation.check_job import build_check
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.repeated import RepeatedProgram
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.calibration.test_rules import HGX, OPTIONS, calibration_rows_of

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
WITHIN = 2.0
RECORDED = (
    ("h200_x2", "design", ("h200_x2_live_calibration",)),
    ("h200_x2", "all", ("h200_x2_live_validation",)),
    ("h200_x2", "design", ("h200_x2_calibration_1", "h200_x2_calibration_2")),
    ("h100_x1_host", "all", ("h100_x1_live_calibration",)),
)


def within(estimated: float, counted: float) -> bool:
    return counted / WITHIN <= estimated <= counted * WITHIN


def counted_work(
    recordings: list[Recording], cluster: Cluster, use: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """How many predictions a calibration really asks for, and how many copies it simulates for them."""
    predictions, copies = 0, 0
    run = RepeatedProgram.run

    def counting(self: RepeatedProgram, *how: Any, **more: Any) -> Any:
        nonlocal copies
        copies += len(self.program.copy_bytes)
        return run(self, *how, **more)

    def told() -> None:
        nonlocal predictions
        predictions += 1

    monkeypatch.setattr(RepeatedProgram, "run", counting)
    calibrate(recordings, cluster, OPTIONS, name="found", use=use, told=told)
    return predictions, copies


@pytest.mark.parametrize(("name", "use", "files"), RECORDED)
def test_estimates_of_recorded_rows_are_near_what_their_fit_asks_for(
    name: str, use: str, files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [read_recording(str(MEASUREMENTS / f"{file}.json")) for file in files]
    cluster = read_cluster(name)
    rows = [row for recording in recordings for row in rows_used(recording, use, cluster.mapping)]
    predictions, copies = counted_work(recordings, cluster, use, monkeypatch)
    assert within(predictions_of(rows, 0, cluster), predictions)
    monkeypatch.setattr(work, "_PREDICTED_S", 0.0)
    for engine_s in ("_COPY_S", "SIMPY_S"):  # so that the time is a count of copies
        monkeypatch.setattr(work, engine_s, 1.0)
    monkeypatch.setattr(work, "takes_compiled", lambda *_: True)
    assert within(work_of_calibration(recordings, cluster, OPTIONS, use).time_s, copies)


def test_an_estimate_knows_under_how_many_rules_constants_are_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = calibration_rows_of(tmp_path / "rows.json", HGX, OPTIONS)
    rows = rows_used(recording, "design", HGX.mapping)
    rules = showing(rows, rule_rows(recording.rows), HGX, OPTIONS)
    assert rules
    predictions, _ = counted_work([recording], HGX, "design", monkeypatch)
    assert within(predictions_of(rows, len(rules), HGX), predictions)
    assert predictions > predictions_of(rows, 0, HGX)


def test_twice_the_rows_are_twice_the_work(recording: Recording, base: Cluster) -> None:
    once = work_of_calibration([recording], base, OPTIONS, "design")
    twice = work_of_calibration([recording, recording], base, OPTIONS, "design")
    assert twice.time_s == pytest.approx(2 * once.time_s)
    assert twice.memory_bytes > once.memory_bytes


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            "limits.time_s=0.1",
            r"limits.time_s=0.1: about .*s would be needed for 3,808 predictions of 17 rows under 1 rule; "
            r"fewer files in rows, or check.use=design make it smaller, or raise the limit",
        ),
        ("limits.memory=1MB", r"limits.memory=1MB: about .* would be needed for 3,808 predictions of 17 rows"),
    ],
)
def test_a_calibration_beyond_a_limit_is_refused_with_the_estimate(limit: str, message: str) -> None:
    register_hw_schemas()
    rows = f"rows={MEASUREMENTS}/h200_x2_live_calibration.json"
    composed = compose("hw", HwConfig, ["mode=calibrate", "source=recorded", rows, limit], [str(config_dir())])
    with pytest.raises(ConfigError, match=message):
        build_check(composed)
    OmegaConf.update(composed, "mode", "validate")  # only a calibration is limited
    assert build_check(composed).recordings
