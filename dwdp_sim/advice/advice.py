"""Put the advice together, answer by answer: the choice, its host cost, its break-even, and placements that fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dwdp_sim.advice.break_even import BreakEven, find_break_evens
from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.config import AdviseTree
from dwdp_sim.advice.findings import Effort, Findings, Part
from dwdp_sim.advice.placements import PlacementRow, compare_placements, own_placement
from dwdp_sim.advice.provenance import used_constants
from dwdp_sim.advice.search import search
from dwdp_sim.advice.sensitivity import (
    HostCost,
    HostRow,
    SizeRow,
    compare_sizes,
    host_cost,
    sweep_host_cost,
)
from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.advice.trials import TimeIsUp, Trials
from dwdp_sim.advice.window_ratio import Load, measure_load
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import parse_seconds
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, EXTREME_WALKS, Hypothesis, distinct, hypotheses, samples
from dwdp_sim.job.job import Job, StepsJob
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.plan.strategy import StrategyKind
from dwdp_sim.plan.strategy_file import load_kind
from dwdp_sim.steps.requests import Step
from dwdp_sim.steps.window_hypotheses import window_hypotheses

_LARGE_SLICE_BYTES = 32 * 2**20
_ALLOWED = {  # of settings; more than the most is hours
    "screen_layers": (2, 1000),
    "copies": (1, 10**9),
    "samples": (0, 1000),
    "map_ratios": (2, 200),
    "map_variations": (2, 200),
}
_FEWER_SEEDS = 3  # for host time and placements, whose differences are large


@dataclass(frozen=True)
class Advice:
    """Everything that `dwdp-advise` found, or has found so far: sections that it has not come to are None.

    Attributes:
        load: The user's windows beside the prefetch.
        findings: What to choose.
        batched: The batched candidate that the questions below are about; what the engine offers, if it does.
        costs: Host cost of a layer for each candidate of the latest comparison.
        own: The user's placement and its memory.
        wall_s: How long it took.
        break_evens: Where batching stops to pay, in several states of the machine.
        sizes: Every slice size.
        host: Where the host's time counts.
        placements: The user's, then others.
    """

    load: Load
    findings: Findings
    batched: Candidate
    costs: dict[Candidate, HostCost]
    own: PlacementRow
    wall_s: float
    break_evens: list[BreakEven] | None = None
    sizes: list[SizeRow] | None = None
    host: list[HostRow] | None = None
    placements: list[PlacementRow] | None = None

    @property
    def missing(self) -> list[Part]:
        """The parts of the comparison that it has not come to; none if it is complete."""
        sections: dict[Part, object] = {
            "turning": self.break_evens,
            "slices": self.sizes,
            "host": self.host,
            "placements": self.placements,
        }
        return [*self.findings.missing, *(part for part, found in sections.items() if found is None)]


def check_advisable(job: Job, config: AdviseTree) -> StepsJob:
    """Return the job, or refuse it if no advice can be given for it.

    Raises:
        ConfigError: The configuration is of something that no advice can be given for.
    """
    if config.advise.show not in ("advice", "map"):
        raise ConfigError("advise.show", config.advise.show, "allowed: advice, map")
    for name, (least, most) in _ALLOWED.items():
        if not least <= getattr(config.advise, name) <= most:
            raise ConfigError(f"advise.{name}", getattr(config.advise, name), f"must be from {least} to {most}")
    workload = config.workload
    if not isinstance(job, StepsJob):
        raise ConfigError("workload.kind", workload.kind, "dwdp-advise compares forward steps: workload=iteration")
    if workload.replications < 2:
        raise ConfigError("workload.replications", workload.replications, "an interval takes at least 2")
    if workload.target is not None:
        raise ConfigError("workload.target", workload.target, "dwdp-advise runs all replications: leave it null")
    kinds_also_compared(config)
    if config.advise.within is not None:
        parse_seconds(config.advise.within, "advise.within")
        if config.advise.show == "map":
            raise ConfigError("advise.within", config.advise.within, "a map is drawn whole: leave it out")
    if config.results_dir is not None:
        raise ConfigError("results_dir", config.results_dir, "only dwdp-sim -m writes rows")
    if job.cluster.home != "peer":
        raise ConfigError("cluster.home", job.cluster.home, "dwdp-advise needs peers to pull from")
    return job


def kinds_also_compared(config: AdviseTree) -> list[StrategyKind]:
    """Return the user's own strategy, which is compared with those of this project, if there is one.

    Raises:
        ConfigError: It cannot be read.
    """
    return [] if config.advise.also is None else [load_kind(config.advise.also, "advise.also")]


def effort_of(config: AdviseTree) -> Effort:
    """Return how much is simulated for an advice, as configured."""
    seeds = range(config.seed, config.seed + config.workload.replications)
    return Effort(config.advise.screen_layers, tuple(seeds), config.advise.copies, config.advise.samples)


def answers(
    job: StepsJob,
    effort: Effort,
    also: Sequence[StrategyKind] = (),
    pool: Executor | None = None,
    progress: Callable[[str, int, int], None] = lambda part, done, of: None,
    ends_at: float = math.inf,
) -> Iterator[Advice]:
    """Compare every candidate for what the user runs, find when the answer would change, and tell what is known so far.

    The order is fixed and the last answer is complete, unless time is up before; the first one always comes.

    Args:
        job: What the user runs.
        effort: How much is simulated.
        also: Strategies of the user's own to compare.
        pool: Where to simulate; None for here. No result depends on it.
        progress: Called with what is being done, the number of runs done, and of all in this part.
        ends_at: When to stop, in seconds of `time.monotonic`; a simulation that runs then is finished.
    """
    part = ["a first look"]
    runner = Trials(Baseline.of(job), pool, lambda done, of: progress(part[0], done, of))
    stages = _stages(runner, job, effort, also, part)
    yield next(stages)
    runner.ends_at = ends_at
    with suppress(TimeIsUp):
        yield from stages


def _stages(
    runner: Trials, job: StepsJob, effort: Effort, also: Sequence[StrategyKind], part: list[str]
) -> Iterator[Advice]:
    """The answers, from the first look to the last question; `part` is told what comes."""
    began = time.perf_counter()
    baseline, current = runner.baseline, current_candidate(job)
    seeds, layers, cluster = effort.seeds, effort.screen_layers, baseline.cluster
    few = seeds[:_FEWER_SEEDS]
    states = possible_states(baseline, current, effort.samples, job.first.steps[0][0])
    load = measure_load(baseline, current.strategy, seeds)
    default, batched = pair(current)
    own = own_placement(runner, cluster, current)

    def after(before: Advice, **found: Any) -> Advice:
        return replace(before, **found, wall_s=time.perf_counter() - began)

    for findings in search(runner, current, states, effort, also):
        costs = {row.candidate: host_cost(runner, cluster, row.candidate) for row in findings.rows}
        answer = Advice(load, findings, batched, costs, own, time.perf_counter() - began)
        yield answer
        part[0] = "comparing candidates"
    part[0] = "where it turns"
    telling = telling_states(states) if load.window_s else []
    break_evens = find_break_evens(runner, batched, default, load, telling, layers, seeds)
    yield (answer := after(answer, break_evens=break_evens))
    part[0] = "slice sizes"
    yield (answer := after(answer, sizes=compare_sizes(runner, cluster, current.strategy, layers, seeds)))
    part[0] = "host time"
    slices = (CONTENTION_OPT_SLICE_BYTES, _LARGE_SLICE_BYTES)
    host = sweep_host_cost(runner, cluster, current.strategy, slices, answer.findings.layers, few)
    yield (answer := after(answer, host=host))
    part[0] = "placements"
    today, whole = answer.findings.today.candidate, answer.findings.layers
    yield after(answer, placements=compare_placements(runner, cluster, today, whole, few))


def current_candidate(job: StepsJob) -> Candidate:
    """Return what the user runs, as a candidate."""
    return Candidate(job.layer.strategy, job.scenario.workload.carry_over)


def possible_states(
    baseline: Baseline, current: Candidate, draws: int = 0, step: Step | None = None
) -> list[Hypothesis]:
    """Return the hypotheses that default and batched copies can tell apart, the configured one first, then draws.

    Args:
        baseline: The user's configuration.
        current: What the user runs.
        draws: Of constants from their intervals, where some have one from a fit.
        step: What a step processes, where hypotheses about its kernels are wanted as well.
    """
    programs = [baseline.scenario(Trial(candidate.strategy)).program for candidate in pair(current)]
    machines = hypotheses(baseline.cluster, baseline.options)
    kernels = window_hypotheses(baseline.workload.compute, baseline.model, step, machines) if step else []
    chosen = distinct([*machines, *kernels], programs, baseline.cluster, baseline.options)
    return chosen + samples(baseline.cluster, draws, used_constants(baseline, current))


def telling_states(states: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return the configured state and the two extremes of the gain of batching: one source in flight, and all."""
    return [AS_CONFIGURED, *(state for state in states if state.name in EXTREME_WALKS)]
