"""What would change the answer, in one line: every clause follows from what was simulated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.advice.advice import Advice
from dwdp_sim.advice.break_even import BreakEven
from dwdp_sim.advice.candidates import Candidate, changes
from dwdp_sim.advice.findings import Findings, Row
from dwdp_sim.advice.placements import PlacementRow
from dwdp_sim.advice.search import ALIKE, choose
from dwdp_sim.advice.sensitivity import HostRow
from dwdp_sim.advice.state_words import in_words
from dwdp_sim.advice.turns import states_against, what_would_change
from dwdp_sim.advice.window_ratio import Load
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis, hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import small_job

DEFAULT, BATCHED = (Candidate(Strategy(STRATEGIES[name])) for name in ("default", "batched"))
ONE, ALL, SLOW = (
    Hypothesis(name) for name in ("1 source; fair", "all sources; fair", "slowest kernels; 1 source; fair")
)
OWN = PlacementRow(Placement.create(256, 4), 10**11, True, 10**9, None)
ONE_SOURCE = "an engine keeps one source of a batch in flight"


def advice(
    batched: dict[Hypothesis, float],
    *,
    current: Candidate = DEFAULT,
    ends: dict[Hypothesis, float | None] | None = None,
    costs: float = 0.0,
    ratio: float = 1.0,
    missing: bool = False,
) -> Advice:
    """An advice whose batched copies gain this much over the default ones; the choice follows the search's own rule."""
    other = {state: 1.0 / (1.0 + gain) - 1.0 for state, gain in batched.items()}
    gains = {DEFAULT: dict.fromkeys(batched, 0.0), BATCHED: batched}
    if current == BATCHED:
        gains = {BATCHED: dict.fromkeys(batched, 0.0), DEFAULT: other}
    rows = [
        Row(c, Estimate(1.0, 0.0, 5), Estimate(by[AS_CONFIGURED], 0.0, 5), by, tuple(changes(c, current)))
        for c, by in gains.items()
    ]
    findings = Findings(
        rows, choose(rows), choose(rows), [], list(batched), 58, 58, missing=("steps",) if missing else ()
    )
    gain = Estimate(0.1, 0.0, 5)
    turning = [
        BreakEven(state, (0.5, 4.0), (gain, gain), None if end is None else 0.5, end, costs)
        for state, end in (ends or {}).items()
    ]
    return Advice(Load(ratio, 0.5, 1.0, 0.1), findings, BATCHED, {}, OWN, 1.0, turning if ends else None)


def said(found: Advice) -> str:
    return what_would_change(found, hides_host=True)


def test_a_hypothesis_under_which_the_same_rule_chooses_otherwise_is_named_in_plain_words() -> None:
    assert said(advice({AS_CONFIGURED: 0.25, ONE: 0.002, ALL: 0.4})) == f"It would change if {ONE_SOURCE}."
    assert said(advice({AS_CONFIGURED: 0.25, ONE: 0.1})) == (
        "None of 2 hypotheses would change it, not even the 2 that came out extreme."
    )
    assert (
        said(advice({AS_CONFIGURED: 0.25}, missing=True)) == "Nothing that has been looked at so far would change it."
    )


def test_what_adds_something_to_a_hypothesis_that_is_enough_alone_is_not_named_too() -> None:
    found = advice({AS_CONFIGURED: 0.25, SLOW: 0.0}, ends={AS_CONFIGURED: 3.7, ONE: None}, ratio=1.7)
    assert said(found) == (
        f"It would change if {ONE_SOURCE}, "
        "or if compute were longer than 3.7 × the uncontended prefetch (yours: 1.7 ×)."
    )


def test_a_state_that_gains_nothing_over_few_layers_is_not_named_where_the_worst_in_full_gains() -> None:
    found = advice({AS_CONFIGURED: 0.25, SLOW: 0.01}, ends={AS_CONFIGURED: math.inf, ONE: None})
    assert said(found).startswith("None of 2 hypotheses would change it")


