"""Summarize a prediction of one layer or of a replayed program: the content of `summary.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.hypotheses import Variant
from dwdp_sim.results.summary_head import LayerHead, MemoryBytes, RunHead

Span = tuple[float, float]  # lowest, highest


@dataclass(frozen=True)
class Latency:
    """Mean, median, 95th percentile and maximum over draws and ranks, in seconds."""

    mean: float
    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, elapsed_s: Floats) -> Latency:
        """Return the figures of latencies in seconds, of any shape."""
        p50, p95 = (float(np.percentile(elapsed_s, share)) for share in (50, 95))
        return cls(float(elapsed_s.mean()), p50, p95, float(elapsed_s.max()))


@dataclass(frozen=True)
class RankLatency:
    """A rank's mean latency over draws, and the parts that it is the sum of, in seconds."""

    rank: int
    prefetch_latency_s: float
    host_s: float
    gap_s: float
    transfer_s: float
    contention_s: float


@dataclass(frozen=True)
class StreamLatency:
    """A replayed stream's GPU, and its mean time over draws from its start to its last completion, in seconds."""

    gpu: int
    elapsed_s: float


@dataclass(frozen=True)
class UnderHypotheses:
    """The mean latency, in seconds, on a machine that some hypotheses allow."""

    hypotheses: list[str]
    mean_s: float


