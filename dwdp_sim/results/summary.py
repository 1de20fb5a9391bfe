"""From a timeline to the figures people ask for: latency, its lower bound, its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.hypotheses import Variant
from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.job.job import Job, Layer, LayerJob, ReplayJob, StepsJob

SUMMARY_SCHEMA = 2


@dataclass(frozen=True)
class Runs:
    """What a job's simulations gave, in seconds; shapes are (draws, streams).

    Attributes:
        elapsed_s: Latency of each stream.
        parts_s: Its partition into `host_s`, `gap_s`, `transfer_s` and `contention_s`.
        under: For each hypothesis, or several that the program cannot tell apart, latencies over the first draws; the
            first is what is configured. None where no range is wanted.
    """

    elapsed_s: Floats
    parts_s: dict[str, Floats]
    under: list[tuple[Variant, Floats]] | None


def latency(elapsed_s: Floats) -> dict[str, float]:
    """Mean, median, 95th percentile and maximum over draws and ranks, in seconds."""
    return {
        "mean": float(elapsed_s.mean()),
        "p50": float(np.percentile(elapsed_s, 50)),
        "p95": float(np.percentile(elapsed_s, 95)),
        "max": float(elapsed_s.max()),
    }


def latency_range(under: Sequence[tuple[Variant, Floats]], streams: str) -> dict[str, Any]:
    """Lowest and highest of each latency figure, and of each stream's mean, over hypotheses; and who says so.

    Args:
        under: For each machine, latencies in seconds over some draws, shape (draws, streams), what is configured first.
        streams: What the streams are: `ranks` or `streams`.
    """
    figures = [latency(elapsed_s) for _, elapsed_s in under]
    means_s = np.array([elapsed_s.mean(axis=0) for _, elapsed_s in under])
    whole = [figure["mean"] for figure in figures]
    return {
        **{name: [min(f[name] for f in figures), max(f[name] for f in figures)] for name in figures[0]},
        streams: [
            [float(low), float(high)] for low, high in zip(means_s.min(axis=0), means_s.max(axis=0), strict=True)
        ],
        "lowest": under[int(np.argmin(whole))][0].hypotheses[0],
        "highest": under[int(np.argmax(whole))][0].hypotheses[0],
        "draws": len(under[0][1]),
        "under": [
            {"hypotheses": list(machine.hypotheses), "mean_s": mean}
            for (machine, _), mean in zip(under, whole, strict=True)
        ],
    }


def draw_spread(elapsed_s: Floats) -> float | None:
    """How far single draws lie from their mean: the largest difference of a draw's mean latency, as a share.

    Args:
        elapsed_s: Latencies in seconds, shape (draws, streams).

    Returns:
        The share; None of a single draw.
    """
    means_s = elapsed_s.mean(axis=1)
    if len(means_s) < 2:
        return None
    return float(np.abs(means_s / means_s.mean() - 1.0).max())


def memory_bytes(layer: Layer, slots: int = 2) -> dict[str, int]:
    """Bytes a GPU needs: resident experts of all MoE layers, and `slots` slots of remote experts."""
    model, placement = layer.model, layer.placement
    return {
        "experts": model.num_moe_layers * placement.num_experts_per_worker * model.expert_bytes,
        "slots": slots * layer.plan.slot_bytes(),
    }


def summarize(job: LayerJob | ReplayJob, runs: Runs, wall_s: float, config_hash: str = "") -> dict[str, Any]:
    """The content of `summary.json` (docs/results.md describes each key).

    Args:
        job: What was run.
        runs: What its simulations gave.
        wall_s: How long they took.
        config_hash: Of the configuration that the job was made from.
    """
    means_s = runs.elapsed_s.mean(axis=0)
    body: dict[str, Any]
    if isinstance(job, ReplayJob):
        head, streams = _head(job, config_hash), "streams"
        body = {
            "streams": [
                {"gpu": gpu, "elapsed_s": seconds}
                for gpu, seconds in zip(job.program.stream_gpu.tolist(), means_s.tolist(), strict=True)
            ]
        }
    else:
        head, streams = layer_head(job, config_hash, job.slots), "ranks"
        parts = {"prefetch_latency_s": means_s, **{name: part.mean(axis=0) for name, part in runs.parts_s.items()}}
        body = {
            "prefetch_latency_s": latency(runs.elapsed_s),
            "ranks": [
                {"rank": rank, **{name: float(part[rank]) for name, part in parts.items()}}
                for rank in range(len(means_s))
            ],
        }
    if runs.under is not None:
        body["range_s"] = latency_range(runs.under, streams)
    return {
        **head,
        **body,
        "start": job.starts.kind,
        "draws": len(runs.elapsed_s),
        "draw_spread": draw_spread(runs.elapsed_s),
        "lower_bound_s": lower_bound_s(job.program, job.constants),
        "assumed_constants": list(job.constants.assumed),
        "wall_s": wall_s,
    }


def _head(job: Job, config_hash: str) -> dict[str, Any]:
    return {
        "schema": SUMMARY_SCHEMA,
        "config_hash": config_hash,
        "cluster": job.cluster.name,
        "issue_mode": job.issue_mode,
    }


def layer_head(job: LayerJob | StepsJob, config_hash: str, slots: int) -> dict[str, Any]:
    """What every summary says of the prefetch of a layer: who, how, how many copies, how much memory."""
    layer = job.layer
    return {
        **_head(job, config_hash),
        "model": layer.model.name,
        "strategy": layer.strategy.name,
        "implementation": layer.strategy.implementation,
        "dwdp_size": layer.placement.dwdp_size,
        "home": job.cluster.home,
        "plan": {
            "copies_per_rank": layer.plan.copies_per_rank(),
            "bytes_per_rank": layer.plan.bytes_per_rank(),
            "calls_per_rank": layer.plan.calls_per_rank(),
        },
        "memory_bytes": memory_bytes(layer, slots),
    }
