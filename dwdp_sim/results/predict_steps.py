"""Predict forward steps: several seeds, every hypothesis about what is unmeasured, and DEP for comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from dwdp_sim.base.cores import usable_cores
from dwdp_sim.fabric.engine_choice import takes_compiled
from dwdp_sim.fabric.hypotheses import Variant, hypotheses, variants
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.results.step_summary import IterationResult, StepsSummary, Under, summarize_steps
from dwdp_sim.results.summary_head import layer_head, memory_bytes
from dwdp_sim.steps.bubbles import worst_bubbles
from dwdp_sim.steps.coarse_plan import coarse_constants
from dwdp_sim.steps.contention import split_contention, why_unsplit
from dwdp_sim.steps.dep import DepTimes
from dwdp_sim.steps.focus import around, most_telling
from dwdp_sim.steps.replications import known_within, run_replications
from dwdp_sim.steps.scenario import Replication, Scenario, dep_baseline, draw, replicate
from dwdp_sim.steps.window_hypotheses import dep_hypotheses, window_hypotheses, with_settings

_WORST_BUBBLES = 10


def predict_iteration(
    job: StepsJob,
    *,
    replications: int = 3,
    target: float | None = None,
    with_range: bool = True,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> IterationResult:
    """Run the job's forward steps for several seeds.

    The first seed runs here and twice: once to see who loses what to whom, so that its bubbles can be explained, and
    once to keep the rates around the longest of them, which are drawn.

    Args:
        job: What to run.
        replications: Seeds: the job's own, then the following ones.
        target: Stop once the iteration time is known this well: half width of its 95 % interval ÷ mean.
        with_range: Also run every hypothesis about what is unmeasured.
        processes: Threads to use, or processes where SimPy runs; one a core when unset. Results do not depend on it.
        progress: Called with the number of replications done, and of all there are at most.
    """
    began = time.perf_counter()
    states, others = _under_hypotheses(job) if with_range else ([], [])
    seeds = range(job.seed, job.seed + replications)
    most = len(seeds) + len(others)
    among = 2 + len(seeds) + len(others)
    unsplit = why_unsplit(job.scenario.program, job.first.windows, job.options)
    first = replicate(job.scenario, job.first, blame=not unsplit, among=among)
    span_s = around(first.timeline, most_telling(first.timeline))
    shown = replicate(job.scenario, job.first, rates_between_s=span_s, among=among)
    assert shown.timeline.links is not None
    progress(1, most)
    enough = partial(_enough, target, first)
    tasks = [
        (other, draw(other, job.seed) if state.compute else job.first)
        for state, other in zip(states, others, strict=True)
    ]
    rest = [(job.scenario, seed) for seed in seeds[1:]]
    copies = sum(scenario.copies for scenario, _ in (*tasks, *rest))
    count = min(processes or usable_cores(), max(len(tasks) + len(rest), 1))
    with workers(count, threads=takes_compiled(job.scenario.engine, copies, "")) as pool:
        further = run_replications(rest, pool, lambda n: progress(1 + n, most), enough)
        unmeasured = run_replications(tasks, pool, lambda n: progress(len(seeds) + n, most))
    runs = [first, *further]
    contention = split_contention(first.timeline, unsplit)
    bubbles = worst_bubbles(first.timeline, contention, _WORST_BUBBLES, from_layer=1)
    dep = dep_baseline(job.scenario, [run.drawn for run in runs])
    under = [
        Under(state, run, _dep_of(other, run)) for state, other, run in zip(states, others, unmeasured, strict=True)
    ]
    links, wall_s = shown.timeline.links, time.perf_counter() - began
    return IterationResult(runs, under or None, dep, contention, bubbles, links, wall_s)


def predict_configured(
    run: CheckedRun, job: StepsJob, progress: Callable[[int, int], None] = lambda done, of: None
) -> IterationResult:
    """Predict the forward steps of `job`, the job of `run`, with the seeds that the configuration asks for."""
    workload = run.config["workload"]
    return predict_iteration(
        job,
        replications=workload["replications"],
        target=workload["target"],
        with_range=workload["range"],
        processes=run.config["workers"],
        progress=progress,
    )


def _under_hypotheses(job: StepsJob) -> tuple[list[Variant], list[Scenario]]:
    """What the steps can tell apart, what is configured first, and the steps in each case, in larger slices."""
    plan, program, workload = job.coarse.plan, job.coarse.program, job.scenario.workload
    machines, compute = hypotheses(job.cluster, job.options), workload.compute
    kernels = window_hypotheses(compute, job.layer.model, job.first.steps[0][workload.warmup], machines)
    chosen = [*machines, *kernels, *dep_hypotheses(compute)]
    states = variants(chosen, program, job.cluster, job.options, in_steps=True)
    scenarios = [
        replace(
            job.scenario,
            program=program,
            constants=coarse_constants(state.constants, plan),
            options=state.options,
            workload=replace(workload, compute=with_settings(compute, state.compute)),
        )
        for state in states
    ]
    return states, scenarios


def _dep_of(scenario: Scenario, run: Replication) -> DepTimes | None:
    """The run's requests under DEP."""
    found = dep_baseline(scenario, [run.drawn])
    return found[0] if found else None


def _enough(target: float | None, first: Replication, others: Sequence[Replication]) -> bool:
    return target is not None and known_within(target, [first, *others])


def summary_of_steps(job: StepsJob, result: IterationResult, config_hash: str = "") -> StepsSummary:
    """Return the summary of a job of forward steps.

    Args:
        job: What was run.
        result: What was found.
        config_hash: Of the configuration that the job was made from.
    """
    cluster = job.cluster
    head = layer_head(
        job.layer, config_hash=config_hash, cluster=cluster.name, issue_mode=job.issue_mode, home=cluster.home
    )
    memory = memory_bytes(job.layer, job.scenario.workload.slots)
    return summarize_steps(head, memory, job.scenario, result)
