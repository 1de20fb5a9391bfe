"""From a timeline to the figures people ask for: latency, its lower bound, its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dwdp_sim.build import Job, Layer
from dwdp_sim.fabric_constants import REFILLS, FabricConstants
from dwdp_sim.program import HOST, Program, batch_spans_sources
from dwdp_sim.simulate import Floats, Timeline

SUMMARY_SCHEMA = 1
_IN_FLIGHT_RANGE = (1, 2, 3)


def lower_bound_s(program: Program, constants: FabricConstants) -> float:
    """The largest over all resources of bytes ÷ best capacity: no incast, no both-ways loss, no gap, no host."""
    src, dst, size = program.copy_src, program.copy_dst, program.copy_bytes.astype(np.float64)
    peer = (src != dst) & (src != HOST) & (dst != HOST)
    keys = {
        "egress": (src, peer),
        "ingress": (dst, peer),
        "pair": (src * program.num_gpus + dst, peer),
        "host_in": (dst, src == HOST),
        "host_out": (src, dst == HOST),
        "local": (src, src == dst),
    }
    bounds = [
        np.bincount(key[chosen], weights=size[chosen]).max() / constants.rates[name]
        for name, (key, chosen) in keys.items()
        if chosen.any()
    ]
    return float(max(bounds, default=0.0))


def unmeasured_rules(job: Job) -> list[FabricConstants] | None:
    """The constants under every other in-flight rule that nobody has measured; empty where they cannot matter.

    None where no range is wanted: fewer than three ranks, a replayed program, or `workload.range=false`.
    """
    if job.layer is None or job.layer.placement.dwdp_size < 3 or not job.config["workload"]["range"]:
        return None
    if not batch_spans_sources(job.program):
        return []
    variants = {(places, refill if places > 1 else "oldest") for places in _IN_FLIGHT_RANGE for refill in REFILLS}
    variants.discard((job.constants.in_flight_sources, job.constants.refill))
    return [replace(job.constants, in_flight_sources=k, refill=refill) for k, refill in sorted(variants)]


def latency(elapsed_s: Floats) -> dict[str, float]:
    """Mean, median, 95th percentile and maximum over ranks, in seconds."""
    return {
        "mean": float(elapsed_s.mean()),
        "p50": float(np.percentile(elapsed_s, 50)),
        "p95": float(np.percentile(elapsed_s, 95)),
        "max": float(elapsed_s.max()),
    }


def latency_range(elapsed_s: list[Floats]) -> dict[str, Any]:
    """Lowest and highest of each latency figure, and of each rank's latency, over several runs of one job."""
    figures = [latency(elapsed) for elapsed in elapsed_s]
    ranks = np.array(elapsed_s)
    return {
        **{name: [min(f[name] for f in figures), max(f[name] for f in figures)] for name in figures[0]},
        "ranks": [[float(low), float(high)] for low, high in zip(ranks.min(axis=0), ranks.max(axis=0), strict=True)],
    }


def memory_bytes(layer: Layer, slots: int = 2) -> dict[str, int]:
    """Bytes a GPU needs: resident experts of all MoE layers, and `slots` slots of remote experts."""
    model, placement = layer.model, layer.placement
    return {
        "experts": model.num_moe_layers * placement.num_experts_per_worker * model.expert_bytes,
        "slots": slots * layer.plan.slot_bytes(),
    }


def summarize(job: Job, timeline: Timeline, variants: list[Floats] | None, wall_s: float) -> dict[str, Any]:
    """The content of `summary.json` (docs/results.md describes each key).

    Args:
        job: What was run.
        timeline: What happened.
        variants: Latency a rank, in seconds, under each of the `unmeasured_rules`; None for no range.
        wall_s: How long the simulation took.
    """
    elapsed = timeline.stream_elapsed_s
    body: dict[str, Any]
    if job.layer is None:
        head = _head(job)
        streams = zip(job.program.stream_gpu.tolist(), elapsed.tolist(), strict=True)
        body = {"streams": [{"gpu": gpu, "elapsed_s": seconds} for gpu, seconds in streams]}
    else:
        head = layer_head(job, job.layer)
        body = {
            "prefetch_latency_s": latency(elapsed),
            "ranks": [{"rank": rank, **parts} for rank, parts in enumerate(_breakdown(timeline, len(elapsed)))],
        }
        if variants is not None:
            body["range_s"] = latency_range([elapsed, *variants])
    return {
        **head,
        **body,
        "lower_bound_s": lower_bound_s(job.program, job.constants),
        "assumed_constants": list(job.constants.assumed),
        "wall_s": wall_s,
    }


def _head(job: Job) -> dict[str, Any]:
    return {
        "schema": SUMMARY_SCHEMA,
        "config_hash": job.config_hash,
        "cluster": job.cluster.name,
        "issue_mode": job.issue_mode,
    }


def layer_head(job: Job, layer: Layer) -> dict[str, Any]:
    """What every summary says of the prefetch of a layer: who, how, how many copies, how much memory."""
    return {
        **_head(job),
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
        "memory_bytes": memory_bytes(layer, job.config["workload"]["slots"]),
    }


def _breakdown(timeline: Timeline, ranks: int) -> list[dict[str, float]]:
    return [
        {
            "prefetch_latency_s": float(timeline.stream_elapsed_s[rank]),
            "host_s": float(timeline.host_s[rank]),
            "gap_s": float(timeline.gap_s[rank]),
            "transfer_s": float(timeline.transfer_s[rank]),
            "contention_s": float(timeline.contention_s[rank]),
        }
        for rank in range(ranks)
    ]
