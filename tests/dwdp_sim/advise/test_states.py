"""States: every rule nobody has measured, incast that is assumed, and draws from intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.hypotheses import AS_CONFIGURED, Hypothesis, hypotheses, samples
from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions

GB200, H200 = read_cluster("gb200_nvl72"), read_cluster("h200_x2")
RULES = {(1, "oldest"), (2, "any"), (3, "oldest"), (3, "any")}  # besides the configured one


def with_provenance(cluster: Cluster, provenance: str, *names: str) -> Cluster:
    measured = {name: replace(cluster.constants[name], provenance=provenance) for name in names}
    return replace(cluster, constants={**cluster.constants, **measured})


def test_three_ranks_or_more_have_every_rule_with_and_without_the_assumed_incast() -> None:
    states = possible_states(GB200, FabricOptions(), 4)
    assert states[0] == AS_CONFIGURED
    for incast in (None, "off"):
        found = {(s.in_flight_sources, s.refill) for s in states if s.incast == incast}
        assert found == RULES | {(None, None)}
    assert len(states) == 10


def test_what_was_measured_or_chosen_is_not_questioned() -> None:
    known = with_provenance(GB200, "measured", "in_flight_sources", "refill")
    assert [s.incast for s in possible_states(known, FabricOptions(), 4)] == [None, "off"]
    incast = with_provenance(known, "public", "incast_factor_2", "incast_factor_3")
    assert possible_states(incast, FabricOptions(), 4) == [AS_CONFIGURED]
    assert len(possible_states(GB200, FabricOptions(incast="off"), 4)) == 5


def test_two_ranks_share_no_source_but_their_constants_have_intervals() -> None:
    assert possible_states(GB200, FabricOptions(), 2) == [AS_CONFIGURED]
    drawn = [AS_CONFIGURED, *(Hypothesis(sample=n) for n in range(3))]
    assert possible_states(H200, FabricOptions(), 2, 3, ["egress_bytes_per_s"]) == drawn
    assert possible_states(H200, FabricOptions(), 2, 3, ["refill"]) == [AS_CONFIGURED]  # has no interval


def test_a_state_changes_what_it_names_and_nothing_else() -> None:
    cluster, options = Hypothesis(3, "any", "off").machine(GB200, FabricOptions(), 0)
    assert (cluster.value("in_flight_sources"), cluster.value("refill"), options.incast) == (3, "any", "off")
    same = {name for name in GB200.constants if cluster.constants[name] == GB200.constants[name]}
    assert set(GB200.constants) - same == {"in_flight_sources", "refill"}
    assert AS_CONFIGURED.machine(GB200, FabricOptions(), 0) == (GB200, FabricOptions())


@pytest.mark.parametrize("sample", range(5))
def test_a_draw_lies_in_its_interval_and_constants_fitted_as_one_stay_equal(sample: int) -> None:
    drawn, _ = Hypothesis(sample=sample).machine(H200, FabricOptions(), 7)
    low, high = H200.constants["egress_bytes_per_s"].interval
    assert low <= drawn.rate("egress_bytes_per_s") == drawn.rate("ingress_bytes_per_s") <= high
    low, high = H200.constants["both_ways_egress"].interval["pull"]
    assert low <= drawn.by_kind("both_ways_egress")["pull"] <= high
    assert drawn.by_kind("both_ways_egress")["push"] == H200.by_kind("both_ways_egress")["push"]
    for (size, gap_s), (low, high) in zip(
        drawn.gap_table("peer_gap_s"), H200.constants["peer_gap_s"].interval.values(), strict=True
    ):
        assert low <= gap_s <= high, size
    again, _ = Hypothesis(sample=sample).machine(H200, FabricOptions(), 7)
    other, _ = Hypothesis(sample=sample).machine(H200, FabricOptions(), 8)
    assert again == drawn != other
