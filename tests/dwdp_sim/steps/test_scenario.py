"""Jobs of forward steps: what is configured, drawn, replicated, compared and written."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dwdp_sim.app import main
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.results.step_files import steps_table
from dwdp_sim.steps.background import with_background
from dwdp_sim.steps.replications import known_within, run_replications
from dwdp_sim.steps.scenario import FIGURES, Scenario, draw, replicate
from tests.dwdp_sim.programs import program, queue, single

SMALL = {
    "workload.isl": 1024,
    "workload.max_num_tokens": 2048,
    "model.num_moe_layers": 4,
    "model.num_layers": 5,
    "strategy.slice_bytes": "64MiB",
}


def small_job(strategy: str = "batched", **values: Any) -> StepsJob:
    """Four layers of V3-Lite; `values` with `__` for dots."""
    chosen = SMALL | {key.replace("__", "."): value for key, value in values.items()}
    config = preset(chosen, model="deepseek_v3_lite_nvfp4", strategy=strategy, workload="iteration")
    return build_steps_job(resolve(config))


def small(strategy: str = "batched", **values: Any) -> Scenario:
    return small_job(strategy, **values).scenario


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"workload__iterations": 0}, "workload.iterations=0: must be from 1 to 10000"),
        ({"workload__warmup": -1}, "workload.warmup=-1: must be from 0 to 10000"),
        ({"workload__replications": 0}, "workload.replications=0: must be from 1 to 10000"),
        ({"workload__start": "offsets"}, "workload.start=offsets: allowed for forward steps: random, lockstep"),
        ({"workload__target": 1.5}, "workload.target=1.5: a share above 0 and below 1"),
        ({"workload__slots": 0}, "workload.slots=0: at least 1 slot"),
        ({"workload__ratio": 0.0}, "workload.ratio=0.0: must be above 0"),
        (  # later chunks of a long input see more context and take longer: all of them must count
            {"workload__isl": 8000, "workload__iterations": 3},
            "workload.iterations=3: the longest input takes 4 steps of workload.max_num_tokens=2048: at least 4",
        ),
        (
            {"workload__background_bytes_per_token": -1.0},
            "workload.background_bytes_per_token=-1.0: bytes from 0 to 1e+08",
        ),
        (
            {"compute__gpu": "H100", "compute__kind": "silicon"},
            "compute=auto: is for H100, but cluster gb200_nvl72 has GB200",
        ),
        ({"cluster__num_gpus": 7, "workload__background_bytes_per_token": 1e4}, "one more GPU for each of 4 ranks"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small(**values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_seed_draws_the_same_for_every_strategy_and_another_seed_something_else() -> None:
    one, other = draw(small("default"), 3), draw(small("batched"), 3)
    assert one.steps == other.steps
    assert one.start_s.tolist() == other.start_s.tolist()
    assert draw(small("default"), 4).steps != one.steps


def test_ranks_start_within_one_step_of_each_other_or_together() -> None:
    drawn = draw(small(), 0)
    step_s = (drawn.windows.lead_s[:, 0] + (drawn.windows.before_s + drawn.windows.moe_s)[:, 0].sum(axis=1)).mean()
    assert 0 < np.ptp(drawn.start_s) < step_s
    assert draw(small(workload__start="lockstep"), 0).start_s.tolist() == [0.0] * 4


def test_the_figures_of_a_step_add_up() -> None:
    figures = replicate(small(), 0).figures
    assert set(figures) == set(FIGURES)
    assert figures["compute_s"] + figures["bubble_s"] + figures["launch_wait_s"] == pytest.approx(
        figures["iteration_s"]
    )
    parts = sum(figures[name] for name in ("own_engine_s", "host_s", "gap_s", "transfer_s", "contention_s"))
    assert parts == pytest.approx(figures["prefetch_latency_s"])


def test_warm_up_steps_do_not_count() -> None:
    # All ranks compute the same; the very first step begins on idle links, later ones meet the others.
    cold = replicate(small(workload__warmup=0, workload__iterations=3), 0)
    warm = replicate(small(workload__warmup=2, workload__iterations=1), 0)
    last = cold.timeline.step_end_s[:, 2] - cold.timeline.step_end_s[:, 1]
    assert warm.figures["iteration_s"] == pytest.approx(float(last.mean()))


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_results_do_not_depend_on_who_runs_them(engine: str) -> None:
    tasks = [(replace(small(name), engine=engine), seed) for name in ("default", "batched") for seed in (0, 1)]
    here = run_replications(tasks, None)
    with workers(2, threads=engine == "compiled") as pool:
        there = run_replications(tasks, pool)
    assert [r.figures for r in here] == [r.figures for r in there]
    for a, b in zip(here, there, strict=True):
        assert a.timeline.moe_end_s.tobytes() == b.timeline.moe_end_s.tobytes()


def test_replications_stop_when_the_time_is_known_well_enough_and_not_before_three() -> None:
    scenario = small()
    tasks = [(scenario, seed) for seed in range(6)]
    assert len(run_replications(tasks, None, enough=lambda found: known_within(0.9, found))) == 3
    assert len(run_replications(tasks, None, enough=lambda found: known_within(1e-9, found))) == 6


def test_the_interval_of_a_mean_is_students() -> None:
    # 1, 2, 3: mean 2, standard deviation 1, t(0.975, 2) = 4.3027: half width 4.3027 ÷ √3.
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    assert estimate.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert math.isnan(Estimate.of([1.0]).half_width)


def test_a_gain_is_real_only_where_its_interval_excludes_zero() -> None:
    sure = paired_gain([1.0, 2.0, 4.0], [1.1, 2.2, 4.4])  # pairs agree although times differ widely
    assert sure.mean == pytest.approx(0.1)
    assert sure.excludes_zero
    assert not paired_gain([1.0, 2.0, 4.0], [1.2, 1.8, 4.1]).excludes_zero
    assert not Estimate.of([0.5]).excludes_zero


def test_kv_cache_is_pulled_from_each_rank_by_a_gpu_of_its_own() -> None:
    whole = with_background(program(queue(0, single(1, 0, 5)), queue(1, single(0, 1, 5))), 40 * 2**20)
    assert whole.num_gpus == 4
    assert whole.stream_gpu.tolist() == [0, 1, 2, 3]
    taken = whole.call_stream[whole.copy_call] >= 2
    # 40 MiB = 16 + 16 + 8 MiB from each of two ranks
    assert whole.copy_bytes[taken].tolist() == [16 * 2**20, 16 * 2**20, 8 * 2**20] * 2
    assert whole.copy_src[taken].tolist() == [0] * 3 + [1] * 3
    assert whole.copy_dst[taken].tolist() == [2] * 3 + [3] * 3


def test_kv_cache_on_the_way_out_slows_the_prefetch() -> None:
    alone = replicate(small(), 0).figures
    together = replicate(small(workload__background_bytes_per_token=1e6), 0).figures
    assert together["contention_s"] > 1.02 * alone["contention_s"]


def test_rows_hold_every_seed_rank_step_and_layer_once() -> None:
    job = small_job()
    table = steps_table("a" * 64, [replicate(job.scenario, seed) for seed in (0, 1)])
    keys = set(zip(*(table[name].to_pylist() for name in ("seed", "rank", "step", "layer")), strict=True))
    assert table.num_rows == len(keys) == 2 * 4 * 3 * 4


def test_a_prediction_of_steps_prints_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [f"{key}={value}" for key, value in SMALL.items()]
    groups = ["workload=iteration", "model=deepseek_v3_lite_nvfp4", "workers=1", "workload.replications=2"]
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *groups, *overrides, f"hydra.run.dir={tmp_path}"])
    main()
    printed = capsys.readouterr().out
    assert "forward step" in printed
    assert "DEP would take" in printed
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["figures"]["iteration_s"]["mean"] >= summary["lower_bound_s"]
    low, high = summary["range_s"]["iteration_s"]
    assert low <= summary["figures"]["iteration_s"]["mean"] <= high
    # Kernels decide more of a step than how an engine walks a batch; of DEP, how evenly experts are spread as well.
    assert summary["compute"] == "silicon"
    assert summary["range_s"]["lowest"].startswith("fastest kernels")
    assert summary["range_s"]["highest"].startswith("slowest kernels")
    lowest, highest = summary["dep"]["gain_range"]
    assert lowest <= summary["dep"]["gain"]["mean"] < highest
    assert pq.read_table(tmp_path / "steps.parquet").num_rows == 2 * 4 * 3 * 4


def test_published_cases_are_not_mixed_with_other_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", "workload=published", "cluster=h200_x2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "runs the published cases as they are" in capsys.readouterr().err


def test_a_prediction_from_measured_kernels_says_what_its_windows_rest_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"workload.isl": 65536, "workload.max_num_tokens": 65536, "workload.iterations": 1, "workload.warmup": 0}
    small = [f"{key}={value}" for key, value in (SMALL | values).items()]
    chosen = ("workload=iteration", "compute=silicon", "workload.range=false", "workload.replications=1")
    command = [
        "dwdp-sim",
        *chosen,
        *small,
        "strategy=default",
        "strategy.slice_bytes=null",
        f"hydra.run.dir={tmp_path}",
    ]
    monkeypatch.setattr(sys, "argv", command)
    main()
    kernels = {row["operation"]: row for row in json.loads((tmp_path / "summary.json").read_text())["kernels"]}
    routed = kernels["routed experts"]
    assert (routed["kind"], routed["table"], routed["how"]) == ("grouped", "gb200/trtllm/moe", "held")
    assert routed["low_s"] <= routed["seconds"] <= routed["high_s"]
    printed = " ".join(capsys.readouterr().out.split())
    assert f"routed experts (held, {routed['outside']:.3g} × the last row)" in printed
    assert "DEP would take" in printed
