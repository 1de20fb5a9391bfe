"""The simulator against a second one in exact fractions, which was written from `docs/model.md` alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.fabric.exact import Exact
from tests.dwdp_sim.programs import FREE, batch, program, queue, run
from tests.dwdp_sim.random_exact_programs import (
    ALL_KINDS,
    ANY_WALK,
    EVERY_PROGRAM,
    EVERYTHING,
    GAPS,
    HOSTS,
    LATENCIES,
    LOSSES,
    RATES,
    STARTS,
    WALKS,
    merged,
    programs,
)

FAIR = FabricOptions()
ENOUGH = settings(max_examples=60)  # eleven planted faults were each found by the ninth of some test


def agree(of: Program, values: dict[str, Any], options: FabricOptions = FAIR) -> Exact:
    """The exact run of a program, after a check that the simulator's has the same times."""
    timeline = run(of, options, **values)
    exact = Exact(timeline, FREE | values, options)
    assert sorted(exact.end_s) == list(range(len(of.copy_bytes)))
    issued = [float(exact.issued_s[call]) for call in of.copy_call.tolist()]
    np.testing.assert_allclose(timeline.copy_issue_s, issued, rtol=1e-9)
    np.testing.assert_allclose(timeline.copy_start_s, [float(exact.start_s[c]) for c in sorted(exact.end_s)], rtol=1e-9)
    np.testing.assert_allclose(timeline.copy_end_s, [float(exact.end_s[c]) for c in sorted(exact.end_s)], rtol=1e-9)
    return exact


@pytest.mark.parametrize("walk", WALKS)
@ENOUGH
@given(st.data())
def test_each_walk_of_a_batch(walk: str, data: st.DataObject) -> None:
    agree(data.draw(programs()), data.draw(merged(WALKS[walk], RATES, LOSSES)))


@pytest.mark.parametrize("walk", WALKS)
@ENOUGH
@given(st.data())
def test_each_walk_of_one_batch_a_rank_from_equal_sources(walk: str, data: st.DataObject) -> None:
    """Pulls only, no losses: what several GPUs do at one instant decides who shares with whom."""
    agree(data.draw(programs(kinds=("pull",), one_stream_a_gpu=True)), data.draw(WALKS[walk]))


@ENOUGH
@given(programs(kinds=ALL_KINDS), merged(ANY_WALK, RATES, LOSSES))
def test_equal_rates_inside_an_engine(of: Program, values: dict[str, Any]) -> None:
    agree(of, values, FabricOptions(sharing="equal"))


@ENOUGH
@given(programs(starts=STARTS), merged(ANY_WALK, RATES, LOSSES))
def test_sources_that_serve_first_in_first_out(of: Program, values: dict[str, Any]) -> None:
    agree(of, values, FabricOptions(sharing="fifo"))


@pytest.mark.parametrize("sharing", ["fair", "equal"])
@ENOUGH
@given(programs(), merged(ANY_WALK, RATES, LOSSES))
def test_incast_only_where_a_source_is_asked_for_too_much(sharing: str, of: Program, values: dict[str, Any]) -> None:
    agree(of, values, FabricOptions(sharing=sharing, incast="demand"))


@ENOUGH
@given(programs(kinds=ALL_KINDS), merged(ANY_WALK, RATES, LOSSES), st.booleans(), st.sampled_from(["always", "off"]))
def test_losses_that_are_off(of: Program, values: dict[str, Any], both_ways: bool, incast: str) -> None:
    agree(of, values, FabricOptions(both_ways=both_ways, incast=incast))


@ENOUGH
@given(programs(kinds=ALL_KINDS, starts=STARTS), merged(ANY_WALK, GAPS, LATENCIES))
def test_gaps_and_fixed_parts(of: Program, values: dict[str, Any]) -> None:
    agree(of, values)


@ENOUGH
@given(programs(barriers=True, starts=STARTS), merged(ANY_WALK, GAPS, LATENCIES))
def test_barriers(of: Program, values: dict[str, Any]) -> None:
    agree(of, values)


