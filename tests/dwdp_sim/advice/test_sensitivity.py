"""The host's cost: what a layer costs, and where it makes batching slower than the default copies."""

from __future__ import annotations

import pytest

from dwdp_sim.advice.candidates import SLICES, Candidate
from dwdp_sim.advice.sensitivity import SLICE_COSTS_S, compare_sizes, host_cost, sweep_host_cost
from dwdp_sim.advice.trials import Trials
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import free, small_baseline

DEFAULT = Strategy(STRATEGIES["default"], slice_bytes=None)
MIB = 2**20
R1 = {"model__hidden_size": 7168, "model__intermediate_size": 2048}


def runner(**values: object) -> Trials:
    return Trials(small_baseline(**values), None)


def test_a_batch_costs_its_call_and_its_slices_and_single_copies_a_call_each() -> None:
    # DeepSeek-R1, N = 4: 2274 slices of 2 MiB in one call, or 18 single copies, for each rank.
    r1 = Trials(small_baseline(dwdp__dwdp_size=4, model__num_experts=256, **R1), None)
    gb200 = read_cluster("gb200_nvl72")
    batched = host_cost(r1, gb200, Candidate(Strategy(STRATEGIES["batched"]), False))
    assert (batched.copies, batched.calls) == (2274, 1)
    call_s, slice_s, single_s = (gb200.number(f"issue_{part}_s") for part in ("batch", "slice", "async"))
    assert batched.seconds == pytest.approx(call_s + 2274 * slice_s)
    slow = host_cost(r1, gb200, Candidate(Strategy(STRATEGIES["batched"]), False), 3.3e-6)
    assert slow.seconds == pytest.approx(call_s + 2274 * 3.3e-6)
    single = host_cost(r1, gb200, Candidate(DEFAULT, False))
    assert single.seconds == pytest.approx(18 * single_s)


def test_slice_sizes_are_alike_where_the_host_is_hidden_and_only_its_cost_falls() -> None:
    sizes = compare_sizes(runner(), read_cluster("gb200_nvl72"), DEFAULT, 2, (0, 1))
    assert [row.slice_bytes for row in sizes] == list(SLICES)
    assert all(abs(row.gain.mean) < 0.01 for row in sizes)  # two ranks: nobody shares a source
    costs = [row.cost.seconds for row in sizes]
    assert costs == sorted(costs, reverse=True)


def test_batching_is_slower_where_each_layer_waits_for_its_slices_to_be_issued() -> None:
    # Copies of no time, windows of 0.1 ms, three layers. 28 slices of 2 MiB at 3.3 µs are 92 µs before their batch
    # starts: the first layer of a step waits for them; the others' calls are made beside compute.
    baseline = runner(**free(1e15))
    rows = sweep_host_cost(baseline, baseline.baseline.cluster, DEFAULT, (2 * MIB, None), None, (0, 1))
    assert [(row.slice_bytes, row.issue_slice_s) for row in rows] == [
        (size, cost) for size in (2 * MIB, None) for cost in SLICE_COSTS_S
    ]
    slow = rows[2]
    assert slow.behind.excludes_zero
    assert slow.behind.mean < -0.05
    assert rows[5].behind.mean > slow.behind.mean  # whole pulls have fewer slices to issue
    assert all(row.ahead.mean >= row.behind.mean - 1e-9 for row in rows)


def test_cost_of_carrying_over_is_the_same() -> None:
    one, other = (
        host_cost(runner(), read_cluster("h200_x2"), Candidate(Strategy(STRATEGIES["batched"]), carry))
        for carry in (True, False)
    )
    assert one == other
