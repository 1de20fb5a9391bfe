"""Who took the time that a prefetch lost on the links: its contention, split by source and by other reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.max_min import Flow
from dwdp_sim.fabric.rates import RateSet
from dwdp_sim.steps.step_timeline import StepTimeline

OWN_LINKS = -1  # in the place of a reader: nobody else read the source
_SETS_AT_ONCE = 10_000  # bounds the memory of temporary columns


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
        ValueError: The timeline has no link rates.
    """
    contention_s = np.nan_to_num(timeline.contention_s)  # NaN: a rank that prefetches nothing
    links = None if sharing == "fifo" else timeline.recorded_links
    if links is None or not links.flows:
        none = np.zeros(0, dtype=np.int64)
        return Blame(none, none, none, np.zeros(0), contention_s, is_split=sharing != "fifo")
    begin_s = np.array([time_s for time_s, _ in links.samples])
    # A solved set is one object for as long as it is remembered, so that its identity tells it from others. Sets are
    # numbered as they first occur: by address, the last digits of sums would differ from process to process.
    solved = {id(rates): rates for _, rates in links.samples}
    place = {identity: number for number, identity in enumerate(solved)}
    number = np.array([place[id(rates)] for _, rates in links.samples])
    losses = _losses(list(solved.values()), links.flows)
    bounds = np.searchsorted(losses.rank, np.arange(len(contention_s) + 1))
    parts = []
    for rank, end_s in enumerate(timeline.prefetch_end_s.reshape(len(contention_s), -1)):
        own = losses.rows(slice(bounds[rank], bounds[rank + 1]))
        prefetch, source, reader, lost_s = _summed(own, begin_s, number, end_s)
        parts.append((prefetch + rank * len(end_s), source, reader, lost_s))
    prefetch, source, reader, lost_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    split_s = np.bincount(prefetch, weights=lost_s, minlength=contention_s.size).reshape(contention_s.shape)
    return Blame(prefetch, source, reader, lost_s, np.maximum(contention_s - split_s, 0.0))  # below zero: rounding


class _Losses(NamedTuple):
    """What ranks lose in sets of moving flows, as columns."""

    rank: Ints
    number: Ints
    source: Ints
    reader: Ints
    share: Floats  # of the time that the set lasts

    def rows(self, chosen: Ints | slice) -> _Losses:
        """Some of the rows, in the order of `chosen`."""
        rank, number, source, reader, share = self
        return _Losses(rank[chosen], number[chosen], source[chosen], reader[chosen], share[chosen])


def _summed(losses: _Losses, begin_s: Floats, number: Ints, end_s: Floats) -> tuple[Ints, Ints, Ints, Floats]:
    """Prefetch, source, reader and seconds lost, for one rank.

    Args:
        losses: The rank's.
        begin_s: When each link sample began; it lasts until the next one begins.
        number: Its set.
        end_s: When each prefetch ended. The stream runs them in order: what moves up to the end of one, and after the
            end of the one before, is its own. NaN for a rank that has none.
    """
    lasted_s = np.diff(begin_s, append=begin_s[-1])
    sets = int(number.max()) + 1
    first = np.searchsorted(losses.number, np.arange(sets + 1))
    count = np.diff(first)
    prefetch = np.searchsorted(end_s, begin_s, side="right")
    loses = (prefetch < len(end_s)) & ~np.isnan(end_s[0]) & (lasted_s > 0.0) & (count > 0)[number]
    pairs, pair_s = _totals(prefetch[loses] * sets + number[loses], lasted_s[loses])
    prefetch, number = np.divmod(pairs, sets)
    # Every pair of a prefetch and a set stands for all the losses in that set.
    each, row = _expanded(first[number], count[number])
    ends = 2 + max(losses.source.max(initial=0), losses.reader.max(initial=0))  # HOST and OWN_LINKS are −1
    key = (prefetch[each] * ends + losses.source[row] + 1) * ends + losses.reader[row] + 1
    keys, lost_s = _totals(key, pair_s[each] * losses.share[row])
    own, pair = np.divmod(keys, ends * ends)
    return own, pair // ends - 1, pair % ends - 1, lost_s


def _losses(sets: list[RateSet], flows: list[Flow]) -> _Losses:
    """What each rank loses in each set, for the bytes that arrive by its own engine; by rank, then by set."""
    parts = []
    for first in range(0, len(sets), _SETS_AT_ONCE):
        part = _losses_at_once(sets[first : first + _SETS_AT_ONCE], flows)
        parts.append(part._replace(number=part.number + first))
    losses = _Losses(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return losses.rows(np.argsort(losses.rank, kind="stable"))


def _losses_at_once(sets: list[RateSet], flows: list[Flow]) -> _Losses:
    """As `_losses`, with temporary columns that have an entry for each moving flow of each set."""
    engine, gpu, src, dst = np.array(flows, dtype=np.int64).reshape(-1, 4).T
    is_peer = np.array([flow.is_peer for flow in flows], dtype=np.bool_)
    engines, ends = 1 + engine.max(initial=0), 2 + max(src.max(initial=0), dst.max(initial=0))
    number = np.repeat(np.arange(len(sets)), [len(rates.flows) for rates in sets])
    flow = np.array([flow for rates in sets for flow in rates.flows], dtype=np.int64)
    lacks = [alone - rate for rates in sets for alone, rate in zip(rates.alone, rates.rates, strict=True)]
    lack = np.maximum(np.array(lacks, dtype=np.float64), 0.0)
    # The share of the time that each engine loses, over its flows in proportion to what each lacks.
    lost = np.zeros(len(sets) * engines)
    for index, rates in enumerate(sets):
        lost[[index * engines + number for number in rates.engines]] = 1.0 - np.array(rates.shares)
    of_engine = number * engines + engine[flow]
    lacking = np.bincount(of_engine, weights=lack, minlength=len(lost))
    share = lost[of_engine] * lack / np.maximum(lacking, 1e-300)[of_engine]
    # A source's readers in a set stand side by side. All count, not only those that prefetch.
    peers = is_peer[flow]
    reads = np.sort(((number * ends + src[flow] + 1) * ends + dst[flow])[peers])
    reads = reads[np.diff(reads, prepend=-1) > 0]  # a pull and a push may carry bytes to one reader
    chosen = (share > 0.0) & (dst == gpu)[flow]  # bytes that an engine takes away are no prefetch
    number, flow, share = number[chosen], flow[chosen], share[chosen]
    key = (number * ends + src[flow] + 1) * ends
    first, last = np.searchsorted(reads, key), np.searchsorted(reads, key + ends)
    each, row = _expanded(first, last - first)
    reader = reads[row] % ends
    other = reader != dst[flow[each]]
    each, reader = each[other], reader[other]
    others = np.bincount(each, minlength=len(flow))
    nobody = np.flatnonzero(others == 0)
    each, reader = np.concatenate([each, nobody]), np.concatenate([reader, np.full_like(nobody, OWN_LINKS)])
    blamed = share[each] / np.maximum(others, 1)[each]
    losses = _Losses(gpu[flow[each]], number[each], src[flow[each]], reader, blamed)
    return losses.rows(np.argsort(each, kind="stable"))


def _expanded(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """For ranges of `count` places from `first` on: which range, and which place, range after range."""
    each = np.repeat(np.arange(len(count)), count)
    return each, np.arange(len(each)) + (first - np.cumsum(count) + count)[each]


def _totals(key: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Each key once, rising, with the sum of its values."""
    keys, inverse = np.unique(key, return_inverse=True)
    return keys, np.bincount(inverse, weights=values, minlength=len(keys)).astype(np.float64)
