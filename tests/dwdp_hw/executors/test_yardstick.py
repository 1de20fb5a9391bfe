"""The yardstick, and the cost of issuing beside it: quantiles of times that a test decides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dwdp_hw.cases.result import QUANTILES
from dwdp_hw.executors.yardstick import relative_cost, yardstick_s


def test_a_call_takes_between_ten_nanoseconds_and_ten_microseconds() -> None:
    assert 1e-8 < min(yardstick_s() for _ in range(20)) < 1e-5


def test_costs_are_quantiles_of_what_the_calls_took_for_each_copy() -> None:
    seconds = itertools.cycle([4e-6, 8e-6, 12e-6])
    found = relative_cost(lambda: next(seconds), copies=4, lasting_s=0.05)
    assert found.pairs > 10
    assert found.cost_s == pytest.approx([1e-6, 1e-6, 1e-6, 2e-6, 3e-6], rel=0.05)
    assert len(found.yardstick_s) == len(QUANTILES)
    assert np.diff(found.yardstick_s).min() >= 0.0


def test_one_pair_is_timed_however_short_the_time() -> None:
    assert relative_cost(lambda: 1e-6, copies=1, lasting_s=0.0).pairs == 1
