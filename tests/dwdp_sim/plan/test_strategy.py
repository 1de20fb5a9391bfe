"""Strategies: every remote byte once, from the right place; orders and calls against plain descriptions."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER, CopyPlan
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import BATCHED, STRATEGIES, is_hypothetical, kind_named
from dwdp_sim.plan.strategy import BARRIERS, Strategy
from tests.dwdp_sim.model.test_placement import PLACEMENTS

# (peer, parameter, source offset, bytes) of a copy
Row = tuple[int, int, int, int]
SMALL = MoEModel("small", 32, 16, 1, 1, 1, 1, "nvfp4")  # tensors of 512, 256, 64, 32, 4 and 4 bytes
SLICES = st.one_of(st.sampled_from([1, 4, 100, 512, 10**9]), st.integers(20, 4000), st.none())
DRAWN = st.builds(
    Strategy,
    kind=st.sampled_from(list(STRATEGIES.values())),
    implementation=st.sampled_from(sorted(IMPLEMENTATIONS)),
    slice_bytes=SLICES,
    wave_copies=st.integers(1, 9),
    barrier=st.sampled_from(BARRIERS),
)


def rows(plan: CopyPlan, rank: int) -> list[Row]:
    own = plan.copy_rank == rank
    columns = (plan.copy_peer, plan.copy_parameter, plan.copy_src_offset, plan.copy_bytes)
    return list(zip(*(column[own].tolist() for column in columns), strict=True))


def pulls(plan: CopyPlan, implementation: str, rank: int) -> dict[tuple[int, int], tuple[int, int]]:
    """Source offset and bytes of each (peer, parameter) that `rank` pulls, peers and parameters ascending."""
    placement = plan.placement
    serve = placement.served_by_lowest if implementation == "trtllm_vmm" else placement.served_by_distance
    result = {}
    for peer in range(placement.dwdp_size):
        experts = serve(rank, peer) if peer != rank else range(0)
        for number, parameter in enumerate(plan.parameters):
            if experts:
                offset = (experts.start - placement.resident(peer).start) * parameter.bytes
                result[peer, number] = (offset, len(experts) * parameter.bytes)
    return result


def allowed(placement: Placement, implementation: str) -> Placement:
    """The same, without overlapping experts where the implementation cannot have them."""
    if implementation != "sglang":
        return placement
    size, pulled = placement.dwdp_size, placement.num_prefetch_experts
    return Placement(size * pulled, size, pulled, pulled)


def cut(offset: int, total: int, limit: int) -> list[tuple[int, int]]:
    return [(offset + at, min(limit, total - at)) for at in range(0, total, limit)]


@settings(max_examples=60)
@given(PLACEMENTS, DRAWN)
def test_every_byte_of_a_slot_is_written_once_with_the_right_byte_of_the_right_expert(
    placement: Placement, strategy: Strategy
) -> None:
    """Every byte carries its number in the whole layer; after the copies each slot holds its remote experts' bytes."""
    placement = allowed(placement, strategy.implementation)
    assume(strategy.slice_bytes != 1 or placement.num_experts < 20)
    plan = build_plan(SMALL, placement, strategy)
    assert np.all(plan.copy_bytes > 0)
    assert np.all(plan.copy_peer != plan.copy_rank)
    layers = [np.arange(placement.num_experts * parameter.bytes) for parameter in plan.parameters]
    remote = placement.num_experts - placement.num_experts_per_worker
    slots = [[np.full(remote * p.bytes, -1) for p in plan.parameters] for _ in range(placement.dwdp_size)]
    columns = (
        plan.copy_rank, plan.copy_peer, plan.copy_parameter, plan.copy_src_offset, plan.copy_dst_offset, plan.copy_bytes
    )  # fmt: skip
    for rank, peer, parameter, src, dst, size in zip(*(column.tolist() for column in columns), strict=True):
        held, item = placement.resident(peer), plan.parameters[parameter].bytes
        resident = layers[parameter][held.start * item : held.stop * item]
        slot = slots[rank][parameter]
        assert src >= 0
        assert src + size <= len(resident)
        assert dst >= 0
        assert dst + size <= len(slot)
        assert np.all(slot[dst : dst + size] == -1)
        slot[dst : dst + size] = resident[src : src + size]
    for rank, tensors in enumerate(slots):
        own = placement.resident(rank)
        for slot, layer, parameter_ in zip(tensors, layers, plan.parameters, strict=True):
            expected = np.r_[layer[: own.start * parameter_.bytes], layer[own.stop * parameter_.bytes :]]
            assert np.array_equal(slot, expected)


