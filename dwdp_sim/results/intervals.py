"""Choose intervals of time for pictures: wide enough to be seen, with edges where calls begin and end."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats
from dwdp_sim.fabric.timeline import Timeline

Chosen = Bools  # which copies, shape (copies,)


def call_edges_s(timeline: Timeline, chosen: Chosen, first_s: float, last_s: float, bins: int) -> Floats:
    """Return edges of intervals, in seconds, over which the mean rate of some copies is drawn.

    Equal intervals would beat with whatever repeats, such as waves. These begin where a call begins, so each holds
    whole calls or a part of one. A call's end is an edge too where the interval to the next beginning is long enough,
    and long intervals are cut evenly.

    Args:
        timeline: What happened.
        chosen: Which copies.
        first_s: The first edge.
        last_s: The last edge, later.
        bins: Intervals are about as long as this many equal ones would be, never much shorter.

    Returns:
        Rising times, at least two.
    """
    calls, call = np.unique(timeline.program.copy_call[chosen], return_inverse=True)
    starts, ends = np.full(len(calls), np.inf), np.full(len(calls), -np.inf)
    np.minimum.at(starts, call, timeline.copy_start_s[chosen])
    np.maximum.at(ends, call, timeline.copy_end_s[chosen])
    width = (last_s - first_s) / bins
    edges = np.array([first_s, last_s])
    for times in (np.sort(starts), np.sort(ends)):
        edges = _insert(edges, times, width)
    pieces = np.maximum(np.round(np.diff(edges) / width), 1).astype(np.int64)
    cut = [np.linspace(low, high, n, endpoint=False) for low, high, n in zip(edges, edges[1:], pieces, strict=False)]
    return np.concatenate([*cut, [last_s]])


def _insert(edges: Floats, times: Floats, width: float) -> Floats:
    """`edges` with those of the rising `times` that leave at least `width` to the edges on either side."""
    kept: list[float] = []
    following = np.searchsorted(edges, times, side="right")
    for time, after in zip(times.tolist(), following.tolist(), strict=True):
        if 0 < after < len(edges):
            before = max(edges[after - 1], kept[-1]) if kept else edges[after - 1]
            if time - before >= width and edges[after] - time >= width:
                kept.append(time)
    return np.sort(np.concatenate([edges, kept]))
