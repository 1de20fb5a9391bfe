"""The verdict: each outcome of a search in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dwdp_sim.advice.break_even import BreakEven
from dwdp_sim.advice.candidates import Candidate, changes
from dwdp_sim.advice.findings import Findings, Row
from dwdp_sim.advice.placements import PlacementRow
from dwdp_sim.advice.verdict import break_even_lines, verdict
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, WALKS, Hypothesis
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

FITS = PlacementRow(Placement.create(256, 4), 10**11, True, 10**9, None)
ONE = Hypothesis("1 source", constants=WALKS["1 source"])
DEFAULT, BATCHED = (Candidate(Strategy(STRATEGIES[name]), False) for name in ("default", "batched"))


def row(candidate: Candidate, gain: float, half_width: float, in_one: float, current: Candidate = DEFAULT) -> Row:
    estimate = Estimate(0.1 / (1 + gain), 0.0, 5)
    gains = {AS_CONFIGURED: gain, ONE: in_one}
    return Row(candidate, estimate, Estimate(gain, half_width, 5), gains, tuple(changes(candidate, current)))


def said(rows: Sequence[Row], today: int, best: int, layers: int = 58) -> list[str]:
    return verdict(Findings(list(rows), rows[today], rows[best], [], [AS_CONFIGURED, ONE], layers, 58), FITS)


def test_a_real_gain_is_told_with_its_interval_its_range_and_its_worst_case() -> None:
    rows = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.25, 0.02, -0.012)]
    assert said(rows, 1, 1) == [
        "Take contention_opt: true: a forward step takes 80 ms instead of 100 ms, +25.0 ± 2.0 % tokens a second, "
        "-1.2 to +25.0 % over what is not known.",
        "At worst, with 1 source, it costs 1.2 %: nobody has measured that.",
    ]
    rows[1] = row(BATCHED, 0.25, 0.02, 0.001)
    assert said(rows, 1, 1)[1] == "At worst, with 1 source, it gains nothing: nobody has measured that."
    rows[1] = row(BATCHED, 0.25, 0.02, 0.2)
    assert len(said(rows, 1, 1)) == 1


def test_a_comparison_of_fewer_layers_is_not_called_a_forward_step() -> None:
    rows = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.25, 0.02, 0.2)]
    (found,) = said(rows, 1, 1, layers=27)
    assert found.startswith(
        "Take contention_opt: true: 27 of a forward step's 58 MoE layers take 80 ms instead of 100 ms"
    )


def test_what_makes_no_difference_stays_and_what_would_cost_is_named() -> None:
    alike = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.003, 0.01, 0.0)]
    assert said(alike, 0, 0) == ["Stay with contention_opt: false: for this load and machine it makes no difference."]
    worse = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, -0.09, 0.01, -0.1)]
    assert said(worse, 0, 0) == ["Stay with contention_opt: false: batched 2 MiB would give -9.0 ± 1.0 %."]
    unsure = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.01, 0.02, 0.3)]
    assert said(unsure, 1, 1)[0].startswith("Take contention_opt: true, though as configured it makes no difference")


def test_what_does_not_fit_is_said_first() -> None:
    rows = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.0, 0.0, 0.0)]
    found = Findings(rows, rows[0], rows[0], [], [AS_CONFIGURED], 58, 58)
    first, _ = verdict(found, replace(FITS, memory_bytes=2 * 10**11, fits=False))
    assert first == "This does NOT fit: experts and slots alone take 200 GB of each GPU."


def test_a_changed_engine_is_named_only_where_it_gives_more() -> None:
    paced = Candidate(Strategy(STRATEGIES["batched_per_round"], barrier="group", slice_bytes=None), False)
    rows = [row(DEFAULT, 0.0, 0.0, 0.0), row(BATCHED, 0.25, 0.02, 0.2), row(paced, 0.5, 0.02, 0.4)]
    assert said(rows, 1, 2)[1] == (
        "With a changed engine (one batch for each peer, a barrier of the group), paced_rounds whole pulls takes "
        "66.67 ms (+40.0 to +50.0 % over the same)."
    )
    rows[2] = row(paced, 0.254, 0.02, 0.25)
    assert len(said(rows, 1, 2)) == 1


def test_sglang_is_told_what_a_batched_path_would_give() -> None:
    current = Candidate(Strategy(STRATEGIES["default"], "sglang"), False)
    batched = Candidate(Strategy(STRATEGIES["batched"], "sglang"), False)
    rows = [row(current, 0.0, 0.0, 0.0, current), row(batched, 0.1, 0.01, 0.0, current)]
    assert said(rows, 0, 0) == [
        "Nothing to choose today: sglang offers its default copies only. A batched path would give +10.0 ± 1.0 % "
        "tokens a second (+0.0 to +10.0 % over what is not known)."
    ]


def test_where_it_turns_is_told_for_each_state() -> None:
    gains = Estimate(0.3, 0.1, 5), Estimate(0.001, 0.1, 5)
    spans = ((0.5, 1.7, 0.0), (None, None, 0.02), (0.5, math.inf, 0.0), (1.25, 1.7, 0.0), (1.25, 1.2503, 0.0))
    spans += ((1.25, math.inf, 0.0),)
    break_evens = [BreakEven(AS_CONFIGURED, (0.5, 4.0), gains, begin, end, cost) for begin, end, cost in spans]
    where = "as configured: batching pays while a layer's window is"
    assert break_even_lines(break_evens) == [
        f"{where} below 1.70 × its uncontended prefetch, at most +30.0 %",
        "as configured: batching gains nothing at any length of compute, and costs up to 2.0 % elsewhere",
        f"{where} anything up to 4 × its uncontended prefetch, at most +30.0 %",
        f"{where} above 1.25 and below 1.70 × its uncontended prefetch, at most +30.0 %",
        f"{where} about 1.25 × its uncontended prefetch, at most +30.0 %",
        f"{where} above 1.25 × its uncontended prefetch, at most +30.0 %",
        "its gain by window ÷ uncontended prefetch, as configured: 0.5: +30 %, 4: +0 %",
    ]
