"""Attribute the contention of each prefetch to the source that was shared and the rank that shared it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.blame import ends_of
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows

_MOST_PLACES = 1 << 24  # of ranks, prefetches, sources and readers: 128 MiB


@dataclass(frozen=True)
class Contention:
    """The contention of every prefetch, split by source and by other reader as `fabric.blame.Blame` says.

    Attributes:
        prefetch: Whose time it was, as an index into the timeline's (rank, step, layer) columns, ravelled; rising.
        source: Endpoint it was reading (`program.HOST` for host memory).
        reader: GPU that read the same source, or `blame.OWN_LINKS`.
        lost_s: Seconds lost.
        rest_s: What remains of the contention, shape (ranks, iterations, layers): waits for a group's barrier or for
            an engine that served another stream. All of it where it is not split.
        unsplit: Where the contention was met, for people, where more is not known; empty if it is split.
    """

    prefetch: Ints
    source: Ints
    reader: Ints
    lost_s: Floats
    rest_s: Floats
    unsplit: str = ""

    def of(self, rank: int, step: int, layer: int) -> Iterator[tuple[int, int, float]]:
        """Return source, reader and seconds lost of one prefetch."""
        index = np.ravel_multi_index((rank, step, layer), self.rest_s.shape)
        rows = slice(*np.searchsorted(self.prefetch, [index, index + 1]).tolist())
        return zip(self.source[rows].tolist(), self.reader[rows].tolist(), self.lost_s[rows].tolist(), strict=True)


def why_unsplit(program: Program, windows: StepWindows, options: FabricOptions) -> str:
    """Return where contention is met, for people, if nobody can say to whom time is lost; otherwise nothing.

    With first-in-first-out sources a copy moves at its full rate or not at all, and what it loses depends on a queue,
    not on the rates. Large groups have too many pairs of prefetches and readers.
    """
    if options.sharing == "fifo":
        return "behind other ranks' copies in the sources' queues"
    if windows.moe_s.size * ends_of(program) ** 2 > _MOST_PLACES:
        return "at sources that other ranks read as well"
    return ""


def split_contention(timeline: StepTimeline, unsplit: str = "") -> Contention:
    """Split the contention of every prefetch by source and by other reader.

    Args:
        timeline: From `simulate_steps` with `blame`.
        unsplit: From `why_unsplit`; if it says something, nothing is split.

    Raises:
        ValueError: The timeline does not say what was lost to whom.
    """
    contention_s = np.nan_to_num(timeline.contention_s)  # a rank that prefetches nothing has NaN
    if unsplit:
        none = np.zeros(0, dtype=np.int64)
        return Contention(none, none, none, np.zeros(0), contention_s, unsplit)
    if timeline.lost_s is None:
        raise ValueError("what was lost to whom is not known: simulate with blame=True")
    lost_s = timeline.lost_s.reshape(contention_s.size, *timeline.lost_s.shape[2:])
    prefetch, source, reader = np.nonzero(lost_s)
    split_s = lost_s.sum(axis=(1, 2)).reshape(contention_s.shape)
    rest_s = np.maximum(contention_s - split_s, 0.0)  # rounding may give less than zero
    return Contention(prefetch, source - 1, reader - 1, lost_s[prefetch, source, reader], rest_s)
