"""Candidates: what an engine offers needs no change, and what it does not is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.advice.candidates import SLICES, Candidate, candidates, changes, offered
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

MIB = 2**20


def default(implementation: str = "trtllm_ipc") -> Candidate:
    return Candidate(Strategy(STRATEGIES["default"], implementation), False)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_candidate_comes_once_the_user_s_own_first(implementation: str) -> None:
    current = default(implementation)
    every = candidates(current)
    assert every[0] == current
    assert len(set(every)) == len(every) == 2 + 4 * len(SLICES)
    assert {c.strategy.implementation for c in every} == {implementation}
    assert len({c.label for c in every}) == len(every)


def test_a_slice_that_the_user_has_is_compared_too() -> None:
    current = Candidate(Strategy(STRATEGIES["batched"], slice_bytes=3 * MIB), True)
    assert {c.strategy.slice_bytes for c in candidates(current) if c.kind == "waves"} == {*SLICES, 3 * MIB}
    assert changes(current, current) == []


def test_what_a_strategy_does_not_read_makes_no_candidate_of_its_own() -> None:
    assert Candidate(Strategy(STRATEGIES["default"], slice_bytes=MIB, barrier="group"), False) == default()


@pytest.mark.parametrize(
    ("implementation", "choices"),
    [
        ("trtllm_ipc", ["default", "batched 2 MiB"]),
        ("trtllm_vmm", ["default", "batched 2 MiB"]),
        ("sglang", ["default"]),
    ],
)
def test_what_an_engine_offers_needs_no_change(implementation: str, choices: list[str]) -> None:
    current = default(implementation)
    assert [c.label for c in offered(current)] == choices
    assert [c.label for c in candidates(current) if not changes(c, current)] == choices


def test_what_no_engine_offers_is_named() -> None:
    current, batched = default(), Candidate(Strategy(STRATEGIES["batched"]), False)
    larger = Candidate(replace(batched.strategy, slice_bytes=8 * MIB))
    paced = Candidate(Strategy(STRATEGIES["batched_per_round"], barrier="group"))
    assert changes(larger, current) == ["the slice size"]
    assert changes(Candidate(batched.strategy, True), current) == ["prefetch over the step boundary"]
    assert changes(paced, current) == ["one batch for each peer", "a barrier of the group"]
    assert changes(Candidate(Strategy(STRATEGIES["ring"], slice_bytes=None)), current) == ["the order of peers"]
    in_sglang = Candidate(replace(batched.strategy, implementation="sglang"))
    assert changes(in_sglang, default("sglang")) == ["a batched path"]
    assert paced.label == "paced_rounds 2 MiB"
    assert Candidate(replace(batched.strategy, slice_bytes=None), True).label == "batched whole pulls + carry-over"
