"""Summarize a prediction of forward steps: the content of `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.hypotheses import Variant
from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.fabric.timeline import LinkRates
from dwdp_sim.results.summary import Span
from dwdp_sim.results.summary_head import LayerHead, MemoryBytes
from dwdp_sim.silicon.operation import Operation
from dwdp_sim.steps.bubbles import Bubble
from dwdp_sim.steps.compute import compute_times
from dwdp_sim.steps.contention import Contention
from dwdp_sim.steps.dep import DepTimes
from dwdp_sim.steps.scenario import Draw, Replication, Scenario
from dwdp_sim.steps.silicon_times import SiliconTimes


@dataclass(frozen=True)
class Under:
    """The first seed once more, in larger slices, if something unmeasured is so.

    Attributes:
        state: The hypotheses that come to this.
        run: What happened.
        dep: The same requests under DEP; None where windows are given.
    """

    state: Variant
    run: Replication
    dep: DepTimes | None


@dataclass(frozen=True)
class IterationResult:
    """The outcome of one job of forward steps: replications, hypotheses, DEP and bubbles.

    Attributes:
        replications: One a seed.
        under: The first seed under each hypothesis, what is configured first; None if no range is wanted.
        dep: The same requests under DEP, one a seed; None without a roofline.
        contention: Where the contention of the first seed was met, and to whom time was lost.
        bubbles: The longest waits of the first seed.
        links: Rates of the first seed around its most telling moment (`focus`).
        wall_s: How long it took.
    """

    replications: list[Replication]
    under: list[Under] | None
    dep: list[DepTimes] | None
    contention: Contention
    bubbles: list[Bubble]
    links: LinkRates
    wall_s: float


@dataclass(frozen=True)
class StepsRange:
    """Lowest and highest of some figures over hypotheses, in seconds.

    Attributes:
        iteration_s, prefetch_latency_s, bubble_s: As in `StepsSummary.figures`.
        lowest, highest: The hypotheses with the shortest and the longest step.
    """

    iteration_s: Span
    lowest: str
    highest: str
    prefetch_latency_s: Span
    bubble_s: Span


@dataclass(frozen=True)
class DepSummary:
    """The time of the same requests under DEP.

    Attributes:
        iteration_s: A forward step.
        compute_s, communication_s, synchronization_s: Its parts, means.
        gain: How much less time DWDP takes: DEP's time ÷ DWDP's − 1.
        gain_range: Lowest and highest gain over hypotheses; None if no range was wanted.
    """

    iteration_s: Estimate
    compute_s: float
    communication_s: float
    synchronization_s: float
    gain: Estimate
    gain_range: Span | None


@dataclass(frozen=True)
class StepsSummary:
    """The prediction of forward steps.

    Attributes:
        head: What was run.
        memory_bytes: Of each GPU.
        replications: Seeds that were run.
        figures: The mean over seeds of each of `scenario.FIGURES`.
        time_to_first_token_s: Mean over requests, without queueing.
        lower_bound_s: Mean over steps of the larger of: its compute, all its layers' bytes over the busiest link.
        range_s: Over hypotheses; None if no range was wanted.
        dep: Beside DEP; None where windows are given.
        worst_bubbles: The longest waits of the first seed.
        assumed_constants: Names of the used constants that are neither measured nor published.
        compute: Name of the compute windows.
        compute_fallback: What measured kernels lack, where a roofline stands in for them; otherwise empty.
        kernels: What the windows rest on, where they are made of measured kernels: each operation of the first MoE
            layer in the first rank's first counted step of the first seed.
        wall_s: How long the simulation took.
    """

    head: LayerHead
    memory_bytes: MemoryBytes
    replications: int
    figures: Mapping[str, Estimate]
    time_to_first_token_s: float
    lower_bound_s: float
    range_s: StepsRange | None
    dep: DepSummary | None
    worst_bubbles: list[Bubble]
    assumed_constants: list[str]
    compute: str
    compute_fallback: str
    kernels: Sequence[Operation]
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """The content of `summary.json`; docs/results.md describes each key."""
        found: dict[str, Any] = {
            **asdict(self.head),
            "memory_bytes": asdict(self.memory_bytes),
            "replications": self.replications,
            "figures": {name: _as_dict(estimate) for name, estimate in self.figures.items()},
            "time_to_first_token_s": self.time_to_first_token_s,
            "lower_bound_s": self.lower_bound_s,
        }
        if self.range_s is not None:
            found["range_s"] = asdict(self.range_s)
        if self.dep is not None:
            estimates = {"iteration_s": _as_dict(self.dep.iteration_s), "gain": _as_dict(self.dep.gain)}
            found["dep"] = asdict(self.dep) | estimates
        if self.kernels:
            found["kernels"] = [{"operation": one.name, "kind": one.kind, **asdict(one.time)} for one in self.kernels]
        if self.compute_fallback:
            found["compute_fallback"] = self.compute_fallback
        return found | {
            "worst_bubbles": [asdict(bubble) for bubble in self.worst_bubbles],
            "assumed_constants": self.assumed_constants,
            "compute": self.compute,
            "wall_s": self.wall_s,
        }


def _kernels(scenario: Scenario, drawn: Draw) -> Sequence[Operation]:
    """What the windows rest on; nothing unless they are made of measured kernels."""
    times = compute_times(scenario.workload.compute, scenario.model)
    if not isinstance(times, SiliconTimes):
        return ()
    return times.operations(drawn.steps[0][scenario.workload.warmup], scenario.model.num_dense_layers)


def _as_dict(estimate: Estimate) -> dict[str, float | None]:
    half = estimate.half_width
    return {"mean": estimate.mean, "half_width": None if math.isnan(half) else half}


def summarize_steps(head: LayerHead, memory: MemoryBytes, scenario: Scenario, result: IterationResult) -> StepsSummary:
    """Summarize forward steps.

    Args:
        head: What was run.
        memory: What it needs.
        scenario: The forward steps.
        result: What was found.
    """
    first = result.replications[0]
    columns = {name: [r.figures[name] for r in result.replications] for name in first.figures}
    figures = {name: Estimate.of(values) for name, values in columns.items()}
    return StepsSummary(
        head=head,
        memory_bytes=memory,
        replications=len(result.replications),
        figures=figures,
        time_to_first_token_s=figures["iteration_s"].mean * _steps_a_request(first),
        lower_bound_s=_lower_bound_s(scenario, result),
        range_s=None if result.under is None else _range(figures, result.under),
        dep=None if result.dep is None else _beside_dep(result.dep, columns["iteration_s"], result.under),
        worst_bubbles=result.bubbles,
        assumed_constants=[*scenario.constants.assumed, *_assumed_compute(scenario)],
        compute=scenario.workload.compute.name,
        compute_fallback=scenario.workload.compute.fallback,
        kernels=_kernels(scenario, first.drawn),
        wall_s=result.wall_s,
    )


def _assumed_compute(scenario: Scenario) -> list[str]:
    """Assumed constants of the compute windows; of the formats, only those that the model's weights have."""
    model = scenario.model
    formats = {model.weight_format, model.attention.weight_format if model.attention else model.weight_format}
    return [
        f"compute.{name}"
        for name, constant in scenario.workload.compute.constants.items()
        if constant.provenance == "assumed" and (not name.startswith("flops_") or name[len("flops_") :] in formats)
    ]


