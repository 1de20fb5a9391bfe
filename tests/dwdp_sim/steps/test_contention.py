"""Contention split by source and reader: worked examples and laws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric.blame import OWN_LINKS
from dwdp_sim.fabric.links import ALWAYS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.contention import Contention, split_contention, why_unsplit
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim.programs import Call, Queue, batch, constants, program, queue, single
from tests.dwdp_sim.random_programs import machines

Who = dict[tuple[int, int], float]  # seconds lost, by source and reader


def split(of: Program, windows: StepWindows, **values: Any) -> tuple[StepTimeline, Contention]:
    timeline = simulate_steps(of, windows, constants(of, **values), blame=True)
    return timeline, split_contention(timeline)


def once(ranks: int) -> StepWindows:
    """One layer; what follows it takes so long that nobody reads twice."""
    return constant_windows(1e6, 0.0, (ranks, 1, 1))


def who(contention: Contention, rank: int, step: int = 0, layer: int = 0) -> Who:
    return {(source, reader): seconds for source, reader, seconds in contention.of(rank, step, layer)}


def test_three_readers_of_one_source_blame_one_another_for_as_long_as_they_read() -> None:
    # All read GPU 3. Three at once: 75 / 3 = 25 B/s each (γ(3) = 0.75), until rank 0 has its 100 bytes at 4 s. Two:
    # 90 / 2 = 45 each, until rank 1 has 100 + 90 at 6 s. Then rank 2 reads its last 100 bytes alone, until 7 s.
    of = program(queue(0, single(3, 0, 100)), queue(1, single(3, 1, 190)), queue(2, single(3, 2, 290)))
    timeline, contention = split(of, once(3), incast_factor_2=0.9, incast_factor_3=0.75)
    assert timeline.prefetch_end_s.ravel().tolist() == [4.0, 6.0, 7.0]
    # At 25 of 100 B/s each loses 0.75 of 4 s, half of it to each of the others; at 45, 0.55 of 2 s to the other one.
    assert who(contention, 0) == pytest.approx({(3, 1): 1.5, (3, 2): 1.5})
    assert who(contention, 1) == pytest.approx({(3, 0): 1.5, (3, 2): 1.5 + 1.1})
    assert who(contention, 2) == pytest.approx({(3, 0): 1.5, (3, 1): 1.5 + 1.1})
    assert contention.rest_s.max() == pytest.approx(0.0, abs=1e-12)


def test_what_is_lost_is_booked_where_flows_lack_their_rate_alone_and_not_where_they_gain() -> None:
    # Rank 0 reads 1 and 2 at once: alone 50 + 50 by its ingress. Rank 1 reads 2 as well: 60 / 2 = 30 each there
    # (γ(2) = 0.6), and source 1 gives rank 0 up to 70 now. Rank 0 moves 100 in all: nothing is lost.
    of = program(queue(0, batch((1, 0, 700), (2, 0, 300))), queue(1, single(2, 1, 300)))
    _, contention = split(of, once(2), incast_factor_2=0.6)
    assert who(contention, 0) == {}
    # With 60 B/s a pair it moves 60 + 30 of 100 until 10 s: 0.1 of the time is lost, all of it at source 2. Rank 1
    # moves 30 of the 60 that its pair allows: half of the time is lost.
    of = program(queue(0, batch((1, 0, 600), (2, 0, 300))), queue(1, single(2, 1, 300)))
    _, contention = split(of, once(2), incast_factor_2=0.6, pair_bytes_per_s=60.0)
    assert who(contention, 0) == pytest.approx({(2, 1): 1.0})
    assert who(contention, 1) == pytest.approx({(2, 0): 5.0})


def test_where_nobody_else_reads_the_source_the_own_links_are_named() -> None:
    # Two ranks pull from one another: 80 of 100 B/s, for 5 s.
    of = program(queue(0, single(1, 0, 400)), queue(1, single(0, 1, 400)))
    _, contention = split(of, once(2), both_ways_ingress={"pull": 0.8, "push": 0.8})
    assert who(contention, 0) == pytest.approx({(1, OWN_LINKS): 1.0})


def test_each_layer_of_each_step_has_its_own_readers() -> None:
    # Rank 0 reads 2 all the time, 1 s a layer alone; rank 1 reads it for 2 s once in 100 s: in layer 0 of step 0.
    of = program(queue(0, single(2, 0, 100)), queue(1, single(2, 1, 100)))
    seconds = np.array([np.ones((2, 2)), np.full((2, 2), 100.0)])
    windows = StepWindows(np.zeros((2, 2)), np.zeros((2, 2, 2)), seconds, np.zeros((2, 2), dtype=np.int64))
    windows.before_s[1, :, 1] = 50.0
    timeline, contention = split(of, windows)
    assert who(contention, 0) == pytest.approx({(2, 1): 1.0})
    assert timeline.contention_s[0, 0, 1] == pytest.approx(1.0)  # rank 1's layer 1 is fetched after its layer 0
    assert who(contention, 0, 0, 1) == pytest.approx({(2, 1): 1.0})
    assert [who(contention, 0, 1, layer) for layer in (0, 1)] == [{}, {}]


def test_the_wait_for_a_group_barrier_is_nobody_s() -> None:
    # Rank 1 begins at 4; rank 0's second wave waits until 5 for its first one.
    of = program(*(queue(r, batch((1 - r, r, 100), barrier=0), batch((1 - r, r, 100), barrier=1)) for r in (0, 1)))
    timeline = simulate_steps(of, once(2), constants(of), start_s=np.array([0.0, 4.0]), blame=True)
    contention = split_contention(timeline)
    assert len(contention.lost_s) == 0
    assert contention.rest_s.ravel().tolist() == [4.0, 0.0]


def test_who_takes_the_bytes_of_a_step_away_is_blamed_as_a_reader() -> None:
    # GPU 2 takes 1000 bytes from GPU 1 when that has ended its first step of 1 s; rank 0 pulls 500 from there: 1 s
    # alone, 8 s at half its rate.
    of = program(queue(0, single(1, 0, 500)), queue(1), queue(3), queue(2, single(1, 2, 1000)))
    _, contention = split(of, constant_windows(1.0, 0.0, (2, 1, 1)))
    assert who(contention, 0) == pytest.approx({(1, 2): 4.0})


def test_bytes_that_a_rank_s_own_engine_takes_away_are_not_its_prefetch_s_loss() -> None:
    # Rank 0 prefetches until 5, computes until 6, prefetches again until 11. Then its engine pushes 300 bytes to GPU 2
    # at half of 100 B/s, since rank 1 reads GPU 0 all the time, and stays with that stream for the 300 bytes of the
    # second step: until 11 + 6 + 6. The third step begins at 12 and waits for 11 s.
    of = program(queue(0, single(1, 0, 500)), queue(1, single(0, 1, 9000)), queue(0, single(0, 2, 300)))
    timeline, contention = split(of, constant_windows(1.0, 0.0, (2, 3, 1)))
    assert timeline.contention_s[0, 2, 0] == contention.rest_s[0, 2, 0] == 11.0
    assert who(contention, 0, 2) == {}


def test_a_rank_that_prefetches_nothing_lost_nothing() -> None:
    _, contention = split(program(queue(0), queue(1, single(2, 1, 100))), once(2))
    assert contention.rest_s.tolist() == [[[0.0]], [[0.0]]]
    assert len(contention.lost_s) == 0


def test_experts_in_host_memory_wait_for_nobody() -> None:
    _, contention = split(program(queue(0, single(HOST, 0, 100)), queue(1, single(HOST, 1, 100))), once(2))
    assert len(contention.lost_s) == 0


def test_first_in_first_out_is_not_split() -> None:
    of = program(queue(0, single(2, 0, 100)), queue(1, single(2, 1, 100)))
    options = FabricOptions(sharing="fifo")
    timeline = simulate_steps(of, once(2), constants(of, options), options, blame=True)
    why = why_unsplit(of, once(2), options)
    assert "queues" in why
    contention = split_contention(timeline, why)
    assert contention.unsplit == why
    assert len(contention.lost_s) == 0
    assert contention.rest_s.ravel().tolist() == timeline.contention_s.ravel().tolist() == [0.0, 1.0]


def test_a_group_with_too_many_pairs_of_readers_is_not_split() -> None:
    of = program(*(queue(rank, single((rank + 1) % 72, rank, 100)) for rank in range(72)))
    assert why_unsplit(of, constant_windows(1.0, 0.5, (72, 3, 58)), FabricOptions())
    assert not why_unsplit(of, constant_windows(1.0, 0.5, (72, 1, 10)), FabricOptions())


def test_without_what_was_lost_nothing_is_made_up() -> None:
    of = program(queue(0, single(1, 0, 100)))
    with pytest.raises(ValueError, match="blame=True"):
        split_contention(simulate_steps(of, once(1), constants(of)))


@dataclass(frozen=True)
class Case:
    """Two to four ranks that pull from one another, in waves with group barriers or not, at unequal paces."""

    queues: list[Queue]
    windows: StepWindows
    start_s: np.ndarray[Any, np.dtype[np.float64]]
    values: dict[str, Any]

    def split(self) -> tuple[StepTimeline, Contention]:
        of = program(*self.queues)
        used, kept = constants(of, **self.values), {"blame": True, "rates_between_s": ALWAYS}
        timeline = simulate_steps(of, self.windows, used, start_s=self.start_s, **kept)
        return timeline, split_contention(timeline)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ranks, shape = draw(st.integers(2, 4)), (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    waves, in_step = draw(st.integers(1, 2)), draw(st.booleans())
    queues = []
    for rank in range(ranks):
        pulls = st.tuples(st.integers(1, ranks - 1), st.integers(1, 300))
        calls = []
        for wave in range(waves):
            copies = [((rank + by) % ranks, rank, size) for by, size in draw(st.lists(pulls, min_size=1, max_size=4))]
            calls.append(batch(*copies, barrier=wave) if in_step else batch(*copies))
        queues.append(queue(rank, *calls))
    seconds = draw(st.lists(st.floats(0.0, 6.0), min_size=ranks, max_size=ranks))
    moe_s = np.tile(np.array(seconds)[:, None, None], (1, *shape))
    windows = StepWindows(np.zeros((ranks, shape[0])), moe_s / 3, moe_s, np.zeros((ranks, shape[0]), dtype=np.int64))
    starts = draw(st.lists(st.floats(0.0, 5.0), min_size=ranks, max_size=ranks))
    return Case(queues, windows, np.array(starts), draw(machines()))


def during(timeline: StepTimeline, rank: int) -> list[tuple[int, float, set[tuple[int, int]]]]:
    """For each sample up to the rank's last prefetch: which one it is in, how long it lasts, (source, reader) pairs."""
    ends = timeline.prefetch_end_s[rank].ravel().tolist()
    return [
        (next(i for i, end in enumerate(ends) if begin < end), until - begin, pairs)
        for (begin, rates), (until, _) in pairwise(timeline.links.samples)
        if begin < ends[-1] and (pairs := {timeline.links.flows[number][2:] for number in rates.flows})
    ]


