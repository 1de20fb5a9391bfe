"""Twins: the same bytes, the real number of copies and calls, and steps that take as long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.advice.trial import Trial
from dwdp_sim.fabric.hypotheses import WALKS, Hypothesis
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.program import program_from_plan
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import SLICES_A_PULL, coarse_constants, make_coarse_plan
from tests.dwdp_sim import programs as builders
from tests.dwdp_sim.advice.bases import iteration_s, small_baseline

MODEL = MoEModel("small", 256, 128, 24, 1, 1, 1, "nvfp4")
CUT = [Strategy(STRATEGIES["batched"]), Strategy(STRATEGIES["batched_per_round"]), Strategy(STRATEGIES["waves"])]
RULES = [Hypothesis(name, constants=settings) for name, settings in WALKS.items()]


@given(
    strategy=st.builds(
        Strategy,
        kind=st.sampled_from(list(STRATEGIES.values())),
        implementation=st.sampled_from(sorted(IMPLEMENTATIONS)),
        slice_bytes=st.one_of(st.none(), st.integers(100, 100_000)),
        wave_copies=st.integers(1, 9),
        call_rounds=st.integers(1, 3),
    ),
    ranks=st.sampled_from([2, 3, 4]),
    slices=st.integers(1, 40),
)
@settings(max_examples=60)
def test_a_twin_moves_the_same_bytes_and_knows_the_real_copies_and_calls(
    strategy: Strategy, ranks: int, slices: int
) -> None:
    placement = Placement.create(24, ranks)
    coarse = make_coarse_plan(MODEL, placement, strategy, slices)
    real, simulated = (build_plan(MODEL, placement, one) for one in (strategy, coarse.strategy))
    assert real.bytes_per_rank() == simulated.bytes_per_rank()
    assert (coarse.copies, coarse.calls) == (len(real.copy_bytes), len(real.call_rank))
    assert coarse.simulated == len(simulated.copy_bytes) <= coarse.copies
    assert coarse.copies_scale == pytest.approx(coarse.copies / len(simulated.copy_bytes))
    assert coarse.calls_scale == pytest.approx(coarse.calls / len(simulated.call_rank))


def test_only_small_slices_are_made_larger() -> None:
    # 8 experts a peer: the largest pull, w3_w1, is 8 · 2·1536·1280 = 31.5 MB: 32 slices of it are just below 1 MiB.
    model, placement = small_baseline().model, small_baseline().placement
    sizes = {
        size: make_coarse_plan(
            model, placement, Strategy(STRATEGIES["batched"], slice_bytes=size), 32
        ).strategy.slice_bytes
        for size in (2**16, 2**19, 2**20, 2**23, None)
    }
    assert sizes == {2**16: 2**19, 2**19: 2**19, 2**20: 2**20, 2**23: 2**23, None: None}
    assert make_coarse_plan(model, placement, Strategy(STRATEGIES["default"], slice_bytes=None)).copies_scale == 1.0


@pytest.mark.parametrize("strategy", CUT)
def test_a_twin_costs_the_host_what_the_real_one_does(strategy: Strategy) -> None:
    placement = Placement.create(24, 3)
    small = replace(strategy, slice_bytes=256)
    coarse = make_coarse_plan(MODEL, placement, small, 4)
    assert coarse.copies_scale > 2
    program = program_from_plan(build_plan(MODEL, placement, coarse.strategy), issue_mode="as_issued")
    constants = coarse_constants(
        builders.constants(program, issue_batch_s=3.0, issue_slice_s=0.5, peer_gap_s=[[1, 0.25]]), coarse
    )
    assert (program.call_issue == BATCH).all()
    calls, copies = len(program.call_issue), len(program.copy_bytes)
    host_s = calls * constants.issue_batch_s + copies * constants.issue_slice_s
    assert host_s == pytest.approx(3.0 * coarse.calls + 0.5 * coarse.copies)
    assert calls * constants.timing["peer"].gap(1) == pytest.approx(0.25 * coarse.calls)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_step_of_a_twin_takes_as_long_as_one_of_the_real_slices_within_two_percent(rule: Hypothesis) -> None:
    # Four ranks at random phases: 64 KiB slices, 240 a pull, against 60 of 256 KiB.
    baseline = small_baseline(dwdp__dwdp_size=4, model__num_experts=16, compute__window_s=3e-5, compute__variation=0.1)
    trial = Trial(Strategy(STRATEGIES["batched"], slice_bytes=2**16), state=rule)
    fine, coarse = (replace(trial, slices=count) for count in (10**9, SLICES_A_PULL))
    times = np.array([[iteration_s(baseline, one, seed) for seed in (0, 1, 2)] for one in (fine, coarse)])
    assert baseline.coarse(coarse).copies_scale > 3
    assert times[1].mean() == pytest.approx(times[0].mean(), rel=0.02)
