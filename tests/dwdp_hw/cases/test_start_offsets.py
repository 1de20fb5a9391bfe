"""Starts of ranks: drawn where nobody recorded them, and as exact as clocks are known where somebody did."""

from __future__ import annotations

from dataclasses import replace
from typing import cast
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.cases.start_offsets import DRAWS, LATEST_S, drawn_starts_s, over_starts
from dwdp_hw.rows.predict import PreparedRow, predict, predict_draws_s, predict_mean_s, starts_s
from dwdp_hw.rows.row import RecordedRow, row_from_dict
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.repeated import RepeatedProgram
from dwdp_sim.job.presets import read_cluster

HGX = read_cluster("hgx_h200")
OPTIONS = FabricOptions()
MIB = 1 << 20
ROW: MeasuredRow = {
    "case": "two readers of GPU 0, and one of GPU 1",
    "streams": [
        {"gpu": gpu, "start_us": 0.0, "issue": "batch", "pulls": [[8, [[src, MIB]]]], "calls": [[1, 8]],
         "barriers": False}
        for gpu, src in ((1, 0), (2, 0), (3, 1))
    ],
    "measure": "layer",
    "queued_behind_gate": True,
    "device_us": [{"median": 50.0, "min": 50.0, "max": 50.0}] * 3,
    "start_skew_us": None,
    "stable": True,
    "unstable_reason": None,
}  # fmt: skip


def row(**columns: object) -> RecordedRow:
    return row_from_dict(cast("MeasuredRow", {**ROW, **columns}), 4, "rows.json")


def test_starts_are_drawn_within_the_measured_skew_and_the_same_for_the_same_seed() -> None:
    drawn = drawn_starts_s(4, OPTIONS)
    assert drawn.shape == (DRAWS, 4)
    assert LATEST_S == 1.6e-6
    assert 0.0 <= drawn.min() < drawn.max() <= LATEST_S
    assert (drawn == drawn_starts_s(4, OPTIONS)).all()
    assert drawn_starts_s(1, OPTIONS).shape == (1, 1)  # alone, a start changes nothing
    assert drawn_starts_s(1, FabricOptions(batch_order="random")).shape == (DRAWS, 1)  # but the drawn order does


@pytest.mark.parametrize(("scatter", "made"), [(0.0, 3), (0.9e-3, 3), (2e-3, DRAWS)])
def test_draws_that_agree_speak_for_all(scatter: float, made: int) -> None:
    def run(later_s: Floats, seed: int) -> Floats:
        seeds.append(seed)
        return np.array([1.0 + scatter * (seed % 2), 1.0])

    seeds: list[int] = []
    assert len(over_starts(run, drawn_starts_s(2, OPTIONS), seed=10)) == made
    assert seeds == list(range(10, 10 + made))


def test_a_row_without_starts_is_predicted_over_draws_and_one_with_their_spread_within_it() -> None:
    assert (starts_s(row(), OPTIONS) == drawn_starts_s(3, OPTIONS)).all()
    spread = starts_s(row(start_skew_us={"median": 0.8, "max": 1.0}), OPTIONS)
    assert spread == pytest.approx(0.5 * drawn_starts_s(3, OPTIONS))
    together = starts_s(row(start_skew_us={"median": 0.0, "max": 0.0}), OPTIONS)
    assert together.tolist() == [[0.0, 0.0, 0.0]]


def test_recorded_starts_of_exact_clocks_are_those_that_are_predicted() -> None:
    recorded = row(start_us_runs=[[0.0, 0.2, 0.0], [0.5, 0.0, 0.1], [0.3, 0.3, 0.6]], clock_uncertainty_us=0.0)
    found = starts_s(recorded, OPTIONS)
    assert len(found) == DRAWS  # three runs, again and again
    assert found[:3] == pytest.approx(1e-6 * np.array([[0.0, 0.5, 0.3], [0.2, 0.0, 0.3], [0.0, 0.1, 0.6]]))
    assert found[3:6] == pytest.approx(found[:3])


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0.0, 1.6), min_size=3, max_size=3), min_size=3, max_size=9), st.floats(0.1, 3.0))
def test_a_clock_s_error_is_the_same_in_every_run_and_leaves_starts_as_close_as_it_can(
    runs: list[list[float]], error_us: float
) -> None:
    columns = [list(rank) for rank in zip(*runs, strict=True)]
    found_us = 1e6 * starts_s(row(start_us_runs=columns, clock_uncertainty_us=error_us), OPTIONS)
    assert (found_us.min(axis=1) == 0.0).all()
    for draw, later in enumerate(found_us.tolist()):
        wrong = np.array(later) - np.array(runs[draw % len(runs)])
        assert np.ptp(wrong) <= 2 * error_us + 1e-9
    # With errors of up to 1.6 µs, some bring all ranks of a run together: none start further apart than was measured.
    exact_us = 1e6 * starts_s(row(start_us_runs=columns, clock_uncertainty_us=0.0), OPTIONS)
    assert np.ptp(found_us, axis=1).max() <= max(np.ptp(exact_us, axis=1).max(), 1e6 * LATEST_S) + 2 * error_us


def test_starts_of_too_few_ranks_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"rows.*start_us_runs has 2 entries for 3 streams"):
        row(start_us_runs=[[0.0], [0.1]])


def test_a_prediction_over_starts_has_their_mean_and_their_range() -> None:
    one = row()
    found = predict(one, HGX, OPTIONS)
    assert (found.low_s <= found.mean_s).all()
    assert (found.mean_s <= found.high_s).all()
    assert (found.mean_s == predict_mean_s(one, HGX, OPTIONS)).all()
    # A batch that starts up to 1.6 µs later has had its source to itself, or the other reader has.
    assert 0.0 < (found.high_s - found.low_s).max() < 2 * LATEST_S
    known = predict(replace(one, skew_s=0.0), HGX, OPTIONS)
    assert (known.low_s == known.high_s).all()


def test_a_prepared_row_simulates_the_same_constants_once_and_predicts_what_a_fresh_one_does() -> None:
    one, faster = row(), HGX.with_values({"pair_bytes_per_s": 0.9 * HGX.rate("pair_bytes_per_s")})
    elsewhere = HGX.with_values({"issue_batch_s": 1.0})  # of no account for a queued row
    with mock.patch.object(RepeatedProgram, "run", autospec=True, side_effect=RepeatedProgram.run) as run:
        prepared = PreparedRow(one, OPTIONS, copies=1)
        found = [prepared.draws_s(cluster) for cluster in (HGX, faster, elsewhere, HGX, faster)]
        assert run.call_count == len(found[0]) + len(found[1])
    for cluster, draws_s in zip((HGX, faster, HGX, HGX, faster), found, strict=True):
        assert (draws_s == predict_draws_s(one, cluster, OPTIONS)).all()
    assert (found[0] != found[1]).any()
