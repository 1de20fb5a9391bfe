"""Where a map of gains looks."""

from __future__ import annotations

from itertools import product

import pytest

from dwdp_sim.advice.gain_map import RATIOS, VARIATIONS, places_of


def test_a_map_of_the_usual_size_looks_at_the_usual_places() -> None:
    assert places_of(len(RATIOS), len(VARIATIONS)) == list(product(RATIOS, VARIATIONS))


def test_a_finer_map_looks_between_them_as_well() -> None:
    places = places_of(2 * len(RATIOS) - 1, 2 * len(VARIATIONS) - 1)
    assert len(places) == len(set(places)) == 19 * 9
    assert set(product(RATIOS, VARIATIONS)) < set(places)
    assert {ratio for ratio, _ in places if 0.25 < ratio < 0.5} == {0.3, 0.35, 0.425}


@pytest.mark.parametrize(("ratios", "variations"), [(50, 20), (7, 3), (2, 2)])
def test_a_map_of_any_size_reaches_as_far(ratios: int, variations: int) -> None:
    places = places_of(ratios, variations)
    assert len(places) == ratios * variations
    assert (places[0], places[-1]) == ((RATIOS[0], VARIATIONS[0]), (RATIOS[-1], VARIATIONS[-1]))
