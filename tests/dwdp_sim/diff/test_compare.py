"""What counts as moved: laws of the comparison."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.diff.compare import compare, read_side
from dwdp_sim.diff.side import Figure, Side

VALUES = st.floats(1e-6, 1e6)
HALVES = st.floats(0.0, 10.0)


def side(path: str, kind: str = "runs", **figures: Figure) -> Side:
    return Side(path, kind, {}, figures)


@given(VALUES, HALVES, VALUES, HALVES)
def test_a_comparison_backwards_finds_the_same_moved(a: float, ha: float, b: float, hb: float) -> None:
    first, second = side("a", x=Figure(a, "s", ha, ha)), side("b", x=Figure(b, "s", hb, hb))
    assert len(compare(first, second).moved) == len(compare(second, first).moved)


@given(VALUES, HALVES)
def test_what_is_equal_has_not_moved(value: float, half: float) -> None:
    same = Figure(value, "s", half, half)
    assert compare(side("a", x=same), side("b", x=same)).moved == []


@given(VALUES, st.floats(1e-3, 10.0), VALUES, st.floats(1e-3, 10.0), st.floats(1.0, 10.0))
def test_more_noise_never_makes_something_move(a: float, ha: float, b: float, hb: float, more: float) -> None:
    narrow = compare(side("a", x=Figure(a, "s", ha, ha)), side("b", x=Figure(b, "s", hb, hb)))
    wide = compare(side("a", x=Figure(a, "s", more * ha, more * ha)), side("b", x=Figure(b, "s", more * hb, more * hb)))
    assert len(wide.moved) <= len(narrow.moved)


def test_only_the_ends_that_face_each_other_count() -> None:
    low, high = Figure(1.0, "s", below=9.0, above=0.1), Figure(2.0, "s", below=0.1, above=9.0)
    assert compare(side("a", x=low), side("b", x=high)).moved
    assert not compare(side("a", x=Figure(1.0, "s", 0.1, 9.0)), side("b", x=Figure(2.0, "s", 9.0, 0.1))).moved


def test_the_noise_of_one_figure_is_the_root_of_the_squares_of_both_halves() -> None:
    (change,) = compare(side("a", x=Figure(10.0, "s", 3.0, 3.0)), side("b", x=Figure(12.0, "s", 4.0, 4.0))).changes
    assert change.noise == pytest.approx(5.0)
    assert change.relative == pytest.approx(0.2)


def test_noise_alone_moves_something_in_one_of_twenty_comparisons() -> None:
    """50 figures of known noise, drawn anew for both sides: Bonferroni's bound holds, and is not far off."""
    draw, half = np.random.default_rng(3), NormalDist().inv_cdf(0.975)
    count = 0
    for _ in range(1000):
        first, second = (
            side(
                name, **{f"x{i}": Figure(100 + value, "s", half, half) for i, value in enumerate(draw.normal(size=50))}
            )
            for name in "ab"
        )
        count += bool(compare(first, second).moved)
    assert 25 <= count <= 75


def test_words_move_when_they_differ_and_have_no_noise() -> None:
    found = compare(side("a", rule=Figure("oldest")), side("b", rule=Figure("any")))
    assert [(change.first, change.second, change.noise) for change in found.moved] == [("oldest", "any", None)]
    assert compare(side("a", rule=Figure("any")), side("b", rule=Figure("any"))).moved == []


def test_what_one_side_alone_has_is_listed_and_not_judged() -> None:
    found = compare(side("a", x=Figure(1.0), y=Figure(1.0)), side("b", x=Figure(1.0), z=Figure(2.0)))
    assert (found.only_first, found.only_second, found.moved) == (["y"], ["z"], [])


def test_settings_are_shown_where_they_differ_and_not_judged() -> None:
    first = Side("a", "runs", {"cluster": "one", "model": "m"}, {"x": Figure(1.0)})
    second = Side("b", "runs", {"cluster": "two", "model": "m"}, {"x": Figure(1.0)})
    assert compare(first, second).settings == [("cluster", "one", "two")]


def test_what_moved_comes_first_and_the_most_of_it_at_the_top() -> None:
    first = side("a", same=Figure(1.0), little=Figure(1.0), much=Figure(1.0), noisy=Figure(1.0, "", 9.0, 9.0))
    second = side("b", same=Figure(1.0), little=Figure(1.1), much=Figure(3.0), noisy=Figure(4.0, "", 9.0, 9.0))
    assert [change.name for change in compare(first, second).changes] == ["much", "little", "noisy", "same"]


def test_rounding_is_no_change() -> None:
    total = 0.1 + 0.2
    assert total != 0.3
    assert compare(side("a", x=Figure(total)), side("b", x=Figure(0.3))).moved == []


def test_sides_of_different_kinds_or_without_a_common_figure_are_refused() -> None:
    with pytest.raises(ConfigError, match="is one of the clusters, but a of the runs"):
        compare(side("a", x=Figure(1.0)), side("b", "clusters", x=Figure(1.0)))
    with pytest.raises(ConfigError, match="has no figure that a has"):
        compare(side("a", x=Figure(1.0)), side("b", y=Figure(1.0)))


def test_the_first_reader_that_knows_a_path_reads_it() -> None:
    readers = (lambda path: None, lambda path: side(path, x=Figure(1.0)), lambda path: side("wrong"))
    assert read_side("mine", readers).path == "mine"
    with pytest.raises(ConfigError, match="diff=mine: a results folder"):
        read_side("mine", readers[:1])
