"""Lay out each rank's resident experts and its two slots, as offsets into two arenas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.plan.copy_plan import CopyPlan

SLOTS = 2
GUARD_BYTES = 512
# Large buffers start at multiples of a GPU page, as they do in an allocator's large blocks. Peer memory whose size is
# not a multiple of it was read 15 to 30 % slower through CUDA IPC.
PAGE_BYTES = 2 << 20
_LARGE_BYTES = 1 << 20


@dataclass(frozen=True)
class Layout:
    """Offsets of one rank's buffers.

    Experts stand one after another for each parameter, as in the engines. Buffers of a mebibyte or more start at
    multiples of `PAGE_BYTES`, smaller ones of `GUARD_BYTES`. In the slot arena an untouched guard of at least
    `GUARD_BYTES` stands in front of and behind every buffer.

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
        return self.layers * self._resident_stride

    @property
    def slots_bytes(self) -> int:
        """Size of a rank's slot arena."""
        return self._slot_starts[-1]

    def resident_offset(self, layer: int, parameter: int) -> int:
        """Return the offset of the experts of one layer and parameter in the resident arena."""
        return layer * self._resident_stride + _starts([self.held * b for b in self.parameter_bytes], 0)[parameter]

    def slot_offset(self, slot: int, parameter: int) -> int:
        """Return the offset of the remote experts of one parameter in the slot arena."""
        return self._slot_starts[slot * len(self.parameter_bytes) + parameter]

    def guards(self) -> list[tuple[int, int]]:
        """(offset, bytes) of every stretch of the slot arena that no copy may touch."""
        starts = self._slot_starts
        ends = [0] + [start + size for start, size in zip(starts, self._slot_sizes, strict=False)]
        return [(end, start - end) for end, start in zip(ends, starts, strict=True)]

    @property
    def _resident_stride(self) -> int:
        sizes = [self.held * size for size in self.parameter_bytes]
        return _rounded(_starts(sizes, 0)[-1], sum(sizes))

    @property
    def _slot_sizes(self) -> list[int]:
        return [self.remote * size for _ in range(SLOTS) for size in self.parameter_bytes]

    @property
    def _slot_starts(self) -> list[int]:
        return _starts(self._slot_sizes, GUARD_BYTES)


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
    """

    peer: Ints
    src: Ints
    dst: Ints
    size: Ints
    call_first: Ints
    call_issue: Ints
    call_barrier: Ints


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
    )


def _table(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _starts(sizes: Sequence[int], guard: int) -> list[int]:
    """Where buffers of these sizes start, each with a guard in front, and where the guard behind the last one ends."""
    starts, end = [], 0
    for size in sizes:
        starts.append(_rounded(end + guard, size))
        end = starts[-1] + size
    return [*starts, _rounded(end + guard, 0)]


def _rounded(offset: int, size: int) -> int:
    """The next place at which a buffer of `size` bytes may start."""
    unit = PAGE_BYTES if size >= _LARGE_BYTES else GUARD_BYTES
    return -(-offset // unit) * unit
