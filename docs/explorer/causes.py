"""Divide the time for which compute waited for experts by what made them late."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.steps.step_timeline import StepTimeline

CAUSES = ("contention", "gap", "host", "transfer")


def bubbles_by_cause(timeline: StepTimeline) -> Floats:
    """Seconds of every bubble by cause: shape (ranks, steps, layers, causes), in the order of `CAUSES`.

    What made a prefetch later than its bytes alone need (contention, gaps, the host) counts first, in proportion, up to
    the whole bubble; what is left would be there with nothing but the bytes. Time for which the engine was still busy
    with the layer before is divided as that layer's own prefetch was.
    """
    shape = timeline.bubble_s.shape
    own = np.stack([getattr(timeline, f"{cause}_s") for cause in CAUSES], axis=-1).reshape(shape[0], -1, len(CAUSES))
    busy_s = timeline.own_engine_s.reshape(shape[0], -1)
    parts = own.copy()
    for layer in range(1, parts.shape[1]):
        before = parts[:, layer - 1]
        share = busy_s[:, layer] / np.maximum(before.sum(axis=1), 1e-15)
        parts[:, layer] += before * share[:, None]
    late = parts[..., :-1]
    late_s = late.sum(axis=-1)
    bubble_s = timeline.bubble_s.reshape(shape[0], -1)
    charged = late * (np.minimum(bubble_s, late_s) / np.maximum(late_s, 1e-15))[..., None]
    rest_s = np.maximum(bubble_s - charged.sum(axis=-1), 0.0)
    return np.concatenate([charged, rest_s[..., None]], axis=-1).reshape(*shape, len(CAUSES))
