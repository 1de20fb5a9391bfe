"""Figures in the unit in which a column of them reads best."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dwdp_sim.sweep.page.labels import figure
from dwdp_sim.sweep.page.measures import MEASURES, Measure, scale_of


@pytest.mark.parametrize(
    ("unit", "values", "sign"),
    [
        ("s", [0.0, 3e-6, 4e-4, 5.0], "µs"),  # the middle one that is not zero
        ("s", [np.nan, 2.0], "s"),
        ("s", [], "s"),
        ("bytes", [7.166e9], "GB"),
        ("bytes", [-3.0], "B"),
        ("share", [0.02], "%"),
        ("ratio", [1e-9], ""),
    ],
)
def test_a_column_has_the_unit_of_its_middle_figure(unit: str, values: list[float], sign: str) -> None:
    assert scale_of(unit, pd.Series(values, dtype=float)).sign == sign


def test_numbers_keep_six_figures_and_say_where_there_is_none() -> None:
    column = pd.Series([0.00123456789, np.nan, np.inf])
    assert scale_of("s", column[:1]).numbers(column) == [1.23457, None, None]


def test_every_measure_has_a_unit() -> None:
    for measure in MEASURES:
        assert scale_of(measure.unit, pd.Series([1.0])).size > 0
    assert Measure("dep_gain", "").unit == "share"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (1.0, "1.000"),
        (183.91, "183.9"),
        (1234.4, "1234"),
        (-0.5, "−0.5000"),
        (12345.6, "12,346"),
    ],
)
def test_a_figure_has_four_significant_digits(value: float | None, text: str) -> None:
    assert figure(value) == text
