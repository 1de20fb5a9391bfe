"""Compute bytes per second over time, for pictures and counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats
from dwdp_sim.fabric.timeline import LinkRates, Timeline
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.step_timeline import StepTimeline


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
    if links is not None and links.samples:
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
    wanted = {number for number, flow in enumerate(links.flows) if (flow.gpu, flow.src, flow.dst) in ends}
    total = {
        id(solved): sum(rate for number, rate in zip(solved.flows, solved.rates, strict=True) if number in wanted)
        for solved in {id(solved): solved for _, solved in links.samples}.values()
    }
    times = np.array([time_s for time_s, _ in links.samples])
    rate = np.array([total[id(solved)] for _, solved in links.samples])
    arrived = np.append(0.0, np.cumsum(rate[:-1] * np.diff(times)))
    rates: Floats = np.diff(np.interp(edges_s, times, arrived)) / np.diff(edges_s)
    return rates


def arrivals_over_time(
    timeline: StepTimeline, ranks: Collection[int], edges_s: Floats
) -> dict[tuple[int, int], Floats]:
    """Mean rate at which some ranks' engines fetch in each interval between `edges_s`, in bytes per second.

    Args:
        timeline: Steps with link rates.
        ranks: Whose.
        edges_s: Rising times, shape (bins + 1,).

    Returns:
        Rates by rank and source, shape (bins,); only pairs between which bytes move in that time.
    """
    samples = timeline.recorded_links.samples
    times = np.array([time_s for time_s, _ in samples])
    first, last = max(int(np.searchsorted(times, edges_s[0])) - 1, 0), int(np.searchsorted(times, edges_s[-1]))
    times = np.append(times[first:last], edges_s[-1])
    fetched = _fetched(timeline, ranks)
    rates: dict[tuple[int, int], Floats] = defaultdict(lambda: np.zeros(last - first))
    for index, (_, solved) in enumerate(samples[first:last]):
        for number, rate in zip(solved.flows, solved.rates, strict=True):
            if number in fetched:
                rates[fetched[number]][index] += rate
    arrived = {pair: np.append(0.0, np.cumsum(rate * np.diff(times))) for pair, rate in rates.items()}
    return {pair: np.diff(np.interp(edges_s, times, total)) / np.diff(edges_s) for pair, total in arrived.items()}


def most_alone(timeline: StepTimeline, ranks: Collection[int]) -> float:
    """Return the highest rate, in bytes per second, at which any of some ranks' engines would have fetched alone."""
    fetched = _fetched(timeline, ranks)
    highest = 0.0
    for solved in {id(rates): rates for _, rates in timeline.recorded_links.samples}.values():
        alone: dict[int, float] = defaultdict(float)
        for number, rate in zip(solved.flows, solved.alone, strict=True):
            if number in fetched:
                alone[fetched[number][0]] += rate
        highest = max(highest, *alone.values(), 0.0)
    return highest


def _fetched(timeline: StepTimeline, ranks: Collection[int]) -> dict[int, tuple[int, int]]:
    """Rank and source of the flows that some ranks' engines fetch by, by number."""
    return {
        number: (flow.dst, flow.src)
        for number, flow in enumerate(timeline.recorded_links.flows)
        if flow.gpu == flow.dst and flow.dst in ranks
    }
