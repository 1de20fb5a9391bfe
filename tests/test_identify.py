"""Simulated machines of every hypothesis: found again from their rows, and predicted by the true model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_sim.fabric.hypotheses import hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import identify  # noqa: E402

pytestmark = pytest.mark.usefixtures("loaded_engine")
FOUR = identify.Machine(read_cluster("hgx_h200"), FabricOptions(), 4)


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return identify.read_rows()


@pytest.fixture(scope="module")
def expected() -> Any:
    return FOUR.expected()


def truths(lines: list[dict[str, Any]], gpus: int) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == "truth" and line["gpus"] == gpus]


@pytest.mark.parametrize(("gpus", "mistaken"), [(3, 0.2), (4, 0.05)])
def test_the_truth_was_found_and_passed_its_validation_in_the_recorded_study(
    gpus: int, mistaken: float, lines: list[dict[str, Any]]
) -> None:
    own = truths(lines, gpus)
    for line in own:
        assert line["found"] >= 0.9 * line["choices"], line["hypothesis"]
    assert sum(line["passed"] for line in own) >= 0.95 * sum(line["validations"] for line in own)
    # and a pass says something: what is configured fails on the rows of nearly every other machine
    assert sum(line["wrong_passed"] for line in own) <= mistaken * sum(line["wrong"] for line in own)


def test_the_study_has_every_hypothesis_that_four_gpus_can_tell(lines: list[dict[str, Any]], expected: Any) -> None:
    names = [truth.name for truth in FOUR.truths(expected)]
    assert [line["hypothesis"] for line in truths(lines, 4)] == names
    # a rank of four has three sources: `3 sources, any` reads all of them at once, and `2 sources, oldest; fair` and
    # `1 source; fair` are what is configured and `1 source; equal`
    alike = {"all sources; fair", "all sources; equal", "2 sources, oldest; fair", "1 source; equal"}
    assert set(names) == {one.name for one in hypotheses(FOUR.cluster, FOUR.options)} - alike


def test_the_recorded_pairs_are_what_the_cases_say_now(lines: list[dict[str, Any]], expected: Any) -> None:
    recorded = [line for line in lines if line["kind"] == "pair" and line["gpus"] == 4]
    assert recorded == list(identify.pair_rows(4, expected, [truth.name for truth in FOUR.truths(expected)]))
    assert all(line["gap"] >= identify.APART for line in recorded)


@pytest.mark.parametrize("name", ["3 sources, oldest; equal", "256 KiB ahead; fair"])
def test_a_truth_is_found_again_and_passes(name: str, expected: Any) -> None:
    truth = next(one for one in hypotheses(FOUR.cluster, FOUR.options) if one.name == name)
    line = identify.truth_row(FOUR, truth, expected, choices=10, validations=1)
    assert line["found"] >= 9
    assert line["passed"] == 1, line["failures"]
    assert line["wrong_passed"] == 0


def test_a_simulated_row_is_the_median_of_noisy_runs_and_its_starts_are_as_wrong_as_clocks() -> None:
    case = identify.first_cases(4)[2]
    runs = identify.Runs.of(case, hypotheses(FOUR.cluster, FOUR.options)[0], FOUR)
    row = runs.row(case.name, np.random.default_rng(0), recorded=True)
    for rank, times in enumerate(row["device_us"]):
        low_us, high_us = 1e6 * runs.elapsed_s[:, rank].min(), 1e6 * runs.elapsed_s[:, rank].max()
        assert low_us * (1 - 3 * identify.NOISE) < times["median"] < high_us * (1 + 3 * identify.NOISE)
        assert times["min"] < times["median"] < times["max"]
    starts_us = np.array(row["start_us_runs"])
    assert starts_us.shape == (4, identify.RUNS)
    assert starts_us.min() == 0.0
    assert starts_us.max() <= 1e6 * (identify.LATEST_S + 2 * identify.CLOCK_S)
    assert runs.row(case.name, np.random.default_rng(0), recorded=False)["start_us_runs"] is None
