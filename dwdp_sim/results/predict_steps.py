"""Run everything that a job of forward steps asks for: seeds, hypotheses about what nobody has measured, DEP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from dwdp_sim.fabric.hypotheses import Variant, hypotheses, variants
from dwdp_sim.job.build import Job, Layer
from dwdp_sim.results.step_summary import IterationResult, StepsSummary, summarize_steps
from dwdp_sim.results.summary_head import layer_head, memory_bytes
from dwdp_sim.steps.bubbles import worst_bubbles
from dwdp_sim.steps.coarse_plan import coarse_constants
from dwdp_sim.steps.contention import split_contention
from dwdp_sim.steps.replications import known_within, run_replications, workers
from dwdp_sim.steps.scenario import Replication, Scenario, dep_baseline, replicate

_WORST_BUBBLES = 10


def predict_iteration(
    job: Job, scenario: Scenario, progress: Callable[[int, int], None] = lambda done, of: None
) -> IterationResult:
    """Run `scenario` for the job's seeds.

    The first seed runs here, with its links recorded, so that its bubbles can be explained and drawn.

    Args:
        job: Says how many seeds, how well the time is wanted, and how many processes may run.
        scenario: The job's forward steps.
        progress: Called with the number of replications done, and of all there are at most.
    """
    began = time.perf_counter()
    workload = job.config["workload"]
    machines, others = _under_hypotheses(job) if workload["range"] else ([], [])
    seeds = range(job.seed, job.seed + workload["replications"])
    most = len(seeds) + len(others)
    first = replicate(scenario, job.seed, record_links=True)
    progress(1, most)
    enough = partial(_enough, workload["target"], first)
    tasks = [(other, job.seed) for other in others]
    rest = [(scenario, seed) for seed in seeds[1:]]
    with workers(min(job.config["workers"] or os.cpu_count() or 1, max(len(tasks) + len(rest), 1))) as pool:
        further = run_replications(rest, pool, lambda n: progress(1 + n, most), enough)
        unmeasured = run_replications(tasks, pool, lambda n: progress(len(seeds) + n, most))
    replications = [first, *further]
    blame = split_contention(first.timeline, job.options.sharing)
    bubbles = worst_bubbles(first.timeline, blame, _WORST_BUBBLES, from_layer=1)
    dep = dep_baseline(scenario, [replication.seed for replication in replications])
    under = list(zip(machines, unmeasured, strict=True))
    return IterationResult(replications, under or None, dep, blame, bubbles, time.perf_counter() - began)


def _under_hypotheses(job: Job) -> tuple[list[Variant], list[Scenario]]:
    """The machines that the steps can tell apart, what is configured first, and the steps on each, in larger slices."""
    assert job.coarse is not None
    plan, scenario = job.coarse
    machines = variants(hypotheses(job.cluster, job.options), scenario.program, job.cluster, job.options, in_steps=True)
    steps = [replace(scenario, constants=coarse_constants(m.constants, plan), options=m.options) for m in machines]
    return machines, steps


def _enough(target: float | None, first: Replication, others: Sequence[Replication]) -> bool:
    return target is not None and known_within(target, [first, *others])


def summary_of_steps(job: Job, layer: Layer, scenario: Scenario, result: IterationResult) -> StepsSummary:
    """The summary of a job of forward steps."""
    head = layer_head(
        layer,
        config_hash=job.config_hash,
        cluster=job.cluster.name,
        issue_mode=job.issue_mode,
        home=job.cluster.home,
    )
    memory = memory_bytes(layer, job.config["workload"]["slots"])
    return summarize_steps(head, memory, scenario, result, job.config["compute"]["name"])
