"""A constant's interval: of which value it is, and what shape it must have."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.constant import check_interval, interval_of

KEY = "cluster.constants.x"
TABLE = [[65536, 2e-6], [2097152, 3e-6]]


@pytest.mark.parametrize("value", [1.0, 1.5, 2.0])
def test_an_interval_is_that_of_a_value_inside_it(value: float) -> None:
    assert interval_of(value, [1, 2]) == (1.0, 2.0)


@pytest.mark.parametrize("value", [0.99, 2.01, None, "oldest", True, math.nan])
def test_an_interval_says_nothing_of_a_value_outside_it_or_that_is_no_number(value: Any) -> None:
    assert interval_of(value, [1, 2]) is None


def test_a_value_at_an_end_that_was_written_with_six_digits_is_inside() -> None:
    assert interval_of(1.0000049, [0.5, 1.0]) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("value", "interval"),
    [
        (1.0, None),
        (1.0, [1, 2]),
        (None, [1, 2]),
        (TABLE, {65536: [1e-6, 3e-6]}),
        ({"pull": 0.9, "push": 1.0}, {"pull": [0.8, 0.9]}),
        ({"ipc": 1e9, "vmm_fabric": 2e9}, [1e9, 2e9]),  # of the one value that this one replaces
        (0.9, {"pull": [0.8, 0.9]}),
    ],
)
def test_a_rising_pair_or_one_for_each_part_is_an_interval(value: Any, interval: Any) -> None:
    check_interval(KEY, value, interval)


@pytest.mark.parametrize("interval", [3, [1], [1, 2, 3], [2, 1], ["a", "b"], [1, math.inf], [math.nan, 1], [True, 2]])
def test_what_is_no_rising_pair_of_finite_numbers_is_refused(interval: Any) -> None:
    for value, one in ((1.0, interval), (TABLE, {65536: interval})):
        with pytest.raises(
            ConfigError, match=r"x\.interval=.*: \[low, high\] with finite numbers, low ≤ high, is wanted"
        ):
            check_interval(KEY, value, one)


def test_an_interval_of_a_list_that_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"x\.value=\[0\.95\]: a table \[\[bytes, seconds\], …\]"):
        check_interval(KEY, [0.95], {"pull": [0.9, 1.0]})
