"""A few layers of forward steps as text: what every rank computes, waits for and pulls in a short time.

A rank is the number of its first layer (two digits) and a record of thirteen digits for each layer: when its compute
could begin, needed its experts, had them and ended, when its prefetch began and ended (two digits each, of `STEPS`
parts of the time shown), and the share of the prefetch that its bytes need alone (one digit). Digits are `DIGITS`.
"""

from __future__ import annotations

import numpy as np

from dwdp_sim.steps.step_timeline import StepTimeline

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
STEPS = len(DIGITS) ** 2 - 1
LAYERS = 3
_CLOCKS = ("ready_s", "wait_begin_s", "moe_begin_s", "moe_end_s")


def excerpt(timeline: StepTimeline, step: int, span_s: float) -> str:
    """The time of `span_s` seconds from when rank 0 begins the middle layer of a step; ranks with a comma between.

    Args:
        timeline: The steps.
        step: Of rank 0.
        span_s: How long.
    """
    begin_s = float(timeline.ready_s[0, step, timeline.bubble_s.shape[2] // 2])
    return ",".join(_rank(timeline, rank, begin_s, span_s) for rank in range(len(timeline.bubble_s)))


def _rank(timeline: StepTimeline, rank: int, begin_s: float, span_s: float) -> str:
    layers = timeline.bubble_s.shape[2]
    clocks = [getattr(timeline, name)[rank].ravel() for name in _CLOCKS]
    pulled = (timeline.prefetch_begin_s + timeline.own_engine_s)[rank].ravel(), timeline.prefetch_end_s[rank].ravel()
    alone = timeline.transfer_s[rank].ravel() / np.maximum(pulled[1] - pulled[0], 1e-15)
    first_s, last_s = np.minimum(clocks[0], pulled[0]), np.maximum(clocks[-1], pulled[1])
    shown = np.flatnonzero((last_s > begin_s) & (first_s < begin_s + span_s))
    if not len(shown):
        return ""
    places = (np.clip((np.stack([*clocks, *pulled]) - begin_s) / span_s, 0.0, 1.0) * STEPS).round().astype(int)
    records = ("".join(map(_two, places[:, i].tolist())) + DIGITS[round(min(alone[i], 1.0) * 63)] for i in shown)
    return _two(int(shown[0]) % layers) + "".join(records)


def _two(number: int) -> str:
    return DIGITS[number // len(DIGITS)] + DIGITS[number % len(DIGITS)]