@given(PLACEMENTS, DRAWN)
def test_no_copy_is_larger_than_a_slice_and_only_the_last_of_a_pull_is_smaller(
    placement: Placement, strategy: Strategy
) -> None:
    placement = allowed(placement, strategy.implementation)
    assume(strategy.slice_bytes is None or strategy.slice_bytes > 100)
    plan = build_plan(SMALL, placement, strategy)
    whole = strategy.slice_bytes is None or strategy.name in ("default", "ring")
    for rank in range(placement.dwdp_size):
        expected = [
            (peer, parameter, src, size)
            for (peer, parameter), (offset, total) in pulls(plan, strategy.implementation, rank).items()
            for src, size in cut(offset, total, total if whole else strategy.slice_bytes or total)
        ]
        assert sorted(rows(plan, rank)) == sorted(expected)


@given(PLACEMENTS, st.sampled_from(sorted(IMPLEMENTATIONS)), st.sampled_from(["default", "ring"]))
def test_one_by_one_orders(placement: Placement, implementation: str, name: str) -> None:
    """trtllm_ipc: for each peer, for each tensor; the others: tensor, then peer. ring starts at rank + 1."""
    placement = allowed(placement, implementation)
    plan = build_plan(SMALL, placement, Strategy(STRATEGIES[name], implementation))
    size = placement.dwdp_size
    for rank in range(size):
        peers = range(size) if name == "default" else [(rank + step) % size for step in range(1, size)]
        numbers = range(len(plan.parameters))
        if implementation == "trtllm_ipc":
            order = [(peer, number) for peer in peers for number in numbers]
        else:
            order = [(peer, number) for number in numbers for peer in peers]
        every = pulls(plan, implementation, rank)
        assert rows(plan, rank) == [(*key, *every[key]) for key in order if key in every]
    assert set(plan.call_issue.tolist()) == {ASYNC}
    assert plan.copy_call.tolist() == list(range(len(plan.copy_bytes)))


@given(PLACEMENTS, st.integers(50, 2000), st.sampled_from(["trtllm_ipc", "sglang"]))
def test_batched_takes_one_slice_of_each_rotated_peer_in_turn(
    placement: Placement, limit: int, implementation: str
) -> None:
    """trtllm_ipc: for each tensor, for each slice, for peers rank + 1, rank + 2, …"""
    placement = allowed(placement, implementation)
    plan = build_plan(SMALL, placement, Strategy(STRATEGIES["batched"], implementation, limit))
    size = placement.dwdp_size
    for rank in range(size):
        expected = []
        every = pulls(plan, implementation, rank)
        for number in range(len(plan.parameters)):
            peers = [(rank + step) % size for step in range(1, size)]
            pieces = [[(peer, number, *piece) for piece in cut(*every[peer, number], limit)] for peer in peers]
            expected += [piece for turn in zip_longest(*pieces) for piece in turn if piece]
        assert rows(plan, rank) == expected
    assert plan.call_issue.tolist() == [BATCH] * size


@given(PLACEMENTS, st.integers(50, 2000))
def test_vmm_batched_takes_turns_over_the_peers_lists_and_drops_those_that_are_done(
    placement: Placement, limit: int
) -> None:
    """Each peer's list: all its slices, tensor by tensor. Turns over the peers ascending, without rotation."""
    plan = build_plan(SMALL, placement, Strategy(STRATEGIES["batched"], "trtllm_vmm", limit))
    for rank in range(placement.dwdp_size):
        lists: dict[int, list[Row]] = {}
        for (peer, number), (offset, total) in pulls(plan, "trtllm_vmm", rank).items():
            lists.setdefault(peer, []).extend((peer, number, *piece) for piece in cut(offset, total, limit))
        expected = [piece for turn in zip_longest(*lists.values()) for piece in turn if piece]
        assert rows(plan, rank) == expected


@pytest.mark.parametrize(("rounds", "calls"), [(1, [[1], [2], [3]]), (2, [[1, 2], [3]]), (5, [[1, 2, 3]])])
def test_rounds_of_peers_share_a_call_and_a_barrier_of_the_group(rounds: int, calls: list[list[int]]) -> None:
    strategy = Strategy(STRATEGIES["batched_per_round"], slice_bytes=None, call_rounds=rounds, barrier="group")
    plan = build_plan(SMALL, Placement.create(8, 4), strategy)
    for rank in range(4):
        own = np.flatnonzero(plan.call_rank == rank)
        rotation = (plan.copy_peer - rank) % 4
        assert [sorted(set(rotation[plan.copy_call == call].tolist())) for call in own] == calls
        assert plan.call_barrier[own].tolist() == list(range(len(calls)))


