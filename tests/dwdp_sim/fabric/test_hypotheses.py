"""Hypotheses: everything that nobody has measured, nothing that somebody has, and what a program can tell apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import NO_LIMIT
from dwdp_sim.fabric.hypotheses import (
    ARTEFACT_AS_LOSS,
    AS_CONFIGURED,
    BOTH_WAYS,
    EXCLUDED,
    INCAST,
    SHARINGS,
    WALKS,
    Hypothesis,
    byte_window,
    distinct,
    hypotheses,
    places,
    samples,
    variants,
    without_walk,
)
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.job import LayerJob
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_sim.composing import job

GB200, H200 = read_cluster("gb200_nvl72"), read_cluster("h200_x2")
SINGLY = {
    "several readers cost a source",
    "most lost both ways",
    "least lost both ways",
}


def with_provenance(cluster: Cluster, provenance: str, *names: str) -> Cluster:
    measured = {name: replace(cluster.constants[name], provenance=provenance) for name in names}
    return replace(cluster, constants={**cluster.constants, **measured})


def names(found: list[Hypothesis]) -> set[str]:
    return {hypothesis.name for hypothesis in found}


def told_apart(built: LayerJob) -> set[tuple[str, ...]]:
    found = variants(hypotheses(built.cluster, built.options), built.program, built.cluster, built.options)
    return {variant.hypotheses for variant in found}


def test_every_walk_is_crossed_with_every_sharing_and_the_rest_stands_alone() -> None:
    found = hypotheses(GB200, FabricOptions())
    assert found[0] == AS_CONFIGURED
    crossed = {f"{walk}; {sharing}" for walk in WALKS for sharing in SHARINGS}
    assert names(found) == {"as configured", *crossed, *SINGLY}
    assert len(found) == 1 + len(WALKS) * len(SHARINGS) + len(SINGLY)


def test_what_was_measured_is_not_questioned() -> None:
    walked = with_provenance(GB200, "measured", "in_flight_sources", "refill")
    assert names(hypotheses(walked, FabricOptions())) == {"as configured", *SHARINGS, *SINGLY}
    shared = FabricOptions(measured=("sharing",))
    assert names(hypotheses(walked, shared)) == {"as configured"} | SINGLY
    lossless = with_provenance(walked, "measured", *INCAST, *BOTH_WAYS)
    assert hypotheses(lossless, shared) == [AS_CONFIGURED]


def test_a_hypothesis_changes_what_it_names_and_nothing_else() -> None:
    hypothesis = Hypothesis("any three", constants=places(3, "any"), options=(("incast", "off"),))
    cluster, options = hypothesis.machine(GB200, FabricOptions())
    assert (cluster.value("in_flight_sources"), cluster.value("refill"), options.incast) == (3, "any", "off")
    same = {name for name in GB200.constants if cluster.constants[name] == GB200.constants[name]}
    assert set(GB200.constants) - same == {"in_flight_sources", "refill"}
    assert AS_CONFIGURED.machine(GB200, FabricOptions()) == (GB200, FabricOptions())


def test_the_ends_of_an_interval_are_taken_kind_by_kind() -> None:
    low = next(h for h in hypotheses(GB200, FabricOptions()) if h.name == "most lost both ways")
    cluster, _ = low.machine(GB200, FabricOptions())
    interval = GB200.constants["both_ways_egress"].interval
    assert cluster.by_kind("both_ways_egress") == {kind: interval[kind][0] for kind in ("pull", "push")}


def test_default_copies_tell_sharing_and_losses_apart_but_no_walk() -> None:
    groups = told_apart(job("strategy=default"))
    assert any({f"{walk}; fair" for walk in WALKS} <= set(group) for group in groups)
    assert {group[0] for group in groups} == {"as configured"} | SINGLY


def test_two_ranks_tell_losses_both_ways_apart_and_nothing_else() -> None:
    groups = told_apart(job("dwdp.dwdp_size=2"))
    assert {group[0] for group in groups} >= {"as configured", "most lost both ways", "least lost both ways"}
    assert not any(group[0].startswith(tuple(WALKS)) for group in groups)


def test_a_batch_over_three_sources_tells_every_walk_apart() -> None:
    groups = told_apart(job())
    assert len(groups) == 1 + (len(WALKS) * len(SHARINGS) - 2) + len(SINGLY)  # one source, equal, is one source, fair
    assert ("as configured", "2 sources, oldest; fair") in groups


def test_of_hypotheses_that_no_program_tells_apart_the_first_is_kept() -> None:
    built = job("strategy=default")
    kept = distinct(hypotheses(GB200, FabricOptions()), [built.program], GB200, FabricOptions())
    assert names(kept) == {"as configured"} | SINGLY
    both = distinct(hypotheses(GB200, FabricOptions()), [built.program, job().program], GB200, FabricOptions())
    assert len(both) == len(told_apart(job()))


def test_all_sources_have_no_limit_and_bytes_may_be_written_as_sizes() -> None:
    assert job("cluster.constants.in_flight_sources.value=all").constants.in_flight_sources == NO_LIMIT
    walk = ("cluster.constants.refill.value=bytes", "cluster.constants.in_flight_bytes.value=256KiB")
    assert job(*walk).constants.in_flight_bytes == 256 * 1024
    named, _ = Hypothesis("", constants=byte_window(2**20)).machine(GB200, FabricOptions())
    assert named.value("in_flight_bytes") == 2**20


def test_the_artefact_taken_as_a_loss_and_what_public_figures_exclude_stand_in_no_range() -> None:
    cluster, _ = ARTEFACT_AS_LOSS.machine(GB200, FabricOptions())
    assert cluster.by_kind("incast_factor_3") == {"pull": 0.858, "push": 0.858}
    assert [h.machine(GB200, FabricOptions())[1] for h in EXCLUDED] == [
        FabricOptions(sharing="fifo"),
        FabricOptions(batch_order="random"),
    ]
    assert not {ARTEFACT_AS_LOSS, *EXCLUDED} & set(hypotheses(GB200, FabricOptions()))


def test_strategies_of_single_copies_forget_how_batches_are_walked() -> None:
    hypothesis = Hypothesis("x", constants=places(1), options=(("sharing", "equal"), ("incast", "off")))
    assert without_walk(hypothesis) == Hypothesis("x", options=(("incast", "off"),))


def test_draws_are_for_machines_with_fitted_constants() -> None:
    drawn = samples(H200, 3, ["egress_bytes_per_s"])
    assert [hypothesis.sample for hypothesis in drawn] == [0, 1, 2]
    assert samples(H200, 3, ["refill"]) == []  # has no interval
    assert samples(GB200, 3, ["incast_factor_2"]) == []  # has one, but from no fit


def test_a_value_set_by_hand_outside_its_interval_is_not_drawn_from_it() -> None:
    machine = H200.with_values({"issue_slice_s": 5e-6, "peer_gap_s": [[65536, 2e-5], [2097152, 3.7e-6]]})
    values = [one.machine(machine, FabricOptions())[0] for one in samples(machine, 3, ["issue_slice_s"])]
    assert {one.number("issue_slice_s") for one in values} == {5e-6}
    tables = [one.value("peer_gap_s") for one in values]
    assert {table[0][1] for table in tables} == {2e-5}
    assert len({table[1][1] for table in tables}) == 3  # lies in its interval


def test_a_value_of_another_shape_than_its_interval_is_not_drawn_from_it() -> None:
    rates, both, table = {"ipc": 3.97e11, "vmm_fd": 2e11}, 0.95, [[65536, 3e-6]]
    machine = H200.with_values({"pair_bytes_per_s": rates, "both_ways_egress": both, "peer_fixed_s": table})
    for one in samples(machine, 3, ["issue_slice_s"]):
        drawn = one.machine(machine, FabricOptions())[0].constants
        assert drawn["pair_bytes_per_s"].value == rates
        assert drawn["both_ways_egress"].value == both
        assert drawn["peer_fixed_s"].value == table


@pytest.mark.parametrize("sample", range(5))
def test_a_draw_lies_in_its_interval_and_constants_fitted_as_one_stay_equal(sample: int) -> None:
    drawn, _ = Hypothesis("", sample=sample).machine(H200, FabricOptions(), 7)
    low, high = H200.constants["egress_bytes_per_s"].interval
    assert low <= drawn.rate("egress_bytes_per_s") == drawn.rate("ingress_bytes_per_s") <= high
    low, high = H200.constants["both_ways_egress"].interval["pull"]
    assert low <= drawn.by_kind("both_ways_egress")["pull"] <= high
    assert drawn.by_kind("both_ways_egress")["push"] == H200.by_kind("both_ways_egress")["push"]
    for (size, gap_s), (low, high) in zip(
        drawn.gap_table("peer_gap_s"), H200.constants["peer_gap_s"].interval.values(), strict=True
    ):
        assert low <= gap_s <= high, size
    again, _ = Hypothesis("", sample=sample).machine(H200, FabricOptions(), 7)
    other, _ = Hypothesis("", sample=sample).machine(H200, FabricOptions(), 8)
    assert again == drawn != other
