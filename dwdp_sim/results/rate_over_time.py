"""Compute bytes per second over time, for pictures and counters."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.timeline import LinkRates, Timeline
from dwdp_sim.plan.program import Program


def rate_over_time(timeline: Timeline, chosen: Bools, edges_s: Floats, links: LinkRates | None = None) -> Floats:
    """Return the mean rate of some copies in each interval between `edges_s`, in bytes per second.

    With link rates, copies count with the rates at which they moved, together with all others of the same GPU, source
    and destination; without, each counts with its mean rate from its first byte to its last.

    Args:
        timeline: What happened.
        chosen: Which copies, shape (copies,).
        edges_s: Rising times, shape (bins + 1,).
        links: The simulator's rates, if they were recorded.
    """
    if links is not None and len(links.time_s):
        return _sampled_rate(timeline.program, links, chosen, edges_s)
    start, end = timeline.copy_start_s[chosen], timeline.copy_end_s[chosen]
    size = timeline.program.copy_bytes[chosen].astype(np.float64)
    # Bytes that have arrived by t: a sum of ramps. The slope changes by +rate at a start and by −rate at an end.
    rate = size / np.maximum(end - start, 1e-15)
    times = np.concatenate([start, end])
    slopes = np.concatenate([rate, -rate])
    order = np.argsort(times, kind="stable")
    times, slope = times[order], np.cumsum(slopes[order])
    if not len(times):
        return np.zeros(len(edges_s) - 1)
    arrived = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(times))])
    rates: Floats = np.diff(np.interp(edges_s, times, arrived)) / np.diff(edges_s)
    return rates


def _sampled_rate(program: Program, links: LinkRates, chosen: Bools, edges_s: Floats) -> Floats:
    columns = (program.copy_gpu, program.copy_src, program.copy_dst)
    ends = set(zip(*(column[chosen].tolist() for column in columns), strict=True))
    return _mean_rate(links, [(flow.gpu, flow.src, flow.dst) in ends for flow in links.flows], edges_s)


def _mean_rate(links: LinkRates, chosen: list[bool], edges_s: Floats) -> Floats:
    """Mean rate of the chosen flows in each interval between `edges_s`."""
    arrived = links.arrived(np.array(chosen, dtype=np.bool_))
    rates: Floats = np.diff(np.interp(edges_s, links.time_s, arrived)) / np.diff(edges_s)
    return rates


def arrivals_over_time(links: LinkRates, ranks: Collection[int], edges_s: Floats) -> dict[tuple[int, int], Floats]:
    """Mean rate at which some ranks' engines fetch in each interval between `edges_s`, in bytes per second.

    Args:
        links: Rates in that time.
        ranks: Whose.
        edges_s: Rising times, shape (bins + 1,).

    Returns:
        Rates by rank and source, shape (bins,); only pairs between which bytes move in that time.
    """
    pair_of = [(flow.dst, flow.src) if _fetches(flow, ranks) else None for flow in links.flows]
    pairs = dict.fromkeys(pair_of[number] for number in np.unique(links.flow).tolist())
    return {pair: _mean_rate(links, [of == pair for of in pair_of], edges_s) for pair in pairs if pair is not None}


def most_alone(links: LinkRates, ranks: Collection[int]) -> float:
    """Return the highest rate, in bytes per second, at which any of some ranks' engines would have fetched alone."""
    rank_of = np.array([flow.dst if _fetches(flow, ranks) else -1 for flow in links.flows], dtype=np.int64)
    totals = [
        np.bincount(links.sample[rows], weights=links.alone[rows])
        for rank in ranks
        if (rows := rank_of[links.flow] == rank).any()
    ]
    return max((float(total.max()) for total in totals), default=0.0)


def _fetches(flow: Flow, ranks: Collection[int]) -> bool:
    return flow.gpu == flow.dst and flow.dst in ranks
