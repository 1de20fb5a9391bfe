"""Where a gain ends as compute gets longer, against arithmetic."""

from __future__ import annotations

import math

import pytest

from dwdp_sim.advice.break_even import RATIOS, BreakEven, find_break_evens
from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.gain_map import map_gain
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.advice.trials import Trials
from dwdp_sim.advice.window_ratio import Load, measure_load
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import free, small_baseline

HAVE = Candidate(Strategy(STRATEGIES["default"]), False)
LAYER_S = 8 * 6_635_528 / 1e9  # two ranks, 1 GB/s


def turn(baseline: Baseline, of: Candidate, over: Candidate) -> BreakEven:
    load = measure_load(baseline, HAVE.strategy, (0, 1))
    (found,) = find_break_evens(Trials(baseline, None), of, over, load, [AS_CONFIGURED], 8, (0, 1))
    return found


def test_the_load_is_the_window_over_the_bytes_on_the_busiest_link() -> None:
    load = measure_load(small_baseline(**free(), compute__before_share=0.25), HAVE.strategy, (0, 1))
    assert load == Load(pytest.approx(1e-4), pytest.approx(0.25), pytest.approx(LAYER_S), pytest.approx(0.0))
    assert load.ratio == pytest.approx(1e-4 / LAYER_S)
    unequal = measure_load(small_baseline(compute__variation=0.2), HAVE.strategy, range(200))
    assert unequal.cv == pytest.approx(0.2, rel=0.1)


def test_the_gain_ends_where_the_slower_prefetch_is_hidden_too() -> None:
    # Gaps of 0.1 · LAYER_S: single copies take 1.6 × the bytes' time (6 gaps), a batch 1.1 × (one). Below 1.1 both
    # bind; from 1.6 on both are hidden but for the first layers of a step, where the default waits a little longer.
    default, batched = pair(HAVE)
    layers = {"model__num_moe_layers": 8, "model__num_layers": 9}
    found = turn(small_baseline(**free(peer_gap_s=[[1, 0.1 * LAYER_S]]), **layers), batched, default)
    first = found.gains[0]
    assert first.mean == pytest.approx(0.5 / 1.1, rel=0.05)
    assert found.begins_at == RATIOS[0]
    assert found.ends_at is not None
    assert found.ends_at >= 1.5
    assert found.costs == 0.0


def test_where_nothing_is_gained_or_all_is_it_says_so() -> None:
    baseline = small_baseline(**free())
    default, batched = pair(HAVE)
    same = turn(baseline, default, default)
    assert same.begins_at is same.ends_at is None
    assert {gain.mean for gain in same.gains} == {0.0}
    # A host that cannot run ahead and needs a second for each single copy: batching pays however long compute is.
    slow = small_baseline(**free(issue_async_s=1.0), issue_mode="as_issued", workload__ahead=False)
    assert turn(slow, batched, default).ends_at == math.inf
    lost = turn(slow, default, batched)
    assert lost.ends_at is None
    assert lost.costs > 0.5


def test_a_map_has_the_gains_of_its_places() -> None:
    baseline = small_baseline(**free(peer_gap_s=[[1, 0.1 * LAYER_S]]))
    load = measure_load(baseline, HAVE.strategy, (0, 1))
    places = [(0.1, 0.0), (3.0, 0.0), (3.0, 0.3)]
    points = map_gain(Trials(baseline, None), HAVE, load, places, [AS_CONFIGURED], 3, (0, 1))
    assert [(p.ratio, p.cv) for p in points] == places
    assert points[0].gains[AS_CONFIGURED].mean > 0.3 > points[1].gains[AS_CONFIGURED].mean
    assert len(RATIOS) == 9
