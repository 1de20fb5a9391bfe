"""Max-min fair sharing: what defines it, and small cases by hand."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.max_min import max_min
from dwdp_sim.plan.endpoints import HOST

Network = tuple[list[list[int]], dict[Hashable, float]]
NETWORKS: st.SearchStrategy[Network] = st.integers(1, 6).flatmap(
    lambda links: st.tuples(
        st.lists(st.lists(st.integers(0, links - 1), min_size=1, max_size=3, unique=True), min_size=1, max_size=10),
        st.fixed_dictionaries(
            {link: st.one_of(st.sampled_from([1.0, 2.0, 3.0]), st.floats(1e-3, 1e12)) for link in range(links)}
        ),
    )
)


def loads(uses: list[list[int]], rates: list[float]) -> dict[int, float]:
    result: dict[int, float] = {}
    for links, rate in zip(uses, rates, strict=True):
        for link in links:
            result[link] = result.get(link, 0.0) + rate
    return result


@given(NETWORKS)
def test_no_link_carries_more_than_its_capacity(network: Network) -> None:
    uses, capacity = network
    for link, load in loads(uses, max_min(uses, capacity)).items():
        assert load <= capacity[link] * (1 + 1e-12)


@given(NETWORKS)
def test_each_flow_has_a_full_link_on_which_no_flow_is_faster(network: Network) -> None:
    """This property has exactly one solution, the max-min fair one, so nothing else needs to be compared."""
    uses, capacity = network
    rates = max_min(uses, capacity)
    load = loads(uses, rates)
    fastest = {link: max(rate for rate, links in zip(rates, uses, strict=True) if link in links) for link in load}
    for rate, links in zip(rates, uses, strict=True):
        assert rate > 0
        assert any(load[link] >= capacity[link] * (1 - 1e-9) and rate >= fastest[link] * (1 - 1e-9) for link in links)


@given(NETWORKS, st.randoms(use_true_random=False))
def test_order_of_the_flows_does_not_matter(network: Network, random: Random) -> None:
    uses, capacity = network
    order = list(range(len(uses)))
    random.shuffle(order)
    rates = max_min(uses, capacity)
    shuffled = max_min([uses[i] for i in order], capacity)
    assert shuffled == pytest.approx([rates[i] for i in order], rel=1e-9)


@given(NETWORKS, st.floats(1e-6, 1e6))
def test_rates_scale_with_the_capacities(network: Network, scale: float) -> None:
    uses, capacity = network
    scaled = max_min(uses, {link: value * scale for link, value in capacity.items()})
    assert scaled == pytest.approx([rate * scale for rate in max_min(uses, capacity)], rel=1e-9)


def test_chain_of_links_by_hand() -> None:
    # Links a = 10, b = 4, c = 7. Flows: x on a, y on a and b, z on b and c, w on c.
    # All rise to 2: b is full (y + z = 4), y and z stop there. x takes a − 2 = 8, w takes c − 2 = 5.
    uses = [["a"], ["a", "b"], ["b", "c"], ["c"]]
    assert max_min(uses, {"a": 10.0, "b": 4.0, "c": 7.0}) == [8.0, 2.0, 2.0, 5.0]


def test_links_that_fill_together_stop_all_their_flows_at_one_rate() -> None:
    # Both links have a share of 0.1 = 0.3 / 3 = 0.2 / 2, but 0.3 / 3 is not 0.2 / 2 in binary.
    rates = max_min([["a"], ["a"], ["a", "b"], ["b"]], {"a": 0.3, "b": 0.2})
    assert len(set(rates)) == 1


def test_no_flows_have_no_rates() -> None:
    assert max_min([], {}) == []


@pytest.mark.parametrize(
    ("flow", "kind", "link_kind"),
    [
        (Flow(0, 1, 2, 1), "pull", "peer"),
        (Flow(0, 1, 1, 2), "push", "peer"),
        (Flow(0, 1, HOST, 1), "pull", "host"),
        (Flow(0, 1, 1, HOST), "push", "host"),
        (Flow(0, 1, 1, 1), "push", "local"),
    ],
)
def test_a_flow_knows_its_direction_and_its_link(flow: Flow, kind: str, link_kind: str) -> None:
    assert (flow.kind, flow.link_kind, flow.is_peer) == (kind, link_kind, link_kind == "peer")
