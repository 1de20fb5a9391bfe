"""Who holds what, and who serves what: published layouts, and definitions for random ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.placement import Placement

SIZES = st.tuples(st.integers(2, 9), st.integers(1, 12), st.integers(0, 30))


def placed(sizes: tuple[int, int, int]) -> Placement:
    size, pulled, extra = sizes
    held = pulled + extra
    return Placement(held + (size - 1) * pulled, size, held, pulled)


PLACEMENTS = SIZES.map(placed)


@pytest.mark.parametrize(
    ("experts", "size", "held", "pulled"),
    [
        (72, 2, 36, 36),
        (256, 2, 128, 128),
        (256, 3, 86, 85),
        (256, 4, 64, 64),
        (256, 5, 52, 51),
        (256, 7, 40, 36),
        (256, 8, 32, 32),
        (256, 72, 43, 3),
    ],
)
def test_unset_sizes_are_those_of_the_published_settings(experts: int, size: int, held: int, pulled: int) -> None:
    expected = Placement(experts, size, held, pulled)
    assert Placement.create(experts, size) == expected
    assert Placement.create(experts, size, held=held) == expected
    assert Placement.create(experts, size, pulled=pulled) == expected
    assert expected.overlaps == (held > pulled)


@pytest.mark.parametrize(
    ("held", "pulled", "by_distance", "by_lowest"),
    [(70, 62, [186] * 4, [202, 178, 178, 186]), (112, 48, [144] * 4, [256, 80, 96, 144])],
)
def test_experts_that_each_rank_serves_where_neighbours_overlap(
    held: int, pulled: int, by_distance: list[int], by_lowest: list[int]
) -> None:
    placement = Placement(256, 4, held, pulled)
    ranks = range(4)
    for serve, counts in ((placement.served_by_distance, by_distance), (placement.served_by_lowest, by_lowest)):
        assert [sum(len(serve(rank, peer)) for rank in ranks if rank != peer) for peer in ranks] == counts


@given(PLACEMENTS)
def test_each_remote_expert_is_served_once_and_by_a_rank_that_holds_it(placement: Placement) -> None:
    ranks = range(placement.dwdp_size)
    for serve in (placement.served_by_distance, placement.served_by_lowest):
        for rank in ranks:
            served = [expert for peer in ranks if peer != rank for expert in serve(rank, peer)]
            remote = set(range(placement.num_experts)) - set(placement.resident(rank))
            assert sorted(served) == sorted(remote)
            for peer in ranks:
                if peer != rank:
                    assert set(serve(rank, peer)) <= set(placement.resident(peer))


@given(PLACEMENTS)
def test_by_lowest_means_the_lowest_rank_that_holds_the_expert(placement: Placement) -> None:
    ranks = range(placement.dwdp_size)
    for rank in ranks:
        for peer in ranks:
            if peer != rank:
                for expert in placement.served_by_lowest(rank, peer):
                    assert peer == min(other for other in ranks if expert in placement.resident(other))


@given(PLACEMENTS)
def test_by_distance_every_peer_serves_as_many(placement: Placement) -> None:
    for rank in range(placement.dwdp_size):
        for peer in range(placement.dwdp_size):
            if peer != rank:
                assert len(placement.served_by_distance(rank, peer)) == placement.num_prefetch_experts


@given(PLACEMENTS)
def test_without_overlap_both_rules_agree(placement: Placement) -> None:
    size, pulled = placement.dwdp_size, placement.num_prefetch_experts
    plain = Placement(size * pulled, size, pulled, pulled)
    for rank in range(size):
        for peer in range(size):
            if peer != rank:
                assert plain.served_by_distance(rank, peer) == plain.served_by_lowest(rank, peer)


@given(PLACEMENTS)
def test_a_slot_holds_the_remote_experts_in_ascending_order(placement: Placement) -> None:
    for rank in range(placement.dwdp_size):
        remote = [e for e in range(placement.num_experts) if e not in placement.resident(rank)]
        assert [placement.remote_index(rank, expert) for expert in remote] == list(range(len(remote)))


@given(PLACEMENTS)
def test_the_last_rank_holds_the_last_expert(placement: Placement) -> None:
    assert placement.resident(0).start == 0
    assert placement.resident(placement.dwdp_size - 1).stop == placement.num_experts


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((256, 1), "dwdp.dwdp_size"),
        ((256, 4, 64, 63), "dwdp.num_experts_per_worker"),
        ((256, 4, 65), "dwdp.num_experts_per_worker"),
        ((256, 4, 0), "dwdp.num_experts_per_worker"),
        ((256, 4, -2), "dwdp.num_experts_per_worker"),
        ((256, 4, 256), "dwdp.num_experts_per_worker"),
        ((256, 4, None, -1), "dwdp.num_prefetch_experts"),
        ((256, 4, None, 70), "dwdp.num_experts_per_worker"),
        ((3, 4), "dwdp.dwdp_size"),
        ((256, 4, 61, 65), "dwdp.num_experts_per_worker"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments: tuple[int, ...], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        Placement.create(*arguments)
    assert error.value.key == key
    assert "\n" not in str(error.value)
