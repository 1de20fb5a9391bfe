"""When ranks may have started where nobody recorded it, and what a program takes from each of these starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.start_times import Starts

DRAWS = 8
LATEST_S = Starts.max_phase_s
_ENOUGH = 3  # draws, where they agree
_ALIKE = 1e-3  # relative difference of a stream's times from draw to draw that calls for no more draws

Run = Callable[[Floats, int], Floats]
"""From the starts of the streams and a seed to the seconds that each stream takes from its own start."""


def drawn_starts_s(streams: int, options: FabricOptions, seed: int = 0) -> Floats:
    """Starts of the streams beyond their planned ones for each draw, in seconds, shape (draws, streams).

    A single stream needs one draw, unless the order inside its batches is drawn, too.
    """
    draws = DRAWS if streams > 1 or options.batch_order != "kept" else 1
    return np.array(Starts(draws=draws).draw_s(streams, seed))


def over_starts(run: Run, starts_s: Floats, seed: int = 0) -> Floats:
    """Seconds of each stream for each draw of starts, shape (draws, streams).

    Draws that agree within 0.1 % speak for all: after three of them no more are made.

    Args:
        run: What to do for each draw.
        starts_s: Shape (draws, streams).
        seed: Of the first draw.
    """
    found: list[Floats] = []
    for draw, starts in enumerate(starts_s):
        found.append(run(starts, seed + draw))
        times = np.array(found)
        if len(found) == _ENOUGH and (np.ptp(times, axis=0) <= _ALIKE * times.min(axis=0)).all():
            break
    return np.array(found)
