"""One replication of forward steps: what a seed draws, what the steps then cost, as plain figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.compute import ComputeConfig, build_windows, read_peaks
from dwdp_sim.steps.dep import DepTimes, dep_step
from dwdp_sim.steps.requests import RequestLoad, Step, draw_steps
from dwdp_sim.steps.roofline import Peaks
from dwdp_sim.steps.simulate_steps import Pace, simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows


@dataclass(frozen=True)
class Scenario:
    """Forward steps of a group, up to what a seed draws.

    Attributes:
        program: The prefetch of one layer; its first `ranks` streams are the ranks'.
        constants: Of the machine, for `program`.
        options: Alternatives of the contention model.
        pace: Slots, host and interference.
        model: Whose layers compute.
        compute: How long they compute.
        load: Which requests a step processes.
        ranks: Ranks of the group.
        iterations: Steps of each rank that count.
        warmup: Steps before them that do not.
        start: `random` (each rank begins within the first step's compute time) or `lockstep`.
    """

    program: Program
    constants: FabricConstants
    options: FabricOptions
    pace: Pace
    model: MoEModel
    compute: ComputeConfig
    load: RequestLoad
    ranks: int
    iterations: int
    warmup: int
    start: str


@dataclass(frozen=True)
class Draw:
    """What a seed decides: the same for every strategy, so that strategies are compared on equal requests.

    Attributes:
        steps: For each rank the chunks of each of its steps.
        windows: Compute times.
        start_s: When each rank's first step begins, shape (ranks,).
    """

    steps: list[list[Step]]
    windows: StepWindows
    start_s: Floats


@dataclass(frozen=True)
class Replication:
    """What one seed gave.

    Attributes:
        seed: The seed.
        figures: Means over ranks and counted steps; `FIGURES` says what each is.
        timeline: What happened, all steps; without link rates.
        windows: Compute times of all steps.
    """

    seed: int
    figures: dict[str, float]
    timeline: StepTimeline
    windows: StepWindows


FIGURES = {
    "iteration_s": "forward step",
    "tokens_per_s": "new tokens a second and GPU",
    "compute_s": "compute in it",
    "bubble_s": "waits for experts in it (bubbles)",
    "launch_wait_s": "waits for launches in it",
    "bubble_p99_s": "bubble of a layer, 99th percentile",
    "prefetch_latency_s": "prefetch latency of a layer",
    "prefetch_latency_p99_s": "the same, 99th percentile",
    "copy_s": "without waits for its engine and the host",
    "own_engine_s": "part: engine busy with an earlier layer",
    "host_s": "part: calls not made yet",
    "gap_s": "part: gaps and fixed parts",
    "transfer_s": "part: bytes at the rate without others",
    "contention_s": "part: lost to others",
}


def draw(scenario: Scenario, seed: int) -> Draw:
    """The requests, compute times and starts of one seed.

    Raises:
        ConfigError: The compute times cannot be had.
    """
    count = scenario.warmup + scenario.iterations
    steps = draw_steps(scenario.load, scenario.ranks, count, seed)
    windows = build_windows(scenario.compute, scenario.model, steps, seed)
    start_s = np.zeros(scenario.ranks)
    if scenario.start == "random":
        first_s = windows.lead_s[:, 0] + (windows.before_s + windows.moe_s)[:, 0].sum(axis=1)
        start_s = np.random.default_rng([seed, 1]).uniform(0.0, 1.0, scenario.ranks) * float(first_s.mean())
    return Draw(steps, windows, start_s)


def replicate(
    scenario: Scenario,
    seed: int,
    *,
    record_links: bool = False,
    progress: Callable[[int], None] = lambda finished: None,
) -> Replication:
    """Run one seed.

    Args:
        scenario: What runs.
        seed: Of everything random.
        record_links: Keep the rates between events in the timeline.
        progress: Called now and then with the number of copies that have arrived.
    """
    drawn = draw(scenario, seed)
    timeline = simulate_steps(
        scenario.program,
        drawn.windows,
        scenario.constants,
        scenario.options,
        scenario.pace,
        start_s=drawn.start_s,
        seed=seed,
        record_links=record_links,
        progress=progress,
    )
    return Replication(seed, figures(timeline, drawn.windows, scenario.warmup), timeline, drawn.windows)


def figures(timeline: StepTimeline, windows: StepWindows, warmup: int) -> dict[str, float]:
    """The counted steps as one number each; `FIGURES` says what they are.

    Args:
        timeline: All steps.
        windows: Their compute times.
        warmup: Steps of each rank that do not count.
    """
    ends = np.concatenate([timeline.step_begin_s[:, :1], timeline.step_end_s], axis=1)
    step_s = np.diff(ends, axis=1)[:, warmup:]
    tokens = windows.tokens[:, warmup:]
    bubble_s, latency_s = timeline.bubble_s[:, warmup:], timeline.latency_s[:, warmup:]
    launch_s = timeline.launch_wait_s[:, warmup:].sum(axis=2)
    parts = {
        name: getattr(timeline, name)[:, warmup:]
        for name in ("own_engine_s", "host_s", "gap_s", "transfer_s", "contention_s")
    }
    return {
        "iteration_s": float(step_s.mean()),
        "tokens_per_s": float((tokens.sum(axis=1) / step_s.sum(axis=1)).mean()),
        "compute_s": float((step_s - bubble_s.sum(axis=2) - launch_s).mean()),
        "bubble_s": float(bubble_s.sum(axis=2).mean()),
        "launch_wait_s": float(launch_s.mean()),
        "bubble_p99_s": float(np.percentile(bubble_s, 99)),
        "prefetch_latency_s": float(latency_s.mean()),
        "prefetch_latency_p99_s": float(np.percentile(latency_s, 99)),
        "copy_s": float((latency_s - parts["own_engine_s"] - parts["host_s"]).mean()),
        **{name: float(part.mean()) for name, part in parts.items()},
    }


def dep_baseline(scenario: Scenario, seeds: Sequence[int]) -> list[DepTimes] | None:
    """Mean forward step of the same requests under DEP, for each seed; None without a roofline to take it from."""
    if scenario.compute.kind != "roofline":
        return None
    peaks = read_peaks(scenario.compute)
    return [_mean_dep(scenario, draw(scenario, seed).steps, peaks) for seed in seeds]


def _mean_dep(scenario: Scenario, steps: list[list[Step]], peaks: Peaks) -> DepTimes:
    together = [dep_step(scenario.model, peaks, ranks) for ranks in list(zip(*steps, strict=True))[scenario.warmup :]]
    columns = [(t.compute_s, t.communication_s, t.synchronization_s) for t in together]
    return DepTimes(*(float(np.mean(column)) for column in zip(*columns, strict=True)))
