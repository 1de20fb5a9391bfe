"""Placements: bytes by hand, what fits, and what fewer pulled experts give."""

from __future__ import annotations

import pytest

from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.placements import compare_placements
from dwdp_sim.advice.trials import Trials
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import free, small_baseline

EXPERT = 6_635_528
HAVE = Candidate(Strategy(STRATEGIES["default"]), False)


def test_fewer_pulled_experts_take_more_memory_and_shorten_a_step_that_copies_bound() -> None:
    # E = 16, N = 2: P = 8, 6, 4, 2 and L = 16 − P; three layers of L experts and two slots of P.
    baseline = small_baseline(**free())
    rows = compare_placements(Trials(baseline, None), baseline.cluster, HAVE, 3, (0, 1))
    assert [(r.placement.num_experts_per_worker, r.placement.num_prefetch_experts) for r in rows] == [
        (8, 8), (10, 6), (12, 4), (14, 2),
    ]  # fmt: skip
    assert [r.memory_bytes for r in rows] == [EXPERT * (3 * (16 - p) + 2 * p) for p in (8, 6, 4, 2)]
    assert [r.pulled_bytes for r in rows] == [EXPERT * p for p in (8, 6, 4, 2)]
    gains = [r.gain.mean for r in rows if r.gain is not None]
    assert gains[0] == 0.0
    assert gains[2] == pytest.approx(1.0, rel=0.02)  # half the bytes, half the step


def test_what_does_not_fit_is_not_simulated() -> None:
    room = EXPERT * (3 * 10 + 2 * 6)
    baseline = small_baseline(cluster__constants__gpu_memory_bytes__value=room)
    rows = compare_placements(Trials(baseline, None), baseline.cluster, HAVE, 3, (0, 1))
    assert [r.fits for r in rows] == [True, True, False, False]
    assert [r.gain is None for r in rows] == [False, False, True, True]


def test_an_engine_without_overlap_has_one_placement() -> None:
    baseline = small_baseline(strategy__implementation="sglang")
    rows = compare_placements(
        Trials(baseline, None),
        baseline.cluster,
        Candidate(Strategy(STRATEGIES["default"], "sglang"), False),
        3,
        (0, 1),
    )
    assert len(rows) == 1
