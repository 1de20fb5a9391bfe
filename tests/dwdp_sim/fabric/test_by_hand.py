"""Programs small enough to compute by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.program import program_from_plan
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.programs import ends, links, program, queue, run, single

R1 = MoEModel("DeepSeek-R1", 7168, 2048, 256, 8, 61, 58, "nvfp4")


def times_the_bound(strategy: Strategy, options: FabricOptions | None = None, **values: Any) -> Sequence[float]:
    """End of each of four ranks over the lower bound: a rank's bytes at link rate."""
    plan = build_plan(R1, Placement.create(256, 4), strategy)
    rate = 4e11
    timeline = run(program_from_plan(plan), options, **links(rate), **values)
    return [end * rate / bytes_ for end, bytes_ in zip(ends(timeline), plan.bytes_per_rank(), strict=True)]


def test_two_readers_of_one_source_share_until_the_smaller_has_its_bytes() -> None:
    # 100 and 300 bytes at 50 B/s each: the first ends at 2 s; the other has 200 left at 100 B/s: 4 s.
    timeline = run(program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 300))))
    assert ends(timeline) == [2.0, 4.0]
    # Alone they take 1 s and 3 s.
    assert timeline.transfer_s.tolist() == [1.0, 3.0]
    assert timeline.contention_s.tolist() == [1.0, 1.0]


def test_two_readers_with_incast_loss() -> None:
    # 0.8 · 100 / 2 = 40 B/s each: the first ends at 2.5 s; the other has 200 left alone at 100 B/s: 4.5 s.
    of = program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 300)))
    assert ends(run(of, incast_factor_2=0.8)) == [2.5, 4.5]


def test_two_ranks_pulling_from_one_another_disturb_each_other_only_while_both_move() -> None:
    # Both-ways factor 0.8. Rank 0: 50 bytes in 0.5 s alone, 50 at 80 B/s: 0.5 + 0.625 = 1.125 s.
    # Rank 1 from 0.5 s on: 50 bytes at 80 B/s until 1.125 s, 50 alone: 0.625 + 0.5 = 1.125 s.
    factors: dict[str, Any] = {"both_ways_egress": {"pull": 0.8, "push": 1.0}}
    of = program(queue(0, single(1, 0, 100)), queue(1, single(0, 1, 100), start_s=0.5))
    timeline = run(of, **factors)
    assert ends(timeline) == pytest.approx([1.125, 1.125])
    assert timeline.contention_s == pytest.approx([0.125, 0.125])


def test_a_pull_and_a_push_over_the_same_link_share_it_evenly() -> None:
    # Rank 0 pulls from 1 while rank 1 pushes to 0: each 50 B/s, together 100.
    of = program(queue(0, single(1, 0, 200)), queue(1, single(1, 0, 200)))
    assert ends(run(of)) == [4.0, 4.0]


def test_lock_step_default_of_four_ranks_in_peer_order() -> None:
    """Peer-major, T = one peer's bytes / rate, bound 3 T. Sources by rank: 0: 1 2 3, 1: 0 2 3, 2: 0 1 3, 3: 0 1 2.

    0 to 3 T    rank 0 reads 1, 2, 3 alone and ends at 3 T; ranks 1, 2, 3 share source 0, a third each
    3 to 4 T    rank 1 reads 2 alone; ranks 2, 3 share source 1
    4 to 5 T    rank 1 reads 3 alone and ends at 5 T; ranks 2, 3 are done with source 1 at 5 T
    5 to 6 T    rank 2 reads 3, rank 3 reads 2; both end at 6 T
    """
    expected = [1.0, 5 / 3, 2.0, 2.0]
    assert times_the_bound(Strategy(STRATEGIES["default"])) == pytest.approx(expected, rel=1e-9)


def test_lock_step_default_of_four_ranks_with_incast_loss() -> None:
    """γ(2) = 0.8, γ(3) = 0.75: source 0 takes 3 T / 0.75 = 4 T for its three readers.

    0 to 3 T      rank 0 as before
    4 to 6 T      rank 1 reads 2 and 3 alone: 6 T
    4 to 6.5 T    ranks 2, 3 share source 1 at 0.4 each: T / 0.4 = 2.5 T
    6.5 to 7.5 T  rank 2 reads 3, rank 3 reads 2
    """
    expected = [3 / 3, 6 / 3, 7.5 / 3, 7.5 / 3]
    got = times_the_bound(Strategy(STRATEGIES["default"]), incast_factor_2=0.8, incast_factor_3=0.75)
    assert got == pytest.approx(expected, rel=1e-9)


def test_lock_step_default_of_four_ranks_in_parameter_order_ends_elsewhere() -> None:
    """Two tensors a, b with bytes 2 : 1, each from peers 0 … 3 ascending; a takes 2, b 1, the bound is 9.

    0 to 6     rank 0: a of 1, 2, 3; ranks 1, 2, 3 share source 0 for a (3 · 2)
    6 to 9     source 1 has three readers: b for rank 0 (done at 9), a for ranks 2, 3 (1 left at 9);
               rank 1: a of 2 until 8, a of 3 until 10
    9 to 11    rank 0: b of 2, b of 3: ends at 11; ranks 2, 3 share source 1, done with a at 11; rank 1: b of 0 until 11
    11 to 13   source 2: b for rank 1, done at 13, and a for rank 3, 1 left; rank 2: a of 3 until 13
    13 to 14   rank 1: b of 3, ends at 14; rank 2: b of 0; rank 3: the rest of a of 2
    14 to 17   rank 2: b of 1, b of 3, ends at 16; rank 3: b of 0, 1, 2, ends at 17
    """
    expected = [11 / 9, 14 / 9, 16 / 9, 17 / 9]
    assert times_the_bound(Strategy(STRATEGIES["default"], "sglang")) == pytest.approx(expected, rel=1e-9)


def test_lock_step_ring_of_four_ranks_meets_the_bound() -> None:
    # Rank r reads r + 1, r + 2, r + 3: at any time each source has one reader.
    assert times_the_bound(Strategy(STRATEGIES["ring"])) == pytest.approx([1.0] * 4, rel=1e-9)


@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("refill", ["oldest", "any"])
def test_lock_step_batched_meets_the_bound_with_one_source_or_all_in_flight(places: int, refill: str) -> None:
    # One: slice i of every rank comes from rotation 1 + i mod 3, one reader a source, and all slices of a round are
    # equal. Three: every source feeds all three others, a third each.
    got = times_the_bound(Strategy(STRATEGIES["batched"]), in_flight_sources=places, refill=refill)
    assert got == pytest.approx([1.0] * 4, rel=1e-9)


def test_lock_step_of_two_ranks_meets_the_bound_whatever_the_order() -> None:
    plan = build_plan(R1, Placement.create(256, 2), Strategy(STRATEGIES["batched"]))
    timeline = run(program_from_plan(plan), **links(4e11))
    assert ends(timeline) == pytest.approx([plan.bytes_per_rank()[0] / 4e11] * 2, rel=1e-9)
