"""The runner: trials run as forward steps do, equal ones once, whoever runs them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.advice.advice import current_candidate, possible_states
from dwdp_sim.advice.trial import Baseline, Host, Trial, Windows
from dwdp_sim.advice.trials import Trials
from dwdp_sim.fabric.hypotheses import WALKS, Hypothesis
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps import simulate_steps
from dwdp_sim.steps.scenario import replicate
from tests.dwdp_sim.advice.bases import free, iteration_s, small_baseline, small_job

DEFAULT, BATCHED = Trial(Strategy(STRATEGIES["default"], slice_bytes=None)), Trial(Strategy(STRATEGIES["batched"]))
SMALL_SLICES = replace(BATCHED, strategy=Strategy(STRATEGIES["batched"], slice_bytes=2**16))


def test_what_the_user_has_takes_as_long_as_dwdp_sim_says() -> None:
    _, job = small_job()
    expected = replicate(job.scenario, 3).figures["iteration_s"]
    assert iteration_s(small_baseline(), DEFAULT, 3) == expected


def test_the_window_factor_scales_compute_and_nothing_else() -> None:
    # Links that take no time: a step is its three windows of 0.1 ms, or of 0.25 ms.
    baseline = small_baseline(**free(1e18))
    assert iteration_s(baseline, DEFAULT, 0) == pytest.approx(3e-4)
    assert iteration_s(baseline, replace(DEFAULT, window_factor=2.5), 0) == pytest.approx(7.5e-4)
    assert iteration_s(baseline, replace(DEFAULT, windows=Windows(4e-4, 0.5, 0.0), layers=2), 0) == pytest.approx(8e-4)


def test_set_ups_that_come_to_the_same_simulation_run_once() -> None:
    counted: list[int] = []
    runner = Trials(small_baseline(), None, lambda _, of: counted.append(of))
    rule = Hypothesis("3 sources, any", constants=WALKS["3 sources, any"])
    runner.run({trial: [0] for trial in (DEFAULT, replace(DEFAULT, state=rule), BATCHED)})
    assert counted == [2, 2]  # of two runs, told after each
    assert runner.times(replace(DEFAULT, state=rule), [0]) == runner.times(DEFAULT, [0])
    twin = replace(SMALL_SLICES, strategy=Strategy(STRATEGIES["batched"], slice_bytes=2**17))
    runner.run({SMALL_SLICES: [0], twin: [0]})
    assert counted == [2, 2, 1]


def test_where_host_time_counts_slices_of_other_sizes_are_other_set_ups() -> None:
    # 47.7 MB in 64 KiB slices against 2 MiB ones: about 820 against 30 slices of 1 µs, before each layer's first byte.
    baseline = small_baseline(**free(issue_slice_s=1e-6), issue_mode="as_issued", workload__ahead=False)
    small, large = (iteration_s(baseline, trial, 0) for trial in (SMALL_SLICES, BATCHED))
    assert small > large + 7e-4
    runner = Trials(baseline, None)
    assert runner.times(replace(BATCHED, host=Host("queued", True)), [0])[0] < large


def test_a_state_s_kernels_give_its_windows_and_states_that_differ_in_them_are_told_apart() -> None:
    values = {"model.num_layers": 4, "model.num_moe_layers": 3, "workload.iterations": 1}
    config = preset(values, model="deepseek_v3_lite_nvfp4", strategy="default", workload="iteration")
    job = build_steps_job(resolve(config))
    baseline, current = Baseline.of(job), current_candidate(job)
    states = {one.name: one for one in possible_states(baseline, current, 0, job.first.steps[0][0])}
    times = {
        name: iteration_s(baseline, replace(DEFAULT, state=states[name]), 0)
        for name in ("fastest kernels", "as configured", "slowest kernels", "copies take least from kernels")
    }
    assert times["fastest kernels"] < times["as configured"] < times["slowest kernels"]
    assert times["copies take least from kernels"] < times["as configured"]
    assert {"fastest kernels; 1 source; fair", "slowest kernels; all sources; fair"} <= states.keys()


def test_both_engines_of_the_simulator_give_a_trial_the_same_time() -> None:
    base = small_baseline(workload__ratio=0.5)
    times = [iteration_s(replace(base, engine=engine), BATCHED, 1) for engine in ("simpy", "compiled")]
    assert times[0] == times[1]


def test_the_smallest_advice_runs_on_the_engine_that_is_loaded_for_every_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate_steps, "Simulation", None)  # on SimPy
    assert iteration_s(small_baseline(), DEFAULT, 1) > 0.0


def test_fewer_pulled_experts_are_another_placement() -> None:
    baseline = small_baseline()
    fewer = baseline.placed(replace(DEFAULT, num_prefetch_experts=4))
    assert (fewer.num_experts_per_worker, fewer.num_prefetch_experts) == (12, 4)
    assert iteration_s(baseline, replace(DEFAULT, num_prefetch_experts=4), 0) < iteration_s(baseline, DEFAULT, 0)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_results_do_not_depend_on_who_runs_them(engine: str) -> None:
    baseline = replace(small_baseline(), engine=engine)
    tasks = dict.fromkeys((DEFAULT, BATCHED), (0, 1))
    with workers(2, threads=engine == "compiled") as pool:
        there = Trials(baseline, pool)
        there.run(tasks)
    here = Trials(baseline, None)
    assert [here.times(trial, [0, 1]) for trial in (DEFAULT, BATCHED)] == [
        there.times(trial, [0, 1]) for trial in (DEFAULT, BATCHED)
    ]
