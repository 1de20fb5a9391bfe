"""Add up what each rank's prefetches lose, by the source that was shared and the GPU that shared it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.rates import RateSet
from dwdp_sim.plan.program import Program

OWN_LINKS = -1  # stands for a reader if no other GPU reads the source


class Loss(NamedTuple):
    """The share of the time that a rank loses at a source to a reader, while some set of flows moves."""

    rank: int
    source: int
    reader: int
    share: float


class Blame:
    """Seconds lost by prefetch, source and reader.

    While a rank's engine moves bytes at rate R, where alone it would move them at C, it loses the share 1 − R / C of
    the time. That is split over its moving flows in proportion to what each lacks against its own rate alone, and what
    a flow from source s loses is split equally over the other GPUs that read s at that instant. Where there are none,
    the flow is slow because its links carry bytes in the other direction, too.

    Attributes:
        lost_s: Shape (ranks, prefetches, ends, ends): seconds lost at source s to reader r in place s + 1, r + 1, since
            `program.HOST` and `OWN_LINKS` are −1.
    """

    def __init__(self, ranks: int, prefetches: int, ends: int) -> None:
        self.lost_s: Floats = np.zeros((ranks, prefetches, ends, ends))
        self._now_in = [0] * ranks  # the prefetch that each rank is in
        self._known: dict[tuple[int, ...], list[Loss]] = {}

    def arrived(self, rank: int) -> None:
        """A prefetch of a rank is complete: what moves from now on belongs to its next one."""
        self._now_in[rank] += 1

    def add(self, rates: RateSet, flows: Sequence[Flow], elapsed_s: float) -> None:
        """A set of flows has moved for some time."""
        ranks, prefetches = self.lost_s.shape[:2]
        if rates.flows not in self._known:
            self._known[rates.flows] = losses(rates, [flows[number] for number in rates.flows])
        for rank, source, reader, share in self._known[rates.flows]:
            if rank < ranks and self._now_in[rank] < prefetches:
                self.lost_s[rank, self._now_in[rank], source + 1, reader + 1] += share * elapsed_s


def ends_of(program: Program) -> int:
    """Return how many places `Blame.lost_s` needs for sources and for readers."""
    return 2 + int(max(program.copy_src.max(initial=-1), program.copy_dst.max(initial=-1)))


def losses(rates: RateSet, moving: Sequence[Flow]) -> list[Loss]:
    """Return what the engines of prefetches lose while a set of flows moves.

    Args:
        rates: Of the set.
        moving: Its flows.
    """
    share_of = dict(zip(rates.engines, rates.shares, strict=True))
    lack = [max(alone - rate, 0.0) for alone, rate in zip(rates.alone, rates.rates, strict=True)]
    lacking: dict[int, float] = defaultdict(float)
    readers: dict[int, set[int]] = defaultdict(set)
    for flow, lacks in zip(moving, lack, strict=True):
        lacking[flow.engine] += lacks
        if flow.is_peer:  # all readers count, not only those that prefetch
            readers[flow.src].add(flow.dst)
    found = []
    for flow, lacks in zip(moving, lack, strict=True):
        if flow.dst != flow.gpu or not lacks or share_of[flow.engine] >= 1.0:
            continue  # bytes that an engine takes away are no prefetch
        share = (1.0 - share_of[flow.engine]) * lacks / lacking[flow.engine]
        others = sorted(readers[flow.src] - {flow.dst} if flow.is_peer else ()) or [OWN_LINKS]
        found += [Loss(flow.dst, flow.src, other, share / len(others)) for other in others]
    return found