@dataclass(frozen=True)
class LatencyRange:
    """Lowest and highest latency over hypotheses, in seconds; what is configured is one of them.

    Attributes:
        mean, p50, p95, max: Of each figure.
        each: Of the mean of each rank, or of each stream.
        lowest, highest: The hypotheses with the lowest and the highest mean.
        draws: Starts that were drawn for each machine; what is configured had as many or more.
        under: Every machine, what is configured first.
    """

    mean: Span
    p50: Span
    p95: Span
    max: Span
    each: list[Span]
    lowest: str
    highest: str
    draws: int
    under: list[UnderHypotheses]

    def to_dict(self, streams: str) -> dict[str, Any]:
        """Return the content of `summary.json`, with `each` named after the streams: `ranks` or `streams`."""
        return {streams if name == "each" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Basis:
    """The constants and draws that a prediction rests on.

    Attributes:
        start: How the starts were chosen.
        draws: How many starts.
        draw_spread: From the function of that name.
        lower_bound_s: Bytes over the busiest link.
        assumed_constants: Names of the used constants that are neither measured nor published.
        wall_s: How long the simulation took.
    """

    start: str
    draws: int
    draw_spread: float | None
    lower_bound_s: float
    assumed_constants: list[str]
    wall_s: float


@dataclass(frozen=True)
class LayerSummary:
    """The prediction of a layer's prefetch.

    Attributes:
        head: What was run.
        memory_bytes: Of each GPU.
        prefetch_latency_s: Over draws and ranks.
        ranks: Each rank's.
        range_s: Over hypotheses; None if no range was wanted.
        basis: What it rests on.
    """

    head: LayerHead
    memory_bytes: MemoryBytes
    prefetch_latency_s: Latency
    ranks: list[RankLatency]
    range_s: LatencyRange | None
    basis: Basis

    def to_dict(self) -> dict[str, Any]:
        """The content of `summary.json`; docs/results.md describes each key."""
        return {
            **asdict(self.head),
            "memory_bytes": asdict(self.memory_bytes),
            "prefetch_latency_s": asdict(self.prefetch_latency_s),
            "ranks": [asdict(rank) for rank in self.ranks],
            **({} if self.range_s is None else {"range_s": self.range_s.to_dict("ranks")}),
            **asdict(self.basis),
        }


@dataclass(frozen=True)
class ReplaySummary:
    """The prediction of a replayed program.

    Attributes:
        head: What was run.
        streams: In the file's order.
        mean_s: Mean time over draws and streams, in seconds.
        range_s: Over hypotheses; None if no range was wanted.
        basis: What it rests on.
    """

    head: RunHead
    streams: list[StreamLatency]
    mean_s: float
    range_s: LatencyRange | None
    basis: Basis

    def to_dict(self) -> dict[str, Any]:
        """The content of `summary.json`; docs/results.md describes each key."""
        return {
            **asdict(self.head),
            "streams": [asdict(stream) for stream in self.streams],
            **({} if self.range_s is None else {"range_s": self.range_s.to_dict("streams")}),
            **asdict(self.basis),
        }


@dataclass(frozen=True)
class Runs:
    """The times that a job's simulations gave, in seconds; shapes are (draws, streams).

    Attributes:
        elapsed_s: Latency of each stream.
        parts_s: Its partition into `host_s`, `gap_s`, `transfer_s` and `contention_s`.
        under: For each hypothesis, or several that the program cannot tell apart, latencies over the first draws; the
            first is what is configured. None if no range is wanted.
    """

    elapsed_s: Floats
    parts_s: dict[str, Floats]
    under: list[tuple[Variant, Floats]] | None


def summarize_layer(head: LayerHead, memory: MemoryBytes, runs: Runs, basis: Basis) -> LayerSummary:
    """Summarize a layer's prefetch, whose streams are its ranks.

    Args:
        head: What was run.
        memory: What it needs.
        runs: What its simulations gave.
        basis: What they rest on.
    """
    parts_s = {name: part.mean(axis=0).tolist() for name, part in runs.parts_s.items()}
    ranks = [
        RankLatency(rank, latency_s, **{name: part[rank] for name, part in parts_s.items()})
        for rank, latency_s in enumerate(runs.elapsed_s.mean(axis=0).tolist())
    ]
    range_s = latency_range(runs.elapsed_s, runs.under)
    return LayerSummary(head, memory, Latency.of(runs.elapsed_s), ranks, range_s, basis)


def summarize_replay(head: RunHead, stream_gpu: Ints, runs: Runs, basis: Basis) -> ReplaySummary:
    """Summarize a replayed program.

    Args:
        head: What was run.
        stream_gpu: GPU of each stream.
        runs: What its simulations gave.
        basis: What they rest on.
    """
    elapsed_s = runs.elapsed_s.mean(axis=0).tolist()
    streams = [StreamLatency(gpu, seconds) for gpu, seconds in zip(stream_gpu.tolist(), elapsed_s, strict=True)]
    mean_s = float(runs.elapsed_s.mean())
    return ReplaySummary(head, streams, mean_s, latency_range(runs.elapsed_s, runs.under), basis)


def latency_range(elapsed_s: Floats, under: Sequence[tuple[Variant, Floats]] | None) -> LatencyRange | None:
    """Return the lowest and highest of each latency figure and of each stream's mean, and the hypotheses behind them.

    What is configured has its figures of all draws, so none of them lies outside its range. A machine that follows it
    from draw to draw has these figures, moved by the difference on the draws that both have. Any other has its own.

    Args:
        elapsed_s: Latencies in seconds over all draws, as configured, shape (draws, streams).
        under: For each machine, latencies over some of these draws, what is configured first; None if no range is
            wanted.
    """
    if under is None:
        return None
    machines, runs_s = [machine for machine, _ in under], [run_s for _, run_s in under]
    own_s = np.array([_figures(run_s) for run_s in runs_s])
    moved_s = np.maximum(_figures(elapsed_s) + (own_s - own_s[0]), 0.0)
    follows = [True, *(_follows(run_s, runs_s[0]) for run_s in runs_s[1:])]
    figures_s = np.where(np.array(follows)[:, None], moved_s, own_s)
    mean, p50, p95, most, *each = zip(figures_s.min(axis=0).tolist(), figures_s.max(axis=0).tolist(), strict=True)
    means_s = figures_s[:, 0]
    return LatencyRange(
        mean=mean,
        p50=p50,
        p95=p95,
        max=most,
        each=each,
        lowest=machines[int(np.argmin(means_s))].hypotheses[0],
        highest=machines[int(np.argmax(means_s))].hypotheses[0],
        draws=len(runs_s[0]),
        under=[
            UnderHypotheses(list(machine.hypotheses), mean_s)
            for machine, mean_s in zip(machines, means_s.tolist(), strict=True)
        ],
    )


def _figures(elapsed_s: Floats) -> Floats:
    """The fields of `Latency`, in their order, and the mean of each stream."""
    return np.array([*astuple(Latency.of(elapsed_s)), *elapsed_s.mean(axis=0)])


def _follows(run_s: Floats, configured_s: Floats) -> bool:
    """Whether a machine's latency less the configured one's differs by less from draw to draw than alone.

    Both have the same draws, shape (draws, streams). Where they are delayed by different starts, the difference has the
    chance of both in it, and a figure moved by it may even come out below what the links allow.
    """
    means_s = run_s.mean(axis=1)
    return bool(np.std(means_s - configured_s.mean(axis=1)) < np.std(means_s))


def draw_spread(elapsed_s: Floats) -> float | None:
    """Return the largest difference of a draw's latency from the mean over draws, as a share of that mean.

    Args:
        elapsed_s: Latencies in seconds, shape (draws, streams).

    Returns:
        The share; None of a single draw.
    """
    means_s = elapsed_s.mean(axis=1)
    if len(means_s) < 2:
        return None
    if not means_s.any():  # of a program without copies
        return 0.0
    return float(np.abs(means_s / means_s.mean() - 1.0).max())
