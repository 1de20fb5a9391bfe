"""Predict a job: over drawn starts, and under every hypothesis about what is unmeasured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import overload

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Variant, hypotheses, variants
from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.fabric.simulate_many import SimulationTask, engine_for, simulate_each
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob, StepsJob
from dwdp_sim.job.work import range_draws
from dwdp_sim.results.predict_steps import predict_configured, summary_of_steps
from dwdp_sim.results.step_summary import StepsSummary
from dwdp_sim.results.summary import (
    Basis,
    LayerSummary,
    ReplaySummary,
    Runs,
    draw_spread,
    summarize_layer,
    summarize_replay,
)
from dwdp_sim.results.summary_head import SUMMARY_SCHEMA, RunHead, layer_head, memory_bytes

Progress = Callable[[int, int], None]

_MOST_RECORDED = 2_000_000  # copies × streams of a run whose link rates are kept for its picture: 200 MB of them


@overload
def predict(
    job: LayerJob,
    *,
    with_range: bool = ...,
    config_hash: str = ...,
    workers: int | None = ...,
    among: int = ...,
    progress: Progress = ...,
) -> tuple[SimulatedTimeline, LayerSummary]: ...


@overload
def predict(
    job: ReplayJob,
    *,
    with_range: bool = ...,
    config_hash: str = ...,
    workers: int | None = ...,
    among: int = ...,
    progress: Progress = ...,
) -> tuple[SimulatedTimeline, ReplaySummary]: ...


def predict(
    job: LayerJob | ReplayJob,
    *,
    with_range: bool = True,
    config_hash: str = "",
    workers: int | None = None,
    among: int = 1,
    progress: Progress = lambda done, all_copies: None,
) -> tuple[SimulatedTimeline, LayerSummary | ReplaySummary]:
    """Simulate `job` for all its draws of starts and, if a range is wanted, under every hypothesis.

    Args:
        job: What to run.
        with_range: Whether the range over hypotheses is wanted.
        config_hash: Of the configuration that the job was made from, for the summary.
        workers: As of `simulate_many`; results do not depend on it.
        among: How many such jobs the process runs, about (`simulate_many.engine_for`).
        progress: Called now and then with the number of copies that have arrived, and will have at the end.

    Returns:
        The timeline of the draw whose mean latency is the median of all, and the summary.
    """
    began = time.perf_counter()
    draws, copies = len(job.starts_s), len(job.program.copy_bytes)
    configured, *others = _machines(job) if with_range else [_configured(job)]
    shared = range_draws(copies, draws)
    drawn = [job.drawn(draw) for draw in range(draws)]

    def task(draw: int, machine: Variant, *, shown: bool = False) -> SimulationTask:
        record = shown and copies * len(job.program.stream_gpu) <= _MOST_RECORDED
        return SimulationTask(drawn[draw], machine.constants, machine.options, job.seed + draw, record)

    first = [task(draw, configured, shown=draws == 1) for draw in range(draws)]
    alike = [task(draw, machine) for machine in others for draw in range(shared)]
    engine, runs = engine_for([*first, *alike], job.engine, among), len(first) + (draws > 1) + len(alike)

    def run(tasks: list[SimulationTask], before: int) -> Iterator[SimulatedTimeline]:
        def said(finished: int) -> None:
            progress(before * copies + finished, runs * copies)

        return simulate_each(tasks, engine=engine, workers=workers, progress=said)

    elapsed_s, parts_s = [], []
    for timeline in run(first, 0):
        elapsed_s.append(timeline.stream_elapsed_s)
        parts_s.append(_parts(timeline))
    means_s = [float(latencies.mean()) if latencies.size else 0.0 for latencies in elapsed_s]
    typical = int(np.argsort(means_s, kind="stable")[(draws - 1) // 2])
    again = [task(typical, configured, shown=True)] if draws > 1 else []
    further = run([*again, *alike], draws)
    shown = next(further) if again else timeline
    under = None
    if with_range:
        alike_s = [(machine, np.array([next(further).stream_elapsed_s for _ in range(shared)])) for machine in others]
        under = [(configured, np.array(elapsed_s[:shared])), *alike_s]
    parts = {name: np.array([each[name] for each in parts_s]) for name in parts_s[0]}
    found = Runs(np.array(elapsed_s), parts, under)
    return shown, _summarize(job, found, config_hash, time.perf_counter() - began)


def _configured(job: LayerJob | ReplayJob) -> Variant:
    return Variant((AS_CONFIGURED.name,), job.constants, job.options)


def _machines(job: LayerJob | ReplayJob) -> list[Variant]:
    """The machines that the program can tell apart, what is configured first."""
    return variants(hypotheses(job.cluster, job.options), job.program, job.cluster, job.options)


def _parts(timeline: SimulatedTimeline) -> dict[str, Floats]:
    return {name: getattr(timeline, name) for name in ("host_s", "gap_s", "transfer_s", "contention_s")}


def _summarize(job: LayerJob | ReplayJob, runs: Runs, config_hash: str, wall_s: float) -> LayerSummary | ReplaySummary:
    basis = Basis(
        start=job.starts.kind,
        draws=len(runs.elapsed_s),
        draw_spread=draw_spread(runs.elapsed_s),
        lower_bound_s=lower_bound_s(job.program, job.constants),
        assumed_constants=list(job.constants.assumed),
        wall_s=wall_s,
    )
    cluster = job.cluster
    if isinstance(job, ReplayJob):
        head = RunHead(SUMMARY_SCHEMA, config_hash, cluster.name, job.issue_mode)
        return summarize_replay(head, job.program.stream_gpu, runs, basis)
    of_layer = layer_head(
        job.layer, config_hash=config_hash, cluster=cluster.name, issue_mode=job.issue_mode, home=cluster.home
    )
    memory = memory_bytes(job.layer, job.slots)
    return summarize_layer(of_layer, memory, runs, basis)


def summarize_run(run: CheckedRun, among: int = 1) -> LayerSummary | ReplaySummary | StepsSummary:
    """Return the summary of a run, whichever kind of job it is.

    Args:
        run: What to run.
        among: As of `predict`.

    Raises:
        ConfigError: It is a comparison of many jobs, not one.
    """
    job, workload = run.job, run.config["workload"]
    if workload["kind"] == "published":
        raise ConfigError("workload.kind", "published", "it makes a page of its own: run it without results_dir")
    if isinstance(job, StepsJob):
        return summary_of_steps(job, predict_configured(run, job), run.config_hash)
    with_range, workers = workload["range"], run.config["workers"]
    return predict(job, with_range=with_range, config_hash=run.config_hash, workers=workers, among=among)[1]
