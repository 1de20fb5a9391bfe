"""Rates of a set of flows: sharing with incast, both-ways loss and pair caps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.rates import RateModel, RateSet
from tests.dwdp_sim.programs import constants, program, queue, resources, single
from tests.dwdp_sim.random_programs import incast_left, machines

LOSSES: dict[str, Any] = {"incast_factor_2": 0.9, "incast_factor_3": 0.8, "incast_factor_4_up": 0.7}


def solved(ends: list[tuple[int, int, int]], options: FabricOptions | None = None, **values: Any) -> RateSet:
    """Rates of one flow for each (gpu, src, dst); each GPU has one engine, with its own number."""
    options = options or FabricOptions()
    of = program(*(queue(gpu, single(src, dst, 1)) for gpu, src, dst in ends))
    model = RateModel(constants(of, options, **values), options)
    mask = 0
    for gpu, src, dst in ends:
        mask |= 1 << model.number(Flow(gpu, gpu, src, dst))
    return model.solve(mask)


def pulls(*ends: tuple[int, int]) -> list[tuple[int, int, int]]:
    """(reader, source) pairs as flows."""
    return [(reader, source, reader) for reader, source in ends]


def test_two_readers_share_a_source() -> None:
    assert solved(pulls((1, 0), (2, 0))).rates == (50.0, 50.0)


def test_pair_cap_holds_one_reader_below_the_source_and_the_rest_is_shared() -> None:
    # Reader 0 pulls from 1, 2, 3 at once: 3 × 30 < 100, so each pair moves at its own cap.
    assert solved(pulls((0, 1), (0, 2), (0, 3)), pair_bytes_per_s=30.0).rates == (30.0, 30.0, 30.0)
    assert solved(pulls((0, 1), (0, 2), (0, 3)), pair_bytes_per_s=60.0).rates == pytest.approx([100 / 3] * 3)


@pytest.mark.parametrize(("readers", "factor"), [(1, 1.0), (2, 0.9), (3, 0.8), (4, 0.7), (5, 0.7)])
def test_incast_takes_from_the_source_by_the_number_of_its_readers(readers: int, factor: float) -> None:
    rates = solved(pulls(*((reader, 0) for reader in range(1, readers + 1))), **LOSSES).rates
    assert sum(rates) == pytest.approx(100.0 * factor)
    assert len(set(rates)) == 1


def test_a_pull_and_a_push_to_the_same_gpu_are_one_reader() -> None:
    # GPU 1 pulls from 0, GPU 0 pushes to 1, GPU 2 pulls from 0: two destinations, γ(2) = 0.9, 30 B/s each.
    rates = solved([(1, 0, 1), (0, 0, 1), (2, 0, 2)], FabricOptions(both_ways=False), **LOSSES).rates
    assert rates == pytest.approx((30.0, 30.0, 30.0))
    assert solved([(1, 0, 1), (0, 0, 1)], FabricOptions(both_ways=False), **LOSSES).rates == (50.0, 50.0)


def test_incast_off_ignores_the_factors() -> None:
    assert solved(pulls((1, 0), (2, 0)), FabricOptions(incast="off"), **LOSSES).rates == (50.0, 50.0)


def test_incast_demand_costs_where_readers_want_more_than_the_source_has() -> None:
    # Both want 100 of 100.
    assert solved(pulls((1, 0), (2, 0)), FabricOptions(incast="demand"), **LOSSES).rates == (45.0, 45.0)


def test_incast_demand_costs_nothing_where_the_readers_are_held_elsewhere() -> None:
    # Both readers' pair caps add up to 80 of 100; with `always` the source gives 0.7 · 100.
    factors: dict[str, Any] = {"pair_bytes_per_s": 40.0, "incast_factor_2": 0.7}
    assert solved(pulls((1, 0), (2, 0)), FabricOptions(incast="demand"), **factors).rates == (40.0, 40.0)
    assert solved(pulls((1, 0), (2, 0)), FabricOptions(incast="always"), **factors).rates == (35.0, 35.0)


def test_incast_demand_costs_nothing_where_demand_just_fills_the_sources() -> None:
    # Readers 0 and 3 read from 1 and 2 both: each reader's ingress gives its two flows 50. Each source is asked for
    # 50 + 50 = 100, which it has: full, but nobody asks for more.
    flows = pulls((0, 1), (0, 2), (3, 1), (3, 2))
    assert solved(flows, FabricOptions(incast="demand"), **LOSSES).rates == (50.0,) * 4
    assert solved(flows, FabricOptions(incast="always"), **LOSSES).rates == pytest.approx((45.0,) * 4)


def test_incast_demand_spreads_to_a_source_that_the_first_loss_overloads() -> None:
    # Source 1 has readers 0, 3, 4, source 2 has 0, 3. Without loss: source 1 is full at 100 / 3 each; readers 0 and 3
    # take the other 200 / 3 each from source 2, which has 100: both overloaded. γ(3) = 0.8, γ(2) = 0.9.
    flows = pulls((0, 1), (3, 1), (4, 1), (0, 2), (3, 2))
    rates = solved(flows, FabricOptions(incast="demand"), **LOSSES).rates
    assert rates == pytest.approx((80 / 3, 80 / 3, 80 / 3, 45.0, 45.0))
    # With a wider source 2 (egress 130 for all): source 1 at 130 / 3 each, source 2 is asked for 2 · (100 − 43.3) =
    # 113.3 of 130. After the loss of source 1, 104 / 3 each, it is asked for 2 · (100 − 34.7) = 130.7: overloaded too.
    rates = solved(flows, FabricOptions(incast="demand"), egress_bytes_per_s=130.0, **LOSSES).rates
    assert rates == pytest.approx((104 / 3, 104 / 3, 104 / 3, 58.5, 58.5))


def test_both_ways_lowers_each_direction_by_the_kind_of_the_opposite_one() -> None:
    # GPUs 0 and 1 pull from one another: each egress is held at 0.9 · 100 by the arriving pull, each ingress at 0.8.
    factors: dict[str, Any] = {
        "both_ways_egress": {"pull": 0.9, "push": 0.5},
        "both_ways_ingress": {"pull": 0.8, "push": 0.5},
    }
    assert solved(pulls((0, 1), (1, 0)), **factors).rates == (80.0, 80.0)
    assert solved(pulls((0, 1), (1, 0)), FabricOptions(both_ways=False), **factors).rates == (100.0, 100.0)


def test_both_ways_of_pushes_has_its_own_factor() -> None:
    factors: dict[str, Any] = {
        "both_ways_egress": {"pull": 0.5, "push": 0.9},
        "both_ways_ingress": {"pull": 0.5, "push": 0.99},
    }
    assert solved([(0, 0, 1), (1, 1, 0)], **factors).rates == (90.0, 90.0)


def test_both_ways_takes_the_worse_of_two_kinds() -> None:
    # Into GPU 0: a pull from 1 and a push from 2, 50 each by its ingress. Out of GPU 0: reader 3, at most
    # 100 · min(0.7, 0.6).
    factors: dict[str, Any] = {"both_ways_egress": {"pull": 0.7, "push": 0.6}}
    rates = solved([(0, 1, 0), (2, 2, 0), (3, 0, 3)], **factors).rates
    assert rates == pytest.approx((50.0, 50.0, 60.0))


def test_both_ways_and_incast_multiply() -> None:
    # Readers 1 and 2 on source 0 (γ = 0.9), which itself pulls from 3 (egress factor 0.8): 100 · 0.9 · 0.8 / 2.
    rates = solved(pulls((0, 3), (1, 0), (2, 0)), both_ways_egress={"pull": 0.8, "push": 0.8}, **LOSSES).rates
    assert rates == pytest.approx((100.0, 36.0, 36.0))


def test_share_is_the_rate_over_the_rate_alone() -> None:
    # Engine 1 gets 50 of 100, engine 2 too; engine 3 reads another source undisturbed.
    result = solved(pulls((1, 0), (2, 0), (3, 4)))
    assert dict(zip(result.engines, result.shares, strict=True)) == {1: 0.5, 2: 0.5, 3: 1.0}


def test_each_flow_knows_its_rate_alone_with_its_own_engine_s_flows() -> None:
    # Engine 0 reads from 1 and 2, which alone share its ingress at 50 each; engine 3 would get all of source 1. Source
    # 1 gives both readers 90 / 2 = 45 (γ(2) = 0.9); what engine 0 loses there it gets from source 2.
    result = solved(pulls((0, 1), (0, 2), (3, 1)), **LOSSES)
    assert result.rates == (45.0, 55.0, 45.0)
    assert result.alone == (50.0, 50.0, 100.0)
    assert result.shares == (1.0, 0.45)


PAIRS = st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] != pair[1])
FLOWS = st.lists(
    PAIRS.flatmap(lambda pair: st.sampled_from(pair).map(lambda gpu: (gpu, *pair))),
    min_size=1,
    max_size=12,
    unique=True,
)
INCAST = st.sampled_from(["always", "demand", "off"])


@given(FLOWS, machines(times=False), INCAST, st.booleans())
def test_rates_respect_every_loss_and_every_cap(
    ends: list[tuple[int, int, int]], values: dict[str, Any], incast: str, both_ways: bool
) -> None:
    """No resource is over the capacity that its losses leave; each flow has a full one where it is fastest.

    Capacity of a source = egress · γ(readers) · worst both-ways factor of what arrives; under `demand` γ or 1. A
    pair's cap goes down with the lower of its ends.
    """
    result = solved(ends, FabricOptions(incast=incast, both_ways=both_ways), **values)
    capacity: dict[tuple[str, int, int], float] = {}
    load: dict[tuple[str, int, int], float] = {}
    fastest: dict[tuple[str, int, int], float] = {}
    for (_, src, dst), rate in zip(ends, result.rates, strict=True):
        for resource in resources(src, dst):
            load[resource] = load.get(resource, 0.0) + rate
            fastest[resource] = max(fastest.get(resource, 0.0), rate)
            capacity[resource] = values[f"{resource[0]}_bytes_per_s"]

    def left_both_ways(name: str, gpu: int) -> float:
        out = name == "egress"
        opposite = [("push" if owner == s else "pull") for owner, s, d in ends if (d if out else s) == gpu]
        return min((values[f"both_ways_{name}"][kind] for kind in opposite), default=1.0) if both_ways else 1.0

    lossless = dict(capacity)
    for resource in load:
        name, gpu, other = resource
        if name == "pair":
            capacity[resource] *= min(left_both_ways("egress", gpu), left_both_ways("ingress", other))
        else:
            capacity[resource] *= left_both_ways(name, gpu)
        lossless[resource] = capacity[resource]
        if name == "egress" and incast != "off":
            outgoing = {(d, "push" if o == s else "pull") for o, s, d in ends if s == gpu}
            capacity[resource] *= incast_left(values, outgoing)
    for resource, total in load.items():
        assert total <= (lossless if incast == "demand" else capacity)[resource] * (1 + 1e-9)
    for (_, src, dst), rate in zip(ends, result.rates, strict=True):
        assert any(
            rate >= fastest[r] * (1 - 1e-9)
            and any(
                load[r] == pytest.approx(full, rel=1e-8)
                for full in ((lossless[r], capacity[r]) if incast == "demand" else (capacity[r],))
            )
            for r in resources(src, dst)
        )
    assert all(0 < share <= 1 for share in result.shares)


def test_of_two_kinds_of_copies_from_a_source_the_worse_incast_counts() -> None:
    # GPU 0 is read by GPU 1 and pushes to GPU 2: two GPUs take its bytes, γ(2) is 0.9 for pulls and 0.8 for pushes.
    factors: dict[str, Any] = {"incast_factor_2": {"pull": 0.9, "push": 0.8}}
    assert solved([(1, 0, 1), (0, 0, 2)], **factors).rates == (40.0, 40.0)


def test_an_engine_moves_all_its_copies_at_one_rate_where_sharing_is_equal() -> None:
    # GPU 3 reads GPUs 0 and 1, GPUs 4 and 5 read GPU 0 too: GPU 0 gives each of its readers 100/3. Fair, GPU 3 gets
    # 100 − 100/3 from GPU 1; equal, no more than from GPU 0.
    flows = pulls((3, 0), (3, 1), (4, 0), (5, 0))
    third = pytest.approx(100 / 3)
    assert list(solved(flows).rates) == [third, pytest.approx(200 / 3), third, third]
    assert list(solved(flows, FabricOptions(sharing="equal")).rates) == [third] * 4


def test_pushes_lose_both_ways_where_their_own_cap_is_the_tightest() -> None:
    # Two GPUs push to each other at 80 of 100 B/s; both ways a tenth is lost: 72.
    both = {"pull": 1.0, "push": 0.9}
    values: dict[str, Any] = {"push_bytes_per_s": 80.0, "both_ways_egress": both, "both_ways_ingress": both}
    assert solved([(0, 0, 1)], **values).rates == (80.0,)
    assert solved([(0, 0, 1), (1, 1, 0)], **values).rates == pytest.approx((72.0, 72.0))