@settings(max_examples=40)
@given(cases())
def test_transfer_and_blame_are_the_time_in_which_bytes_moved_and_the_rest_is_contention_without_bytes(
    case: Case,
) -> None:
    timeline, contention = case.split()
    blamed = np.bincount(contention.prefetch, weights=contention.lost_s, minlength=timeline.contention_s.size)
    moved = np.zeros((len(timeline.contention_s), timeline.contention_s[0].size))
    for rank in range(len(moved)):
        for prefetch, seconds, pairs in during(timeline, rank):
            moved[rank, prefetch] += seconds * any(reader == rank for _, reader in pairs)
    assert timeline.transfer_s.ravel() + blamed == pytest.approx(moved.ravel(), abs=1e-6)
    assert blamed + contention.rest_s.ravel() == pytest.approx(timeline.contention_s.ravel(), abs=1e-6)
    if all(call.barrier < 0 for q in case.queues for call in q.calls):
        assert contention.rest_s.max() < 1e-6


@settings(max_examples=40)
@given(cases())
def test_only_those_are_blamed_who_read_the_source_at_that_time_and_own_links_only_where_nobody_does(
    case: Case,
) -> None:
    timeline, contention = case.split()
    ranks, steps, layers = timeline.contention_s.shape
    for rank in range(ranks):
        possible: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for prefetch, _, pairs in during(timeline, rank):
            for source in (source for source, reader in pairs if reader == rank):
                others = {reader for other, reader in pairs if other == source} - {rank}
                possible[prefetch] |= {(source, reader) for reader in others or {OWN_LINKS}}
        for prefetch in range(steps * layers):
            assert set(who(contention, rank, *divmod(prefetch, layers))) <= possible[prefetch]
    assert (contention.lost_s > 0.0).all()


