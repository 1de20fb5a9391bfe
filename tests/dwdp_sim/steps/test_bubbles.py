"""Bubbles and their causes, each cause from a run in which nothing else can have been it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.bubbles import Bubble, explain, worst_bubbles
from dwdp_sim.steps.contention import split_contention, why_unsplit
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim.programs import batch, constants, program, queue, single

PULL_OF_5S = program(queue(0, single(1, 0, 500)))  # 500 bytes at 100 bytes a second
THREE_READERS = program(queue(0, single(3, 0, 100)), queue(1, single(3, 1, 190)), queue(2, single(3, 2, 290)))


def bubbles(of: Program, windows: StepWindows, pace: Pace | None = None, **values: Any) -> list[Bubble]:
    """All of them, worst first."""
    options = FabricOptions(sharing=values.pop("sharing", "fair"))
    start_s = np.array(values.pop("start_s", [0.0] * windows.ranks))
    used = constants(of, options, **values)
    timeline = simulate_steps(of, windows, used, options, pace, start_s=start_s, blame=True)
    return worst_bubbles(timeline, split_contention(timeline, why_unsplit(of, windows, options)), 100)


def reasons(found: list[Bubble]) -> dict[tuple[int, int, int], str]:
    return {(b.rank, b.step, b.layer): b.reason for b in found}


def windows(window_s: float, layers: int = 1, ranks: int = 1, iterations: int = 1) -> StepWindows:
    return constant_windows(window_s, 0.0, (ranks, iterations, layers))


def test_a_shared_source_is_named_with_those_who_read_it_as_well() -> None:
    # Three at 25 B/s until 4 s, two at 45 until 6 s, rank 2 alone until 7 s (test_blame.py has the arithmetic).
    found = bubbles(THREE_READERS, windows(1e6, ranks=3), incast_factor_2=0.9, incast_factor_3=0.75)
    assert reasons(found) == {
        (2, 0, 0): "waited 7 s: GPU 3 was read by ranks 0 and 1 as well",
        (1, 0, 0): "waited 6 s: GPU 3 was read by ranks 0 and 2 as well",
        (0, 0, 0): "waited 4 s: GPU 3 was read by ranks 1 and 2 as well",
    }
    worst = found[0]
    assert (worst.bubble_s, worst.latency_s, worst.own_engine_s, worst.host_s, worst.gap_s) == (7.0, 7.0, 0.0, 0.0, 0.0)
    assert (worst.transfer_s, worst.contention_s) == pytest.approx((2.9, 4.1))
    assert (worst.source, worst.readers) == (3, (1, 0))  # rank 1 read on for longer than rank 0
    assert worst.source_s == pytest.approx(4.1)


def test_bytes_that_take_longer_than_the_compute_over_them_are_named_and_so_is_the_layer_before() -> None:
    # 4 layers of 5 s copies, 1 s windows. Layer 2 may be prefetched at 6 but the engine is busy with layer 1 until 10.
    found = bubbles(PULL_OF_5S, windows(1.0, layers=4))
    assert [(b.layer, b.bubble_s) for b in found] == [(0, 5.0), (1, 4.0), (2, 4.0), (3, 4.0)]
    assert [b.reason for b in found[:1] + found[2:3]] == [
        "waited 5 s: the bytes alone take 5 s, compute covered 0",
        "waited 4 s: for 4 s its engine still fetched layer 1, which took 5 s",
    ]


def test_a_layer_that_waits_behind_a_contended_one_says_who_held_that_one_up() -> None:
    # Rank 1 reads GPU 2 for 20 s from 0 on and computes then; rank 0 needs two layers of 5 s from there: each takes 10.
    of = program(queue(0, single(2, 0, 500)), queue(1, single(2, 1, 1000)))
    unequal = StepWindows(
        np.zeros((2, 1)), np.zeros((2, 1, 2)), np.array([[[1.0, 1.0]], [[100.0, 1.0]]]), np.zeros((2, 1), dtype=int)
    )
    assert reasons(bubbles(of, unequal))[0, 0, 1] == (
        "waited 9 s: for 10 s its engine still fetched layer 0, as GPU 2 was read by rank 1 as well"
    )


def test_over_the_step_boundary_the_layer_before_is_the_last_one_of_the_step_before() -> None:
    found = bubbles(PULL_OF_5S, windows(1.0, layers=2, iterations=2), Pace(carry_over=True))
    assert reasons(found)[0, 1, 0] == "waited 4 s: for 4 s its engine still fetched layer 1, which took 5 s"


def test_a_late_host_is_named_where_compute_went_on_meanwhile() -> None:
    # 3 s for the call, 1 s for the bytes. Dense layers of 3.5 s cover all but half a second of that; without the host
    # there would be no bubble.
    of = program(queue(0, single(1, 0, 100), queued=False))
    found = bubbles(of, constant_windows(1.0, 0.0, (1, 1, 1), lead_s=3.5), issue_async_s=3.0)
    assert found[0].reason == "waited 500 ms: for 3 s the host had not issued its copies"
    # Without dense layers compute waits for its launch just as long; the bytes come after that in any case.
    found = bubbles(of, windows(1.0), issue_async_s=3.0)
    assert (found[0].host_s, found[0].bubble_s) == (3.0, 1.0)
    assert found[0].reason == "waited 1 s: the bytes alone take 1 s, compute covered 0"


def test_gaps_are_named() -> None:
    # Four copies of 1 s with three gaps of 2 s.
    of = program(queue(0, *(single(1, 0, 100) for _ in range(4))))
    assert bubbles(of, windows(1.0), peer_gap_s=[[1, 2.0]])[0].reason == (
        "waited 10 s: 6 s went by in gaps between its copies"
    )


def test_links_that_carry_bytes_both_ways_are_named() -> None:
    of = program(queue(0, single(1, 0, 100)), queue(1, single(0, 1, 100)))
    found = bubbles(of, windows(1e6, ranks=2), both_ways_ingress={"pull": 0.25, "push": 0.25})
    assert found[0].reason == "waited 4 s: its links carried bytes the other way, too"
    assert (found[0].source, found[0].readers) == (1, ())


def test_a_group_barrier_is_named() -> None:
    of = program(*(queue(r, batch((1 - r, r, 100), barrier=0), batch((1 - r, r, 100), barrier=1)) for r in (0, 1)))
    found = bubbles(of, windows(1e6, ranks=2), start_s=[0.0, 4.0])
    assert found[0].reason == "waited 6 s: 4 s at the group's barriers or behind another stream"


def test_a_first_in_first_out_source_is_named_as_a_queue() -> None:
    of = program(queue(0, single(2, 0, 100)), queue(1, single(2, 1, 100)), queue(3, single(2, 3, 300)))
    found = bubbles(of, windows(1e6, ranks=3), sharing="fifo")
    assert reasons(found)[1, 0, 0] == "waited 2 s: 1 s behind other ranks' copies in the sources' queues"
    assert found[0].source is None


def test_a_gpu_that_is_no_rank_is_named_as_a_gpu() -> None:
    # GPU 2 takes bytes from rank 1 after its step of 1 s; by then rank 0 has 100 of 200 bytes.
    of = program(queue(0, single(1, 0, 200)), queue(1), queue(3), queue(2, single(1, 2, 2000)))
    found = bubbles(of, windows(1.0, ranks=2), incast_factor_2=0.5)
    assert found[0].reason == "waited 5 s: GPU 1 was read by GPU 2 as well"


def test_of_many_readers_four_are_named() -> None:
    of = program(*(queue(rank, single(7, rank, 100)) for rank in range(7)))
    found = bubbles(of, windows(1e6, ranks=7))
    assert found[0].reason == "waited 7 s: GPU 7 was read by ranks 1, 2, 3, 4 and 2 others as well"


def test_the_worst_come_first_only_as_many_as_asked_for_and_only_from_the_layer_asked_for() -> None:
    of = program(queue(0, single(1, 0, 500)), queue(1, single(0, 1, 300)))
    timeline = simulate_steps(of, windows(2.0, layers=3, ranks=2, iterations=2), constants(of), blame=True)
    contention = split_contention(timeline)
    every = worst_bubbles(timeline, contention, 100)
    assert [b.bubble_s for b in every] == sorted(timeline.bubble_s[timeline.bubble_s > 0].tolist(), reverse=True)
    assert every[:3] == worst_bubbles(timeline, contention, 3)
    assert worst_bubbles(timeline, contention, 100, from_layer=1) == [b for b in every if b.layer > 0]
    assert all(b.latency_s == pytest.approx(b.own_engine_s + b.transfer_s + b.contention_s) for b in every)


def test_a_layer_that_did_not_wait_has_no_cause() -> None:
    timeline = simulate_steps(PULL_OF_5S, windows(7.0, layers=2), constants(PULL_OF_5S), blame=True)
    assert explain(timeline, split_contention(timeline), 0, 0, 1).cause == ""
