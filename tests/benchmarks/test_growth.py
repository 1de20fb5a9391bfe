"""Exponents of growth from made-up times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.growth import fit_power, growth_row


@given(exponent=st.floats(-1.0, 3.0), first_s=st.floats(1e-6, 1e3), sizes=st.sets(st.integers(1, 10**7), min_size=2))
def test_a_power_law_is_found_and_lies_on_its_points(exponent: float, first_s: float, sizes: set[int]) -> None:
    law = fit_power(sorted(sizes), [first_s * size**exponent for size in sorted(sizes)])
    assert law.exponent == pytest.approx(exponent, abs=1e-6)
    assert law.off == pytest.approx(0.0, abs=1e-6)


def test_how_far_off_the_farthest_time_is_does_not_depend_on_its_sign() -> None:
    """Times of 1, 4 and 1 at sizes 1, 2 and 4: the fit is flat, at the geometric mean 4^(1/3)."""
    for middle in (4.0, 1 / 4.0):
        law = fit_power([1, 2, 4], [1.0, middle, 1.0])
        assert law.exponent == pytest.approx(0.0, abs=1e-12)
        assert law.off == pytest.approx(4 ** (2 / 3) - 1)


def test_a_row_keeps_what_was_measured_beside_its_fit() -> None:
    row = growth_row("any", "ranks", [4, 8], [1.0, 4.0], slices_a_rank=10)
    assert row.pop("exponent") == pytest.approx(2.0)
    assert row.pop("off") == pytest.approx(0.0)
    assert row == {"engine": "any", "of": "ranks", "slices_a_rank": 10, "sizes": [4, 8], "seconds": [1.0, 4.0]}