def test_where_batching_makes_no_difference_shorter_compute_would_change_that_if_it_costs_nothing() -> None:
    nothing = {AS_CONFIGURED: 0.0, ONE: 0.0}
    ends = {AS_CONFIGURED: 3.0, ONE: None}
    assert said(advice(nothing, ends=ends, ratio=7.0)) == (
        "It would change if compute were shorter than 3 × the uncontended prefetch (yours: 7 ×)."
    )
    assert "compute" not in said(advice(nothing, ends=ends, ratio=7.0, costs=0.02))
    assert "compute" not in said(advice(nothing, ends={AS_CONFIGURED: math.inf}, ratio=7.0))


def test_longer_compute_does_not_change_what_runs_already() -> None:
    found = advice({AS_CONFIGURED: 0.25, ONE: 0.1}, current=BATCHED, ends={AS_CONFIGURED: 3.0}, ratio=1.0)
    assert said(found).startswith("None of 2 hypotheses")


def test_a_host_that_does_not_run_ahead_is_named_with_the_least_cost_of_a_slice_at_which_batching_loses() -> None:
    ahead = Estimate(0.2, 0.01, 3)
    behind = ((0.5e-6, 0.1), (1.1e-6, -0.1), (3.3e-6, -0.4))
    host = [HostRow(2**21, cost, 1e-3, ahead, Estimate(gain, 0.01, 3)) for cost, gain in behind]
    found = replace(advice({AS_CONFIGURED: 0.25}), host=host)
    assert said(found) == "It would change if the host did not run ahead and a slice cost it 1.1 µs."
    assert "host" not in what_would_change(found, hides_host=False)


def test_an_engine_that_offers_no_batches_is_told_when_they_would_pay() -> None:
    current, batched = (Candidate(Strategy(STRATEGIES[name], "sglang")) for name in ("default", "batched"))
    rows = [
        Row(c, Estimate(1.0, 0.0, 5), Estimate(gain, 0.0, 5), {AS_CONFIGURED: gain}, tuple(changes(c, current)))
        for c, gain in ((current, 0.0), (batched, 0.2))
    ]
    base = advice({AS_CONFIGURED: 0.2}, ends={AS_CONFIGURED: 2.5})
    found = replace(base, findings=replace(base.findings, rows=rows, today=rows[0]))
    assert (
        said(found) == "A batched path pays while compute is shorter than 2.5 × the uncontended prefetch (yours: 1 ×)."
    )


@settings(max_examples=100, derandomize=True, deadline=None)
@given(gains=st.lists(st.floats(-0.3, 1.0), min_size=1, max_size=6))
def test_a_state_is_against_the_choice_exactly_if_the_rule_would_choose_the_other(
    gains: Sequence[float],
) -> None:
    states = [AS_CONFIGURED, *(Hypothesis(str(number)) for number in range(1, len(gains)))]
    found = advice(dict(zip(states, gains, strict=True))).findings
    against = set(states_against(found))
    for state, gain in zip(states, gains, strict=True):
        if abs(gain - ALIKE) > 1e-9:
            assert (state in against) == ((gain > ALIKE) != (found.today.candidate == BATCHED)), (state, gain)


def test_every_hypothesis_about_a_machine_has_words() -> None:
    job = small_job()[1]
    for state in hypotheses(job.cluster, FabricOptions()):
        assert "“" not in in_words(state), state.name
    assert in_words(SLOW) == f"the slowest kernels run and {ONE_SOURCE}"
    assert in_words(Hypothesis("mine")) == "“mine” holds"


@pytest.mark.parametrize("current", [DEFAULT, BATCHED])
def test_the_line_is_one_sentence(current: Candidate) -> None:
    line = said(advice({AS_CONFIGURED: 0.25, ONE: -0.1, ALL: -0.2, SLOW: -0.3}, current=current))
    assert line.count(".") == 1
    assert line.endswith(".")
