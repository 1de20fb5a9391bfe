"""A job's prediction: over drawn starts, and under every hypothesis about what nobody has measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.hypotheses import Variant, hypotheses, variants
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob, StepsJob
from dwdp_sim.results.predict_steps import predict_configured
from dwdp_sim.results.step_summary import summarize_iteration
from dwdp_sim.results.summary import Runs, summarize

_MOST_RANGE_DRAWS = 3  # of the starts, for each hypothesis; fewer where a draw takes many copies
_RANGE_COPIES = 40_000
_MOST_SAMPLED = 200_000  # copies of a run whose link rates are kept for its picture


def predict(
    job: LayerJob | ReplayJob,
    *,
    with_range: bool = True,
    config_hash: str = "",
    progress: Callable[[int, int], None] = lambda done, all_copies: None,
) -> tuple[Timeline, dict[str, Any]]:
    """Simulate `job` for all its draws of starts, and under every hypothesis about what nobody has measured.

    Args:
        job: What to run.
        with_range: Whether hypotheses are run.
        config_hash: Of the configuration that the job was made from, for the summary.
        progress: Called now and then with the number of copies that have arrived, and will have at the end.

    Returns:
        The timeline of the draw whose mean latency is the median of all, and the summary.
    """
    began = time.perf_counter()
    draws = len(job.starts_s)
    machines = variants(hypotheses(job.cluster, job.options), job.program, job.cluster, job.options)
    others = machines[1:] if with_range else []
    copies = len(job.program.copy_bytes)
    shared = min(draws, _MOST_RANGE_DRAWS, max(_RANGE_COPIES // max(copies, 1), 1))
    runs = draws + 1 + len(others) * shared
    done = 0

    def run(draw: int, machine: Variant, *, shown: bool = False) -> Timeline:
        nonlocal done
        timeline = simulate(
            job.drawn(draw),
            machine.constants,
            machine.options,
            seed=job.seed + draw,
            record_links=shown and copies <= _MOST_SAMPLED,
            progress=lambda finished: progress(done * copies + finished, runs * copies),
        )
        done += 1
        return timeline

    elapsed_s, parts_s = [], []
    for draw in range(draws):
        timeline = run(draw, machines[0], shown=draws == 1)
        elapsed_s.append(timeline.stream_elapsed_s)
        parts_s.append(_parts(timeline))
    means_s = [float(latencies.mean()) if latencies.size else 0.0 for latencies in elapsed_s]
    typical = int(np.argsort(means_s, kind="stable")[(draws - 1) // 2])
    shown = timeline if draws == 1 else run(typical, machines[0], shown=True)
    under = None
    if with_range:
        alike = [(machine, np.array([run(d, machine).stream_elapsed_s for d in range(shared)])) for machine in others]
        under = [(machines[0], np.array(elapsed_s[:shared])), *alike]
    parts = {name: np.array([each[name] for each in parts_s]) for name in parts_s[0]}
    found = Runs(np.array(elapsed_s), parts, under)
    return shown, summarize(job, found, time.perf_counter() - began, config_hash)


def _parts(timeline: Timeline) -> dict[str, Floats]:
    return {name: getattr(timeline, name) for name in ("host_s", "gap_s", "transfer_s", "contention_s")}


def summarize_run(run: CheckedRun) -> dict[str, Any]:
    """The summary of any run that has one.

    Raises:
        ConfigError: It is a comparison of many jobs, not one.
    """
    job, workload = run.job, run.config["workload"]
    if workload["kind"] == "published":
        raise ConfigError("workload.kind", "published", "it makes a page of its own: run it without results_dir")
    if isinstance(job, StepsJob):
        return summarize_iteration(job, predict_configured(job, run.config), run.config_hash)
    return predict(job, with_range=workload["range"], config_hash=run.config_hash)[1]
