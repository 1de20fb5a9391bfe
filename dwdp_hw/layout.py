"""Where the buffers lie: each rank's resident experts and its two slots, as offsets into two arenas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dwdp_sim.plan import CopyPlan, Ints

SLOTS = 2
GUARD_BYTES = 512


@dataclass(frozen=True)
class Layout:
    """Offsets of one rank's buffers.

    Experts stand one after another for each parameter, as in the engines. Every buffer starts at a multiple of
    `GUARD_BYTES` and, in the slot arena, has an untouched guard behind it.

    Attributes:
        parameter_bytes: Bytes of one expert, for each parameter.
        held: Experts a rank holds.
        remote: Experts a slot holds.
        layers: Layers with buffers of their own.
    """

    parameter_bytes: tuple[int, ...]
    held: int
    remote: int
    layers: int

    @classmethod
    def of(cls, plan: CopyPlan, layers: int) -> Layout:
        """The layout that running `plan` on that many layers needs."""
        placement = plan.placement
        held = placement.num_experts_per_worker
        return cls(tuple(p.bytes for p in plan.parameters), held, placement.num_experts - held, layers)

    @property
    def resident_bytes(self) -> int:
        """Size of a rank's resident arena."""
        return self.layers * sum(self._resident_strides)

    @property
    def slots_bytes(self) -> int:
        """Size of a rank's slot arena, guards included: one in front of everything and one behind every buffer."""
        return GUARD_BYTES + SLOTS * sum(self._slot_strides)

    def resident_offset(self, layer: int, parameter: int) -> int:
        """Where the experts of one layer and parameter start in the resident arena."""
        strides = self._resident_strides
        return layer * sum(strides) + sum(strides[:parameter])

    def slot_offset(self, slot: int, parameter: int) -> int:
        """Where the remote experts of one parameter start in the slot arena."""
        strides = self._slot_strides
        return GUARD_BYTES + slot * sum(strides) + sum(strides[:parameter])

    def guards(self) -> list[tuple[int, int]]:
        """(offset, bytes) of every stretch of the slot arena that no copy may touch."""
        guards = [(0, GUARD_BYTES)]
        for slot in range(SLOTS):
            for parameter, size in enumerate(self.parameter_bytes):
                end = self.slot_offset(slot, parameter) + self.remote * size
                stop = self.slot_offset(slot, parameter) + self._slot_strides[parameter]
                guards.append((end, stop - end))
        return guards

    @property
    def _resident_strides(self) -> list[int]:
        return [_rounded(self.held * size) for size in self.parameter_bytes]

    @property
    def _slot_strides(self) -> list[int]:
        return [_rounded(self.remote * size) + GUARD_BYTES for size in self.parameter_bytes]


@dataclass(frozen=True)
class RankCopies:
    """One rank's copies of one layer, in issue order, as offsets into arenas.

    Attributes:
        peer: Rank whose resident arena is read, shape (copies,).
        src: Offset in that arena.
        dst: Offset in the rank's own slot arena.
        size: Bytes.
        call_first: Index of each call's first copy, then the number of copies.
        call_issue: As in `CopyPlan`.
        call_barrier: As in `CopyPlan`.
        first_copy: Index of the rank's first copy in the whole plan, so that messages can name a slice.
    """

    peer: Ints
    src: Ints
    dst: Ints
    size: Ints
    call_first: Ints
    call_issue: Ints
    call_barrier: Ints
    first_copy: int


def rank_copies(plan: CopyPlan, layout: Layout, rank: int, layer: int) -> RankCopies:
    """The copies that `rank` issues for `layer`: the plan's, moved to that layer's buffers and slot `layer` mod 2."""
    rows = np.flatnonzero(plan.copy_rank == rank)
    calls = np.flatnonzero(plan.call_rank == rank)
    parameter = plan.copy_parameter[rows]
    return RankCopies(
        peer=plan.copy_peer[rows],
        src=_table(layout.resident_offset(layer, p) for p in range(len(plan.parameters)))[parameter]
        + plan.copy_src_offset[rows],
        dst=_table(layout.slot_offset(layer % SLOTS, p) for p in range(len(plan.parameters)))[parameter]
        + plan.copy_dst_offset[rows],
        size=plan.copy_bytes[rows],
        call_first=np.r_[np.searchsorted(plan.copy_call[rows], calls), len(rows)].astype(np.int64),
        call_issue=plan.call_issue[calls],
        call_barrier=plan.call_barrier[calls],
        first_copy=int(rows[0]) if len(rows) else 0,
    )


def _table(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _rounded(size: int) -> int:
    return -(-size // GUARD_BYTES) * GUARD_BYTES
