"""Rows as numbers with noise, and the prediction of the same numbers."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from dwdp_hw.calibration.observations import Observations
from dwdp_hw.rows.recording import read_recording
from dwdp_sim.fabric import engine_choice
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
CLUSTER, OPTIONS = read_cluster("h100_x1_host"), FabricOptions()
ROWS = read_recording(str(MEASUREMENTS / "h100_x1_live_calibration.json")).rows


def test_each_row_that_has_been_predicted_is_told() -> None:
    told: list[int] = []
    observations = Observations(ROWS[:3], OPTIONS, lambda: told.append(1))
    observations.residuals(CLUSTER)
    assert len(told) == 3


def test_residuals_are_the_same_to_the_last_bit_on_a_machine_without_numba_and_whatever_was_predicted_before() -> None:
    half = CLUSTER.with_values({"host_in_bytes_per_s": CLUSTER.rate("host_in_bytes_per_s") / 2})
    compiled = Observations(ROWS, OPTIONS)
    with mock.patch.object(engine_choice, "find_spec", return_value=None):
        readable = Observations(ROWS, OPTIONS)
    found = [compiled.residuals(cluster) for cluster in (CLUSTER, half, CLUSTER)]
    assert (found[0] == found[2]).all()
    assert (found[0] == readable.residuals(CLUSTER)).all()
    assert (found[1] == readable.residuals(half)).all()
    assert (found[0] != found[1]).any()