@given(PLACEMENTS, st.sampled_from(sorted(IMPLEMENTATIONS)), st.integers(50, 2000))
def test_batched_per_round_is_one_batch_a_peer_in_ring_order(
    placement: Placement, implementation: str, limit: int
) -> None:
    placement = allowed(placement, implementation)
    plan = build_plan(SMALL, placement, Strategy(STRATEGIES["batched_per_round"], implementation, limit))
    size = placement.dwdp_size
    for rank in range(size):
        every = pulls(plan, implementation, rank)
        peers = [peer for peer in ((rank + step) % size for step in range(1, size)) if (peer, 0) in every]
        numbers = range(len(plan.parameters))
        expected = [(p, n, *piece) for p in peers for n in numbers for piece in cut(*every[p, n], limit)]
        assert rows(plan, rank) == expected
        calls = plan.copy_call[plan.copy_rank == rank]
        assert [
            sorted({row[0] for row, c in zip(expected, calls, strict=True) if c == call}) for call in sorted(set(calls))
        ] == [[peer] for peer in peers]
    assert set(plan.call_issue.tolist()) == {BATCH}


@given(PLACEMENTS, st.integers(1, 9), st.sampled_from(BARRIERS))
def test_waves_are_the_batched_order_in_calls_of_k_copies(placement: Placement, copies: int, barrier: str) -> None:
    waves = build_plan(
        SMALL, placement, Strategy(STRATEGIES["waves"], slice_bytes=300, wave_copies=copies, barrier=barrier)
    )
    batched = build_plan(SMALL, placement, Strategy(STRATEGIES["batched"], slice_bytes=300))
    for rank in range(placement.dwdp_size):
        own = rows(waves, rank)
        assert own == rows(batched, rank)
        calls = np.bincount(waves.copy_call[waves.copy_rank == rank] - int(waves.copy_call[waves.copy_rank == rank][0]))
        full, rest = divmod(len(own), copies)
        assert calls.tolist() == [copies] * full + [rest] * (rest > 0)
        barriers = waves.call_barrier[waves.call_rank == rank].tolist()
        assert barriers == (list(range(len(calls))) if barrier == "group" else [NO_BARRIER] * len(calls))


@given(PLACEMENTS, st.sampled_from(list(STRATEGIES)))
def test_only_waves_with_a_group_barrier_have_barriers(placement: Placement, name: str) -> None:
    plan = build_plan(SMALL, placement, Strategy(STRATEGIES[name], slice_bytes=500))
    assert set(plan.call_barrier.tolist()) == {NO_BARRIER}


@pytest.mark.parametrize("name", STRATEGIES)
def test_slices_of_none_copy_whole_pulls(name: str) -> None:
    plan = build_plan(SMALL, Placement.create(8, 4), Strategy(STRATEGIES[name], slice_bytes=None))
    assert plan.copies_per_rank() == [18] * 4


def test_sglang_allows_no_overlap() -> None:
    with pytest.raises(ConfigError, match="overlapping experts"):
        build_plan(SMALL, Placement(256, 4, 70, 62), Strategy(STRATEGIES["default"], "sglang"))


def test_only_what_sglang_does_not_offer_is_hypothetical() -> None:
    hypothetical = {
        (n, i) for n, kind in STRATEGIES.items() for i in IMPLEMENTATIONS if is_hypothetical(Strategy(kind, i))
    }
    assert hypothetical == {(name, "sglang") for name in STRATEGIES if name != "default"}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"implementation": "vllm"}, "strategy.implementation"),
        ({"slice_bytes": 0}, "strategy.slice_bytes"),
        ({"wave_copies": 0}, "strategy.wave_copies"),
        ({"barrier": "all"}, "strategy.barrier"),
    ],
)
def test_a_bad_strategy_is_named(change: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        Strategy(BATCHED, **change)  # type: ignore[arg-type]
    assert error.value.key == key
    assert "\n" not in str(error.value)


def test_an_unknown_strategy_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"strategy.name=fastest: allowed: default, batched, ring"):
        kind_named("fastest")
