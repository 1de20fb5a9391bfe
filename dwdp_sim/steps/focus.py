"""Choose the moment of forward steps that tells most about them."""

from __future__ import annotations

import numpy as np

from dwdp_sim.steps.step_timeline import StepTimeline


def most_telling(timeline: StepTimeline) -> tuple[int, int, int]:
    """Return rank, step and layer of the longest wait for experts.

    It is the longest of all but the first layers, if possible at a time at which every rank was in a counted step; if
    only first layers waited, their longest, and if nothing waited, the slowest prefetch.
    """
    bubble_s = timeline.bubble_s
    begun_s, over_s = timeline.step_begin_s[:, 0].max(), timeline.step_end_s[:, -1].min()
    among_all_s = np.where((timeline.wait_begin_s >= begun_s) & (timeline.moe_begin_s <= over_s), bubble_s, 0.0)
    for candidates in (among_all_s[:, :, 1:], bubble_s[:, :, 1:], bubble_s, np.nan_to_num(timeline.latency_s)):
        if candidates.max(initial=0.0) > 0.0:
            break
    rank, step, layer = (int(i) for i in np.unravel_index(np.argmax(candidates), candidates.shape))
    return rank, step, layer + bubble_s.shape[2] - candidates.shape[2]


def around(timeline: StepTimeline, place: tuple[int, int, int]) -> tuple[float, float]:
    """Return the time, in seconds, from a layer's prefetch to the end of the next layer, and a little on either side.

    With two slots a prefetch begins as the second layer before has ended.
    """
    rank, step, layer = place
    last = min(layer + 1, timeline.moe_end_s.shape[2] - 1)
    first_s = np.nan_to_num(timeline.prefetch_begin_s[place], nan=timeline.step_begin_s[rank, step])
    begin_s, end_s = float(first_s), float(timeline.moe_end_s[rank, step, last])
    return begin_s - 0.02 * (end_s - begin_s), end_s + 0.02 * (end_s - begin_s)
