"""Who took the time that a prefetch lost on the links: its contention, split by source and by other reader."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dwdp_sim.plan import Ints
from dwdp_sim.rates import RateSet
from dwdp_sim.sharing import Flow
from dwdp_sim.steps import Floats, StepTimeline

OWN_LINKS = -1  # in the place of a reader: nobody else read the source


@dataclass(frozen=True)
class Blame:
    """The contention of every prefetch, split.

    While a rank's engine moves bytes at rate R, where alone it would move them at C, it loses the share 1 − R / C of
    the time. That is split over its moving flows in proportion to what each lacks against its own rate alone, and what
    a flow from source s loses is split equally over the other GPUs that read s at that instant. Where there are none,
    the flow is slow because its links carry bytes in the other direction, too.

    Attributes:
        prefetch: Whose time it was, as an index into the timeline's (rank, step, layer) columns, ravelled; rising.
        source: Endpoint it was reading (`program.HOST` for host memory).
        reader: GPU that read the same source, or `OWN_LINKS`.
        lost_s: Seconds lost.
        rest_s: What remains of the contention, shape (ranks, iterations, layers): waits for a group's barrier or for
            an engine that served another stream. All of it where `is_split` is false.
        is_split: False for first-in-first-out sources: there a copy moves at its full rate or not at all, and what it
            lost depends on a queue, not on the rates.
    """

    prefetch: Ints
    source: Ints
    reader: Ints
    lost_s: Floats
    rest_s: Floats
    is_split: bool = True

    def of(self, rank: int, step: int, layer: int) -> Iterator[tuple[int, int, float]]:
        """Source, reader and seconds of one prefetch."""
        index = np.ravel_multi_index((rank, step, layer), self.rest_s.shape)
        rows = slice(*np.searchsorted(self.prefetch, [index, index + 1]).tolist())
        return zip(self.source[rows].tolist(), self.reader[rows].tolist(), self.lost_s[rows].tolist(), strict=True)


def split_contention(timeline: StepTimeline, sharing: str = "fair") -> Blame:
    """Split the contention of every prefetch by source and by other reader.

    Args:
        timeline: From `simulate_steps` with `record_links`.
        sharing: The `FabricOptions.sharing` it was run with; `fifo` is not split.

    Raises:
        ValueError: The timeline has no link samples.
    """
    contention_s = np.nan_to_num(timeline.contention_s)  # NaN: a rank that prefetches nothing
    if sharing == "fifo":
        none = np.zeros(0, dtype=np.int64)
        return Blame(none, none, none, np.zeros(0), contention_s, is_split=False)
    if not timeline.link_samples:
        raise ValueError("without link samples nobody knows who read what: simulate with record_links=True")
    losses = _Losses(timeline)
    parts = [losses.of(rank) for rank in range(len(contention_s))]
    prefetch, source, reader, lost_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    split_s = np.bincount(prefetch, weights=lost_s, minlength=contention_s.size).reshape(contention_s.shape)
    return Blame(prefetch, source, reader, lost_s, np.maximum(contention_s - split_s, 0.0))  # below zero: rounding


class _Losses:
    """The link samples, turned about: how long each set of moving flows lasted, and what each rank lost in it."""

    def __init__(self, timeline: StepTimeline) -> None:
        samples = timeline.link_samples
        self._begin_s = np.array([time_s for time_s, _ in samples])
        self._last_s = np.diff(self._begin_s, append=self._begin_s[-1])
        # A solved set is one object for as long as it is remembered, so that its identity tells it from others.
        identity = np.fromiter((id(rates) for _, rates in samples), dtype=np.int64, count=len(samples))
        _, first, self._set = np.unique(identity, return_index=True, return_inverse=True)
        self._sets = len(first)
        self._end_s = timeline.prefetch_end_s.reshape(len(timeline.prefetch_end_s), -1)
        rows: dict[int, list[tuple[int, int, int, float]]] = defaultdict(list)
        for number, index in enumerate(first.tolist()):
            for rank, source, reader, share in _losses(samples[index][1], timeline.flows):
                rows[rank].append((number, source, reader, share))
        self._rows = rows
        self._gpus = 1 + max((max(flow.src, flow.dst) for flow in timeline.flows), default=0)

    def of(self, rank: int) -> tuple[Ints, Ints, Ints, Floats]:
        """Prefetch, source, reader and seconds lost, summed, for one rank."""
        end_s = self._end_s[rank]
        table = np.array(self._rows[rank]).reshape(-1, 4)
        sets, source, reader = table[:, :3].astype(np.int64).T
        first = np.searchsorted(sets, np.arange(self._sets + 1))
        # The stream runs its prefetches in order: what moves up to the end of one, and after the end of the one
        # before, is its own. What moves after the last one is not counted; a rank without prefetches has no end.
        prefetch = np.searchsorted(end_s, self._begin_s, side="right")
        counted = (prefetch < len(end_s)) & ~np.isnan(end_s[0]) & (self._last_s > 0.0)
        loses = counted & (np.diff(first) > 0)[self._set]
        pairs, inverse = np.unique(prefetch[loses] * self._sets + self._set[loses], return_inverse=True)
        lasted_s = np.bincount(inverse, weights=self._last_s[loses], minlength=len(pairs))
        prefetch, number = np.divmod(pairs, self._sets)
        # Every pair of a prefetch and a set stands for all the rows of that set.
        count = first[number + 1] - first[number]
        row = np.repeat(first[number] - np.cumsum(count) + count, count) + np.arange(count.sum())
        ends = self._gpus + 1  # endpoints, HOST and OWN_LINKS are −1
        key = (np.repeat(prefetch, count) * ends + source[row] + 1) * ends + reader[row] + 1
        keys, inverse = np.unique(key, return_inverse=True)
        lost_s = np.bincount(inverse, weights=np.repeat(lasted_s, count) * table[row, 3], minlength=len(keys))
        own, pair = np.divmod(keys, ends * ends)
        return own + rank * len(end_s), pair // ends - 1, pair % ends - 1, lost_s


def _losses(rates: RateSet, flows: list[Flow]) -> Iterator[tuple[int, int, int, float]]:
    """(rank, source, reader, lost share of the time) for the bytes that arrive by each rank's own engine."""
    moving = [flows[number] for number in rates.flows]
    readers: dict[int, set[int]] = defaultdict(set)
    for flow in moving:
        if flow.is_peer:
            readers[flow.src].add(flow.dst)
    lacks = [max(alone - rate, 0.0) for alone, rate in zip(rates.alone, rates.rates, strict=True)]
    for engine, share in zip(rates.engines, rates.shares, strict=True):
        own = [(flow, lack) for flow, lack in zip(moving, lacks, strict=True) if flow.engine == engine and lack > 0.0]
        lost = sum(lack for _, lack in own)
        if share >= 1.0:
            continue
        for flow, lack in own:
            if flow.dst != flow.gpu:
                continue  # bytes that the engine takes away are no prefetch
            others = readers[flow.src] - {flow.dst} or {OWN_LINKS}
            for reader in sorted(others):
                yield flow.gpu, flow.src, reader, (1.0 - share) * lack / lost / len(others)
