"""Constants that have moved since the calibration before: told beyond both intervals, and never of host costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.moved import FALSE_ALARMS, moved_between, moved_constants
from dwdp_hw.calibration.parameters import Parameter
from dwdp_sim.fabric.cluster import Cluster


def estimate(constant: str, value: float, error: float, key: float | None = None) -> Estimate:
    """With an interval of two standard errors either way."""
    parameter = Parameter(f"{constant} {key}", (constant,), key, 1.0)
    return Estimate(parameter, value, value - 1.96 * error, value + 1.96 * error)


def test_a_change_beyond_both_intervals_has_moved_and_one_within_has_not() -> None:
    before = estimate("rate", 1.0, 0.003)
    (moved,) = moved_between([(before, estimate("rate", 1.02, 0.003))])
    assert moved.change == pytest.approx(0.02)
    assert moved.errors == pytest.approx(np.log(1.02) / 0.0042, rel=0.02)
    assert "rate differs from that of mine by +2.0%" in moved.text("mine")
    assert moved_between([(before, estimate("rate", 1.005, 0.003))]) == []


def test_sizes_that_move_together_show_what_none_shows_alone() -> None:
    pairs = [(estimate("gap", 1.0, 0.01, size), estimate("gap", 1.03, 0.01, size)) for size in (1.0, 2.0, 3.0, 4.0)]
    assert moved_between(pairs[:1]) == []
    assert [moved.constant for moved in moved_between(pairs)] == ["gap"]


def test_unchanged_constants_raise_a_false_alarm_as_seldom_as_is_said() -> None:
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(2000):
        pairs = [
            tuple(estimate(f"constant {number}", 1 + 0.003 * random.standard_normal(), 0.003) for _ in range(2))
            for number in range(5)
        ]
        alarms += bool(moved_between(pairs))  # type: ignore[arg-type]
    assert alarms / 2000 < 1.6 * FALSE_ALARMS


def test_a_relative_host_cost_moves_and_says_what_else_moves_it(base: Cluster) -> None:
    before, now = estimate("issue_slice_relative", 2.77, 0.006), estimate("issue_slice_relative", 2.85, 0.006)
    (moved,) = moved_between([(before, now)])
    assert moved.text("mine") == (
        "issue_slice_relative differs from that of mine by +2.9% (9.4 standard errors); it also does under another "
        "kernel, processor or Python"
    )
    assert moved_constants(base, [now]) == []  # a cluster that was fitted without


def test_host_costs_and_constants_without_an_interval_never_move(base: Cluster) -> None:
    host = estimate("issue_slice_s", 2.0, 0.001)
    assert moved_between([(estimate("issue_slice_s", 1.0, 0.001), host)]) == []
    fixed = base.number("peer_fixed_s")
    found = replace(
        estimate("peer_fixed_s", 2 * fixed, 0.01 * fixed),
        parameter=Parameter("peer_fixed_s", ("peer_fixed_s",), None, fixed),
    )
    assert [moved.constant for moved in moved_constants(base, [found])] == ["peer_fixed_s"]
    assumed = replace(base.constants["peer_fixed_s"], interval=None)
    unknown = replace(base, constants={**base.constants, "peer_fixed_s": assumed})
    assert moved_constants(unknown, [found]) == []
