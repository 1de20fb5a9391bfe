"""Say which plan the issued copies are, or where they first differ from the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.record.groups import Issued
from dwdp_hw.record.orders import Difference, Order, first_difference, orders_of_plan, orders_of_pulls
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import format_slice
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import BATCHED, BATCHED_PER_ROUND, DEFAULT, RING, WAVES, offered_by
from dwdp_sim.plan.slices import Slices
from dwdp_sim.plan.strategy import Strategy

_SGLANG, _SGLANG_PARAMETERS = "sglang", 2
Orders = Mapping[int, Order]


@dataclass(frozen=True)
class Verdict:
    """Which plan it is.

    Attributes:
        fits: Strategies whose copies are these, all that cannot be told apart; those that no engine offers only if no
            other fits.
        nearest: The one with most copies right from the beginning, where none fits.
        difference: Where that one first differs.
    """

    fits: tuple[str, ...]
    nearest: str | None
    difference: Difference | None

    def __str__(self) -> str:
        if self.fits:
            others = f" (so does, with the same copies: {'; '.join(self.fits[1:])})" if self.fits[1:] else ""
            return f"{self.fits[0]}{others}"
        if self.nearest is None:
            return "no known plan, and none that could be compared"
        return f"no known plan; nearest: {self.nearest}; first difference: {self.difference}"


def by_structure(issued: Issued) -> Verdict:
    """Recognise a plan without a model: pulls are taken from the copies, and only their order is compared."""
    pulls = _pulls(issued)
    backwards = _out_of_sequence(issued)
    counts = np.unique(pulls.rank * issued.size + pulls.peer, return_counts=True)[1]
    names = [name for name in IMPLEMENTATIONS if name != _SGLANG or set(counts.tolist()) == {_SGLANG_PARAMETERS}]
    found = _verdict(issued, candidates(issued, names), lambda strategy: orders_of_pulls(pulls, strategy))
    return Verdict((), found.fits[0], backwards) if found.fits and backwards else found


def by_model(issued: Issued, model: MoEModel, placement: Placement) -> Verdict:
    """Compare with the plans of a model: order, bytes, and where each slice lies in its pull."""
    return _verdict(
        issued,
        candidates(issued, IMPLEMENTATIONS),
        lambda strategy: orders_of_plan(model, placement, strategy),
    )


def candidates(issued: Issued, implementations: Iterable[str]) -> list[Strategy]:
    """Return the strategies that may have issued such calls, those that engines offer first."""
    found = [strategy for name in implementations for strategy in offered_by(name) if strategy.kind == DEFAULT]
    if issued.slice_bytes is not None:
        cut, most = issued.slice_bytes, issued.most_copies
        batched = [name for name in implementations if IMPLEMENTATIONS[name].batches]
        offered = [Strategy(BATCHED, name, cut) for name in batched]
        found = [*offered, *found]
        if issued.most_calls > 1:
            found.append(Strategy(BATCHED_PER_ROUND, batched[0], cut))
            found += [Strategy(WAVES, name, cut, wave_copies=most) for name in batched]
    return [*found, *(Strategy(RING, name) for name in implementations)]


def describe(strategy: Strategy) -> str:
    """Return a strategy in words: `trtllm_vmm, batched, 2 MiB slices, no rotation`."""
    words = [strategy.implementation, strategy.name]
    if strategy.kind.issue == BATCH:
        words.append(f"{format_slice(strategy.slice_bytes)} slices")
    match strategy.kind:
        case kind if kind in (BATCHED, WAVES):
            words.append("rotated" if "rotation" in strategy.engine.batched_keys else "no rotation")
        case kind if kind in (DEFAULT, RING):
            words.append(f"{strategy.engine.default_keys[0]}-major")
    return ", ".join(words)


def _verdict(issued: Issued, strategies: Sequence[Strategy], expect: Callable[[Strategy], Orders]) -> Verdict:
    found = issued.orders
    fits: list[Strategy] = []
    best: tuple[float, str, Difference] | None = None
    for strategy in strategies:
        try:
            expected = expect(strategy)
        except ConfigError:  # sglang with overlapping experts: it cannot have been that
            continue
        right, difference = _right(issued, expected, found)
        if difference is None:
            fits.append(strategy)
        elif best is None or right > best[0]:
            best = (right, describe(strategy), difference)
    if fits or best is None:
        offered = [strategy for strategy in fits if strategy.kind in (DEFAULT, BATCHED)]  # others no engine issues
        return Verdict(tuple(dict.fromkeys(map(describe, offered or fits))), None, None)
    return Verdict((), best[1], best[2])


def _right(issued: Issued, expected: Orders, found: Orders) -> tuple[int, Difference | None]:
    """How many copies are right until the first difference, over all ranks, and the first rank's difference."""
    right, first = 0, None
    for rank, order in found.items():
        layer = issued.prefetches[rank].layer
        memory = [ends for call in layer for ends in zip(call.copies.src, call.copies.dst, strict=True)]
        difference = first_difference(rank, expected[rank], order, memory)
        right += len(order.peer) if difference is None else difference.copy
        first = first or difference
    return right, first


def _out_of_sequence(issued: Issued) -> Difference | None:
    """The first whole slice that the next whole one from the same memory does not continue, if most are not continued.

    Some never are: those that end a pull.
    """
    wrong: list[Difference] = []
    slices = 0
    for rank, part in issued.prefetches.items():
        before: dict[int, tuple[int, int, int]] = {}  # by memory: allocation, where the next slice begins, number
        columns = [(call.memory, call.copies.src, call.copies.src_offset, call.copies.bytes) for call in part.layer]
        copies = [copy for column in columns for copy in zip(*column, strict=True)]
        for number, (memory, allocation, offset, size) in enumerate(copies):
            last = before.pop(memory, None)
            if last is not None and last[0] == allocation and size == issued.slice_bytes:
                slices += 1
                if last[1] != offset:
                    wrong.append(Difference(rank, number, f"the slice behind copy {last[2]}", "one at another place"))
            if size == issued.slice_bytes:
                before[memory] = (allocation, offset + size, number)
    return wrong[0] if 2 * len(wrong) > slices else None


def _pulls(issued: Issued) -> Slices:
    """Pulls as the copies show them: a slice that is shorter than the others ends one, and a single copy is one."""
    rows: list[tuple[int, ...]] = []
    for rank, order in issued.orders.items():
        by_peer: dict[int, list[int]] = {}
        open_pulls: set[int] = set()
        for peer, size, is_batch in zip(
            order.peer.tolist(), order.bytes.tolist(), order.is_batch.tolist(), strict=True
        ):
            sizes = by_peer.setdefault(peer, [])
            if peer in open_pulls:
                sizes[-1] += size
            else:
                sizes.append(size)
            (open_pulls.add if is_batch and size == issued.slice_bytes else open_pulls.discard)(peer)
        for peer, sizes in sorted(by_peer.items()):
            rotation = (peer - rank) % issued.size
            rows += [(rank, peer, rotation, index, 0, index, 0, 0, size) for index, size in enumerate(sizes)]
    return Slices(*np.array(sorted(rows), dtype=np.int64).T)