@ENOUGH
@given(programs(kinds=ALL_KINDS, starts=STARTS, queued=st.booleans()), merged(ANY_WALK, HOSTS, LATENCIES))
def test_host_threads(of: Program, values: dict[str, Any]) -> None:
    agree(of, values)


@pytest.mark.parametrize("sharing", ["fair", "equal", "fifo"])
@ENOUGH
@given(EVERY_PROGRAM, EVERYTHING, st.sampled_from(["always", "demand", "off"]), st.booleans())
def test_all_rules_together(sharing: str, of: Program, values: dict[str, Any], incast: str, both_ways: bool) -> None:
    agree(of, values, FabricOptions(sharing=sharing, incast=incast, both_ways=both_ways))


@pytest.mark.parametrize("sharing", ["fair", "fifo"])
@ENOUGH
@given(
    programs(kinds=ALL_KINDS, queued=st.just(False)),
    st.lists(st.integers(0, 10**6), min_size=6, max_size=6, unique=True),
    merged(ANY_WALK, RATES, LOSSES, GAPS, LATENCIES),
    st.integers(10**5, 10**6),
)
def test_where_nothing_happens_together_the_page_alone_says_what_happens(
    sharing: str, of: Program, starts: list[int], values: dict[str, Any], issue: int
) -> None:
    """Elsewhere the simulator's run says what goes first of several things that happen at one instant; here nothing."""
    uneven = replace(of, stream_start_s=np.array(starts[: len(of.stream_gpu)]) * 3.1e-6)  # up to 3.1 s
    issue_s = issue * 1.7e-6
    values = values | {"issue_async_s": issue_s, "issue_batch_s": issue_s}
    exact = agree(uneven, values, FabricOptions(sharing=sharing))
    assume(exact.ties == 0)  # few have any; most would be refused by hypothesis


def batches_from_one_source_at_a_time(starts_s: list[float], slices: int) -> tuple[SimulatedTimeline, list[Fraction]]:
    """Four ranks with one batch each, one slice in flight; the times at which slices arrive, simulated and exact."""
    of = program(
        *(
            queue(rank, batch(*(((rank + 1 + i % 3) % 4, rank, 100) for i in range(slices))), start_s=start_s)
            for rank, start_s in enumerate(starts_s)
        )
    )
    timeline = run(of, in_flight_sources=1)
    exact = Exact(timeline, FREE | {"in_flight_sources": 1}, FAIR)
    assert exact.ties == 0
    return timeline, [exact.end_s[copy] for copy in sorted(exact.end_s)]


def test_a_chaotic_run_of_numbers_that_are_exact_in_binary_is_exact_to_the_last_bit() -> None:
    timeline, exact = batches_from_one_source_at_a_time([0.0, 0.25, 0.5, 1.0], 100)
    assert [Fraction(end_s) for end_s in timeline.copy_end_s.tolist()] == exact
    # It is chaotic: if rank 1 starts 1e-15 s later, some slices arrive seconds earlier or later.
    _, moved = batches_from_one_source_at_a_time([0.0, 0.25 + 2.0**-50, 0.5, 1.0], 100)
    assert max(abs(one - other) for one, other in zip(exact, moved, strict=True)) > 1


def test_a_chaotic_run_diverges_only_as_far_as_a_start_in_its_last_digit_makes_it() -> None:
    starts_s, slices = [0.0, 0.3, 0.55, 1.1], 100
    timeline, exact = batches_from_one_source_at_a_time(starts_s, slices)
    _, moved = batches_from_one_source_at_a_time([0.0, 0.3 + 2.0**-50, *starts_s[2:]], slices)
    off = [abs(Fraction(end_s) - true) for end_s, true in zip(timeline.copy_end_s.tolist(), exact, strict=True)]
    shifts = [abs(one - other) for one, other in zip(exact, moved, strict=True)]
    largest = [(max(off[i::slices]), max(shifts[i::slices])) for i in range(slices)]  # by the slice's place
    assert largest[-1][0] > 1  # seconds: it has diverged
    diverged = next(i for i, (error, _) in enumerate(largest) if error > 1e-3)
    assert diverged > 40
    assert all(error <= 4 * shift for error, shift in largest[:diverged])
