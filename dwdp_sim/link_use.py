"""Bytes per second over time, for pictures and counters."""

from __future__ import annotations

import numpy as np

from dwdp_sim.plan import Ints
from dwdp_sim.simulate import Floats, Timeline


def rate_over_time(timeline: Timeline, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], edges_s: Floats) -> Floats:
    """Mean rate of some copies in each interval between `edges_s`, in bytes per second.

    Each copy counts with its mean rate from its first byte to its last.

    Args:
        timeline: What happened.
        chosen: Which copies, shape (copies,).
        edges_s: Rising times, shape (bins + 1,).
    """
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


def lanes(start_s: Floats, end_s: Floats) -> Ints:
    """For copies of one engine: the first lane, counted from 0, in which each does not overlap an earlier one."""
    free: list[float] = []
    lane = np.zeros(len(start_s), dtype=np.int64)
    for index in np.argsort(start_s, kind="stable").tolist():
        begin = start_s[index]
        for number, until in enumerate(free):
            if until <= begin + 1e-12:
                lane[index] = number
                free[number] = end_s[index]
                break
        else:
            lane[index] = len(free)
            free.append(end_s[index])
    return lane
