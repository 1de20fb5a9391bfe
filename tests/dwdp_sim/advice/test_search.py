"""The search: the least worst regret wins, equals stay as they are, and answers known from arithmetic are found."""

from __future__ import annotations

import pytest

from dwdp_sim.advice.candidates import Candidate, candidates, changes
from dwdp_sim.advice.findings import Effort, Findings, Row
from dwdp_sim.advice.search import choose, search
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.advice.trials import Trials
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, WALKS, Hypothesis
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import free, small_baseline

ONE, THREE = (Hypothesis(name, constants=WALKS[name]) for name in ("1 source", "3 sources, any"))
DEFAULT = Candidate(Strategy(STRATEGIES["default"]), False)
EFFORT = Effort(2, (0, 1), 10**6)


def row(name: str, *gains: float) -> Row:
    candidate = Candidate(Strategy(STRATEGIES[name]), False)
    by_state = dict(zip((AS_CONFIGURED, ONE, THREE), gains, strict=True))
    return Row(candidate, Estimate(1.0, 0.0, 2), Estimate(gains[0], 0.0, 2), by_state, ())


def outcome(baseline: Baseline, effort: Effort) -> Findings:
    *_, last = search(Trials(baseline, None), DEFAULT, [AS_CONFIGURED], effort)
    return last


def find(**values: object) -> Findings:
    baseline = small_baseline(**values)
    return outcome(baseline, EFFORT)


def test_the_row_that_is_never_far_from_the_best_is_chosen() -> None:
    # Batched loses 1 % in one state and wins 40 % in another; the default then loses 40 %.
    rows = [row("default", 0.0, 0.0, 0.0), row("batched", 0.2, -0.01, 0.4), row("ring", 0.3, -0.2, 0.1)]
    assert choose(rows) is rows[1]


def test_of_rows_that_are_alike_the_first_is_chosen() -> None:
    rows = [row("default", 0.0, 0.0, 0.0), row("batched", 0.004, 0.0, 0.003)]
    assert choose(rows) is rows[0]


def test_where_compute_hides_every_copy_nothing_differs() -> None:
    found = find(compute__window_s=0.1)
    assert found.today is found.best is found.rows[0]
    assert [r.candidate.label for r in found.rows] == ["default", "batched 2 MiB"]
    assert found.rows[1].gain == Estimate(0.0, 0.0, 2)
    assert not found.rows[1].gain.excludes_zero


@pytest.fixture(scope="module")
def with_gaps() -> Findings:
    """Two ranks, links of 1 GB/s, and a gap of 10 ms before every single copy and every batch."""
    return find(**free(peer_gap_s=[[1, 0.01]]))


def test_where_gaps_count_batching_saves_them_and_only_them(with_gaps: Findings) -> None:
    # 53.1 MB a layer take 53.1 ms; windows of 0.1 ms hide nothing. A step of three layers has a gap before each of 3
    # batches, or before each of 18 single copies, and ends with its last window.
    default, batched = with_gaps.rows[0], with_gaps.rows[1]
    layer_s = 8 * 6_635_528 / 1e9
    assert batched.iteration.mean == pytest.approx(3 * layer_s + 3 * 0.01 + 1e-4, rel=2e-3)
    assert default.iteration.mean == pytest.approx(3 * layer_s + 18 * 0.01 + 1e-4, rel=2e-3)
    assert with_gaps.today is batched
    assert batched.gain.excludes_zero
    assert batched.gain.mean == pytest.approx(default.iteration.mean / batched.iteration.mean - 1.0)


def test_what_is_chosen_for_today_needs_no_change_and_every_candidate_was_screened(with_gaps: Findings) -> None:
    assert changes(with_gaps.today.candidate, DEFAULT) == []
    every = {s.candidate for s in with_gaps.screened}
    assert every >= set(candidates(DEFAULT))
    assert {c.kind for c in every if c.carry_over} == {c.kind for c in every}
    assert {s.candidate for s in with_gaps.screened if s.final} >= {r.candidate for r in with_gaps.rows}
    assert with_gaps.layers == 3


def test_the_final_comparison_takes_as_many_layers_as_it_may_copy() -> None:
    baseline = small_baseline(model__num_moe_layers=9, model__num_layers=10)
    found = outcome(baseline, Effort(2, (0, 1), 2_500))
    assert 2 <= found.layers < 9
