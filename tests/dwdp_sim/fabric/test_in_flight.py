"""Which copies of a call are in flight together: the two refill rules against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.in_flight import AnyWindow, ByteWindow, OldestWindow, Window, places_window


def started(chooser: Window) -> list[int]:
    """Everything that may start now."""
    result = []
    while (index := chooser.take()) is not None:
        result.append(index)
    return result


def oldest_rule(flows: list[int], done: set[int], places: int) -> set[int]:
    """The `places` oldest unfinished copies, of each flow only the oldest of these."""
    members = [index for index in range(len(flows)) if index not in done][:places]
    return {index for index in members if flows[index] not in [flows[other] for other in members if other < index]}


def any_rule(flows: list[int], done: set[int], moving: set[int], places: int) -> set[int]:
    """Free places are filled one by one with the oldest unfinished copy of a flow that is not moving."""
    moving = set(moving)
    for index, flow in enumerate(flows):
        if len(moving) < places and index not in done and flow not in {flows[other] for other in moving}:
            moving.add(index)
    return moving


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.integers(1, 5),
    st.sampled_from(["oldest", "any"]),
    st.data(),
)
def test_windows_hold_what_their_rule_says_whatever_finishes_first(
    flows: list[int], places: int, refill: str, data: st.DataObject
) -> None:
    chooser = places_window(flows, range(len(flows)), refill, places, 1)
    done: set[int] = set()
    moving: set[int] = set()
    while len(done) < len(flows):
        new = started(chooser)
        assert not moving & set(new)
        expected = oldest_rule(flows, done, places) if refill == "oldest" else any_rule(flows, done, moving, places)
        moving |= set(new)
        assert moving == expected
        finished = data.draw(st.sampled_from(sorted(moving)))
        moving.remove(finished)
        done.add(finished)
        if len(done) < len(flows):
            chooser.release(finished)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20), st.integers(1, 4), st.sampled_from(["oldest", "any"]))
def test_copies_that_finish_at_one_instant_free_the_same_places_in_any_order(
    flows: list[int], places: int, refill: str
) -> None:
    """All that is in flight finishes together; it is released rising or falling, taking in between or not."""
    outcomes = []
    for reverse in (False, True):
        for between in (False, True):
            chooser = places_window(flows, range(len(flows)), refill, places, 1)
            first = sorted(started(chooser), reverse=reverse)
            if len(first) == len(flows):
                return
            next_: list[int] = []
            for index in first:
                chooser.release(index)
                if between:
                    next_ += started(chooser)
            outcomes.append(sorted(next_ + started(chooser)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_oldest_lets_a_copy_wait_in_the_window_for_its_source() -> None:
    # Flows 7 7 8, two places: copies 0 and 1 are in the window, 1 behind 0; 2 must wait for a place.
    chooser = OldestWindow([7, 7, 8], range(3), 2)
    assert started(chooser) == [0]
    chooser.release(0)
    assert started(chooser) == [1, 2]


def test_any_passes_over_a_copy_whose_source_is_being_read() -> None:
    # The same copies: 2 passes 1.
    chooser = AnyWindow([7, 7, 8], range(3), 2)
    assert started(chooser) == [0, 2]
    chooser.release(2)
    assert started(chooser) == []
    chooser.release(0)
    assert started(chooser) == [1]


@pytest.mark.parametrize("refill", ["oldest", "any"])
def test_a_window_is_of_its_own_call_only(refill: str) -> None:
    chooser = places_window([1, 2, 3, 4, 5], range(1, 3), refill, 5, 1)
    assert started(chooser) == [1, 2]


def test_two_engines_take_the_sources_in_turn_and_have_places_of_their_own() -> None:
    # Sources 5 and 3 go to the first engine, 9 to the other; one place each.
    chooser = places_window([5, 9, 3, 5, 9, 3], range(6), "oldest", 1, 2)
    assert started(chooser) == [0, 1]
    chooser.release(1)
    assert started(chooser) == [4]
    chooser.release(0)
    assert started(chooser) == [2]


def test_a_window_of_bytes_lets_a_copy_in_when_all_but_its_bytes_have_arrived() -> None:
    # Copies of 10, 10, 10 bytes from sources 1, 2, 1 and a window of 15: the second may move at once, since its first
    # byte is the eleventh, and the third once 20 − 15 = 5 bytes are here, behind the first, from the same source.
    chooser = ByteWindow([1, 2, 1], range(3), [10, 10, 10], 15.0)
    assert chooser.open(0.0) == 5.0
    assert started(chooser) == [0, 1]
    assert chooser.open(5.0) is None
    assert started(chooser) == []
    chooser.release(0)
    assert started(chooser) == [2]
