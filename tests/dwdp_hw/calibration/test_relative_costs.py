"""The cost of issuing beside the yardstick: its mean and interval by hand, and what a slow core does not do to it."""

from __future__ import annotations

import numpy as np
import pytest

from dwdp_hw.calibration.moved import moved_between
from dwdp_hw.calibration.relative_costs import UNIT, relative_constants, relative_estimates
from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.relative_costs import RelativeCosts

YARDSTICK_S = 0.13e-6


def recording(ratios: list[float], yardstick_s: list[float] | None = None, issue: str = "batch") -> Recording:
    yardstick = yardstick_s or [YARDSTICK_S] * len(ratios)
    cost = [ratio * one for ratio, one in zip(ratios, yardstick, strict=True)]
    costs = RelativeCosts("case", issue, tuple(yardstick), tuple(cost))
    return Recording("", "", {}, "", (), relative=(costs,))


def test_the_value_is_the_geometric_mean_and_its_interval_is_student_s() -> None:
    """Logarithms 0, 0.01, …, 0.04: mean 0.02, deviation 0.015811, error 0.0070711; t(4) at 97.5 % is 2.7764."""
    (found,) = relative_estimates([recording(np.exp([0.0, 0.01, 0.02, 0.03, 0.04]).tolist())])
    assert found.parameter.name == "issue_slice_relative"
    logs = np.log([found.value, found.low, found.high])
    assert logs == pytest.approx([0.02, 0.02 - 0.019632, 0.02 + 0.019632], abs=1e-6)


def test_four_processes_are_too_few() -> None:
    assert relative_estimates([recording([2.0, 2.1, 2.2, 2.3])]) == []


def test_a_process_whose_core_was_never_at_its_higher_speed_is_left_out() -> None:
    usual = relative_estimates([recording([2.76, 2.77, 2.78, 2.79, 2.8])])
    slow = recording([2.76, 2.77, 2.78, 2.79, 2.8, 3.7], [*[YARDSTICK_S] * 5, 1.4 * YARDSTICK_S])
    assert relative_estimates([slow]) == usual


def test_each_machine_has_a_higher_speed_of_its_own() -> None:
    slower = recording([2.7, 2.8], [1.4 * YARDSTICK_S] * 2)
    (found,) = relative_estimates([recording([2.7, 2.8, 2.75]), slower])
    assert found.value == pytest.approx((2.7 * 2.8 * 2.75 * 2.7 * 2.8) ** 0.2)


def test_nine_processes_left_show_two_per_cent_and_seldom_raise_an_alarm() -> None:
    """Scatter between processes as measured on H200s, 0.7 %."""
    random, repeats = np.random.default_rng(0), 500

    def estimate(change: float) -> list[float]:
        return (2.77 * np.exp(change + 0.007 * random.standard_normal(9))).tolist()

    def moved(change: float) -> float:
        pairs = [
            (relative_estimates([recording(estimate(0.0))])[0], relative_estimates([recording(estimate(change))])[0])
            for _ in range(repeats)
        ]
        return sum(bool(moved_between([pair])) for pair in pairs) / repeats

    assert moved(0.02) >= 0.95
    assert moved(0.0) <= 0.02


def test_as_a_constant_it_says_its_unit_and_where_it_is_from() -> None:
    found = relative_estimates([recording([12.0] * 5, issue="async")])
    (name, constant), = relative_constants(found, "rows.json; a machine").items()  # fmt: skip
    assert (name, constant.unit, constant.provenance) == ("issue_async_relative", UNIT, "measured")
    assert (constant.value, constant.interval, constant.source) == (
        pytest.approx(12.0), pytest.approx([12.0, 12.0]), "rows.json; a machine"
    )  # fmt: skip