def _range(figures: Mapping[str, Estimate], under: Sequence[Under]) -> StepsRange:
    """Lowest and highest of some figures over hypotheses: the mean, moved as the first seed is by each of them."""
    configured = under[0].run.figures
    moved = {
        name: [max(figures[name].mean + (one.run.figures[name] - configured[name]), 0.0) for one in under]
        for name in ("iteration_s", "prefetch_latency_s", "bubble_s")
    }
    spans = {name: (min(values), max(values)) for name, values in moved.items()}
    lowest, highest = (under[int(place(moved["iteration_s"]))].state.hypotheses[0] for place in (np.argmin, np.argmax))
    return StepsRange(lowest=lowest, highest=highest, **spans)


def _lower_bound_s(scenario: Scenario, result: IterationResult) -> float:
    """No step can be shorter than its compute, nor than all its layers' bytes over the busiest link."""
    bytes_s = scenario.model.num_moe_layers * lower_bound_s(scenario.program, scenario.constants)
    windows = [r.windows for r in result.replications]
    compute = [(w.lead_s + (w.before_s + w.moe_s).sum(axis=2))[:, scenario.workload.warmup :] for w in windows]
    return float(np.mean(np.maximum(np.array(compute), bytes_s)))


def _beside_dep(dep: Sequence[DepTimes], iteration_s: Sequence[float], under: Sequence[Under] | None) -> DepSummary:
    total = [times.total_s for times in dep]
    gain = paired_gain(iteration_s, total)
    return DepSummary(
        iteration_s=Estimate.of(total),
        compute_s=float(np.mean([times.compute_s for times in dep])),
        communication_s=float(np.mean([times.communication_s for times in dep])),
        synchronization_s=float(np.mean([times.synchronization_s for times in dep])),
        gain=gain,
        gain_range=_gain_range(gain.mean, under) if under else None,
    )


def _gain_range(mean: float, under: Sequence[Under]) -> Span:
    """Lowest and highest gain over DEP: the mean, moved as the first seed's is by each hypothesis."""
    gains = [one.dep.total_s / one.run.figures["iteration_s"] - 1.0 for one in under if one.dep]
    moved = [mean + (gain - gains[0]) for gain in gains]
    return min(moved), max(moved)


def _steps_a_request(first: Replication) -> float:
    """Mean number of forward steps that a request takes; more than one only where inputs are cut into chunks."""
    chunks = [chunk for rank in first.drawn.steps for step in rank for chunk in step]
    return len(chunks) / max(sum(chunk.context_tokens == 0 for chunk in chunks), 1)
