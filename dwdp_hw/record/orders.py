"""A layer's copies as sequences that can be laid beside one another: those of a plan, and those that were issued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.record.layers import Prefetch
from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.units import format_bytes
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan, in_issue_order
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.slices import Slices
from dwdp_sim.plan.strategy import Strategy

_UNKNOWN = -1


@dataclass(frozen=True)
class Order:
    """The copies of one rank's layer in issue order; every column has the shape (copies,).

    Attributes:
        call: Number of the call that issues each copy, from 0.
        is_batch: Whether that call is a batch.
        peer: Rank that is read.
        bytes: Length.
        src, dst: Where it reads and writes, in bytes from where the copy of `before` does; 0 where that is not known.
        before: The copy before it of the same pull, where the order knows pulls; −1 of the first.
    """

    call: Ints
    is_batch: Ints
    peer: Ints
    bytes: Ints
    src: Ints
    dst: Ints
    before: Ints


@dataclass(frozen=True)
class Difference:
    """Where an order first differs from what was expected.

    Attributes:
        rank: Whose.
        copy: Its number in the layer, from 0.
        expected, found: In words.
    """

    rank: int
    copy: int
    expected: str
    found: str

    def __str__(self) -> str:
        return f"rank {self.rank}, copy {self.copy}: expected {self.expected}, found {self.found}"


def orders_of_plan(model: MoEModel, placement: Placement, strategy: Strategy) -> dict[int, Order]:
    """Return the order of each rank in the plan that `build_plan` makes.

    Raises:
        ConfigError: It makes none.
    """
    plan = build_plan(model, placement, strategy)
    found = {}
    for rank in range(placement.dwdp_size):
        own = plan.copy_rank == rank
        pull = plan.copy_peer[own] * len(plan.parameters) + plan.copy_parameter[own]
        before = _before(pull)
        src, dst = (_steps(column[own], before) for column in (plan.copy_src_offset, plan.copy_dst_offset))
        call = plan.copy_call[own]
        issue = (plan.call_issue[call] == BATCH).astype(np.int64)
        found[rank] = Order(call - call.min(), issue, plan.copy_peer[own], plan.copy_bytes[own], src, dst, before)
    return found


def orders_of_pulls(pulls: Slices, strategy: Strategy) -> dict[int, Order]:
    """Return the order in which a strategy issues these pulls, of each rank that has some."""
    slices, _, starts, _ = in_issue_order(pulls, strategy)
    call, issue = np.cumsum(starts) - 1, np.full(len(starts), strategy.kind.issue == BATCH, dtype=np.int64)
    found = {}
    for rank in np.unique(slices.rank).tolist():
        own = slices.rank == rank
        nothing = np.zeros(int(own.sum()), dtype=np.int64)
        first = call[own].min()
        alone = nothing + _UNKNOWN
        found[rank] = Order(call[own] - first, issue[own], slices.peer[own], slices.bytes[own], nothing, nothing, alone)
    return found


def issued_order(prefetch: Prefetch, peers: Mapping[int, int]) -> Order:
    """Return the order of what was issued.

    Args:
        prefetch: Of one rank.
        peers: The rank that each memory belongs to.
    """
    layer = prefetch.layer
    lengths = [len(call.src) for call in layer]
    columns = [
        [peers[memory] for call in layer for memory in call.memory],
        [size for call in layer for size in call.copies.bytes],
        [offset for call in layer for offset in call.copies.src_offset],
        [offset for call in layer for offset in call.copies.dst_offset],
    ]
    peer, size, src, dst = (np.array(column, dtype=np.int64) for column in columns)
    call = np.repeat(np.arange(len(layer)), lengths)
    issue = np.repeat([int(call.is_batch) for call in layer], lengths)
    return Order(call, issue, peer, size, src, dst, np.full(len(call), _UNKNOWN))


def first_difference(rank: int, expected: Order, found: Order, memory: Sequence[tuple[int, int]]) -> Difference | None:
    """Return where two orders of a rank first differ; None if they are equal.

    Args:
        rank: Whose.
        expected: Of a plan or of pulls.
        found: What was issued.
        memory: Allocations that each issued copy reads and writes: offsets in one allocation can be compared.
    """
    length = min(len(expected.peer), len(found.peer))
    unequal = np.zeros(length, dtype=np.bool_)
    for name in ("call", "is_batch", "peer", "bytes"):
        unequal |= getattr(expected, name)[:length] != getattr(found, name)[:length]
    before = expected.before[:length]
    known = np.flatnonzero(before >= 0)
    same = np.array([memory[place] == memory[int(before[place])] for place in known.tolist()], dtype=np.bool_)
    known = known[same]
    for name in ("src", "dst"):
        column = getattr(found, name)
        unequal[known] |= column[known] - column[before[known]] != getattr(expected, name)[known]
    places = np.flatnonzero(unequal)
    if len(places):
        place = int(places[0])
        return Difference(rank, place, _words(expected, place), _words(found, place, expected))
    if len(expected.peer) != len(found.peer):
        return Difference(rank, length, _words(expected, length), _words(found, length))
    return None


def _words(order: Order, place: int, other: Order | None = None) -> str:
    """A copy in words; where both orders say the same of it otherwise, what differs is where it reads or writes."""
    if place >= len(order.peer):
        return "the end of the layer"
    issue = "a batch" if order.is_batch[place] else "a single copy"
    said = (
        f"{format_bytes(int(order.bytes[place]))} from rank {order.peer[place]} in call {order.call[place]} ({issue})"
    )
    if other is not None and said == _words(other, place):
        return f"{said} at another place of its pull"
    return said


def _before(pull: Ints) -> Ints:
    """For each copy the one before it with the same number; −1 of the first."""
    before = np.full(len(pull), _UNKNOWN, dtype=np.int64)
    order = np.argsort(pull, kind="stable")
    same = pull[order[1:]] == pull[order[:-1]]
    before[order[1:][same]] = order[:-1][same]
    return before


def _steps(offset: Ints, before: Ints) -> Ints:
    return np.where(before >= 0, offset - offset[before], 0)