def relabelled(case: Case, new: list[int]) -> Case:
    """The same with rank r called new[r]."""
    old = [new.index(rank) for rank in range(len(new))]
    queues = [
        queue(
            rank,
            *(
                Call(call.issue, tuple((new[src], new[dst], size) for src, dst, size in call.copies), call.barrier)
                for call in case.queues[old[rank]].calls
            ),
        )
        for rank in range(len(new))
    ]
    w = case.windows
    windows = StepWindows(w.lead_s[old], w.before_s[old], w.moe_s[old], w.tokens[old])
    return Case(queues, windows, case.start_s[old], case.values)


@settings(max_examples=40)
@given(cases(), st.randoms(use_true_random=False))
def test_calling_the_ranks_by_other_names_renames_the_blame(case: Case, random: Any) -> None:
    ranks, steps, layers = case.windows.moe_s.shape
    new = list(range(ranks))
    random.shuffle(new)
    named = [*new, OWN_LINKS]
    (_, before), (_, after) = case.split(), relabelled(case, new).split()
    for rank, step, layer in np.ndindex(ranks, steps, layers):
        expected = {(new[s], named[r]): t for (s, r), t in who(before, rank, step, layer).items()}
        found = who(after, new[rank], step, layer)
        for key in expected.keys() | found.keys():
            assert found.get(key, 0.0) == pytest.approx(expected.get(key, 0.0), abs=1e-6)
