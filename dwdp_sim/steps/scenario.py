"""Run one replication of forward steps: draw what a seed decides, simulate, and reduce it to figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.compute import build_windows, compute_times
from dwdp_sim.steps.compute_times import ComputeTimes
from dwdp_sim.steps.dep import DepTimes, dep_step
from dwdp_sim.steps.requests import Step, draw_steps
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows
from dwdp_sim.steps.workload import StepsWorkload


@dataclass(frozen=True)
class Scenario:
    """Everything that determines forward steps of a group on a cluster, except what a seed draws.

    Attributes:
        program: The prefetch of one layer; its first `ranks` streams are the ranks'.
        constants: Of the machine, for `program`.
        options: Alternatives of the contention model.
        model: Whose layers compute.
        ranks: Ranks of the group.
        workload: Requests, compute, and how many steps.
        engine: As in `engine_choice.takes_compiled`.
    """

    program: Program
    constants: FabricConstants
    options: FabricOptions
    model: MoEModel
    ranks: int
    workload: StepsWorkload
    engine: str = "auto"

    @property
    def copies(self) -> int:
        """Copies of all layers and steps that are wanted of one seed."""
        steps = self.workload.warmup + self.workload.iterations
        return len(self.program.copy_bytes) * steps * self.model.num_moe_layers


@dataclass(frozen=True)
class Draw:
    """The requests, compute windows and starts of one seed: equal for every strategy, so that comparisons are paired.

    Attributes:
        seed: The seed.
        steps: For each rank the chunks of each of its steps.
        windows: Compute times.
        start_s: When each rank's first step begins, shape (ranks,).
    """

    seed: int
    steps: list[list[Step]]
    windows: StepWindows
    start_s: Floats


@dataclass(frozen=True)
class Replication:
    """The outcome of one seed.

    Attributes:
        drawn: What the seed decided.
        figures: Means over ranks and counted steps; `FIGURES` says what each is.
        timeline: What happened, all steps.
    """

    drawn: Draw
    figures: dict[str, float]
    timeline: StepTimeline

    @property
    def seed(self) -> int:
        """The seed."""
        return self.drawn.seed

    @property
    def windows(self) -> StepWindows:
        """Compute times of all steps."""
        return self.drawn.windows


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
    """Draw the requests, compute times and starts of one seed.

    Raises:
        ConfigError: The compute times cannot be had.
    """
    return draw_workload(scenario.workload, scenario.model, scenario.ranks, seed)


def draw_workload(workload: StepsWorkload, model: MoEModel, ranks: int, seed: int) -> Draw:
    """Draw as `draw` does, before a cluster has been chosen.

    Args:
        workload: Requests, compute, and how many steps.
        model: Whose layers compute.
        ranks: Ranks of the group.
        seed: Of everything random.

    Raises:
        ConfigError: The compute times cannot be had.
    """
    steps = draw_steps(workload.load, ranks, workload.warmup + workload.iterations, seed)
    windows = build_windows(workload.compute, model, steps, seed)
    start_s = np.zeros(ranks)
    if workload.start == "random":
        first_s = windows.lead_s[:, 0] + (windows.before_s + windows.moe_s)[:, 0].sum(axis=1)
        start_s = np.random.default_rng([seed, 1]).uniform(0.0, 1.0, ranks) * float(first_s.mean())
    return Draw(seed, steps, windows, start_s)


def replicate(
    scenario: Scenario,
    seed: int | Draw,
    *,
    blame: bool = False,
    rates_between_s: tuple[float, float] | None = None,
    among: int = 1,
    progress: Callable[[int], None] = lambda finished: None,
) -> Replication:
    """Run one seed.

    Args:
        scenario: What runs.
        seed: Of everything random; or what it has drawn already.
        blame, rates_between_s: As of `simulate_steps`.
        among: How many such runs are made, about (`simulate_steps`).
        progress: Called now and then with the number of copies that have arrived.
    """
    drawn = seed if isinstance(seed, Draw) else draw(scenario, seed)
    timeline = simulate_steps(
        scenario.program,
        drawn.windows,
        scenario.constants,
        scenario.options,
        scenario.workload.pace(),
        start_s=drawn.start_s,
        seed=drawn.seed,
        blame=blame,
        rates_between_s=rates_between_s,
        engine=scenario.engine,
        among=among,
        progress=progress,
    )
    return Replication(drawn, figures(timeline, drawn.windows, scenario.workload.warmup), timeline)


def figures(timeline: StepTimeline, windows: StepWindows, warmup: int) -> dict[str, float]:
    """Reduce the counted steps to one number for each entry of `FIGURES`.

    Args:
        timeline: All steps.
        windows: Their compute times.
        warmup: Steps of each rank that do not count.
    """
    step_s = _steps_s(timeline, warmup)
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


def mean_step_s(timeline: StepTimeline, warmup: int) -> float:
    """Return only the figure `iteration_s`: the mean time of the counted steps, in seconds."""
    return float(_steps_s(timeline, warmup).mean())


def _steps_s(timeline: StepTimeline, warmup: int) -> Floats:
    """Seconds of each rank's counted steps, from the end of one to the end of the next."""
    ends = np.concatenate([timeline.step_begin_s[:, :1], timeline.step_end_s], axis=1)
    lengths_s: Floats = np.diff(ends, axis=1)[:, warmup:]
    return lengths_s


def dep_baseline(scenario: Scenario, draws: Sequence[Draw]) -> list[DepTimes] | None:
    """Mean forward step of the same requests under DEP, for each draw; None where windows are given."""
    times = compute_times(scenario.workload.compute, scenario.model)
    return None if times is None else [_mean_dep(scenario, drawn.steps, times) for drawn in draws]


def _mean_dep(scenario: Scenario, steps: list[list[Step]], times: ComputeTimes) -> DepTimes:
    counted = list(zip(*steps, strict=True))[scenario.workload.warmup :]
    together = [dep_step(times, ranks) for ranks in counted]
    columns = [(t.compute_s, t.communication_s, t.synchronization_s) for t in together]
    return DepTimes(*(float(np.mean(column)) for column in zip(*columns, strict=True)))
