"""The copy plan as plain data: what is pulled, from where to where, in which order and in which calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.model.moe import Parameter
from dwdp_sim.model.placement import Placement

ASYNC, BATCH = 0, 1
NO_BARRIER = -1


@dataclass(frozen=True)
class CopyPlan:
    """The prefetch of one MoE layer for every rank of a group.

    Copies stand in issue order: by rank, inside a rank by call, inside a call as the call lists them. Memory is laid
    out as the engines do it: a rank holds, for each parameter, its L experts one after another; a slot holds, for each
    parameter, the E − L remote experts in ascending order.

    Attributes:
        placement: Who holds what.
        parameters: The tensors that are copied; `copy_parameter` indexes them.
        copy_rank: Destination rank of each copy, shape (copies,).
        copy_call: Call that issues it; indexes the call columns.
        copy_peer: Source rank.
        copy_parameter: Index into `parameters`.
        copy_src_offset: Byte offset in the peer's resident buffer of that parameter.
        copy_dst_offset: Byte offset in the rank's slot buffer of that parameter.
        copy_bytes: Length in bytes, never zero.
        call_rank: Rank that issues each call, shape (calls,).
        call_issue: `ASYNC` (one copy) or `BATCH`.
        call_barrier: A call with barrier b waits until every rank's calls with barrier b − 1 are complete;
            `NO_BARRIER` waits for nothing.
    """

    placement: Placement
    parameters: tuple[Parameter, ...]
    copy_rank: Ints
    copy_call: Ints
    copy_peer: Ints
    copy_parameter: Ints
    copy_src_offset: Ints
    copy_dst_offset: Ints
    copy_bytes: Ints
    call_rank: Ints
    call_issue: Ints
    call_barrier: Ints

    def copies_per_rank(self) -> list[int]:
        """Number of copies each rank issues."""
        return [int(n) for n in np.bincount(self.copy_rank, minlength=self.placement.dwdp_size)]

    def calls_per_rank(self) -> list[int]:
        """Number of driver calls each rank makes."""
        return [int(n) for n in np.bincount(self.call_rank, minlength=self.placement.dwdp_size)]

    def bytes_per_rank(self) -> list[int]:
        """Bytes each rank pulls."""
        totals = np.zeros(self.placement.dwdp_size, dtype=np.int64)
        np.add.at(totals, self.copy_rank, self.copy_bytes)
        return [int(n) for n in totals]

    def reads_one_source_a_call(self) -> bool:
        """Whether every call reads one peer only, so that the order inside a batch does not matter."""
        same_call = self.copy_call[1:] == self.copy_call[:-1]
        return bool((self.copy_peer[1:] == self.copy_peer[:-1])[same_call].all())

    def is_complete(self) -> bool:
        """Whether every rank pulls every byte of its remote experts once, each from where its peer holds it."""
        held, pulled = self.placement.num_experts_per_worker, self.placement.num_prefetch_experts
        remote = self.placement.num_experts - held
        sizes = np.array([p.bytes for p in self.parameters])[self.copy_parameter]
        order = np.lexsort((self.copy_dst_offset, self.copy_parameter, self.copy_rank))
        buffer = (self.copy_rank * len(self.parameters) + self.copy_parameter)[order]
        begins, ends = self.copy_dst_offset[order], (self.copy_dst_offset + self.copy_bytes)[order]
        fills = np.flatnonzero(np.r_[buffer[1:] != buffer[:-1], True])
        before = np.r_[0, ends[:-1]]
        before[np.r_[0, fills[:-1] + 1]] = 0  # each buffer is filled from its beginning …
        full = len(fills) == self.placement.dwdp_size * len(self.parameters)
        full = full and bool((begins == before).all() and (ends[fills] == remote * sizes[order][fills]).all())
        for byte in (0, self.copy_bytes - 1):  # … and a copy's first and last byte come from the right expert
            place, inside = np.divmod(self.copy_dst_offset + byte, sizes)
            expert = place + held * (place >= self.copy_rank * pulled)
            index = expert - self.copy_peer * pulled
            right = self.copy_src_offset + byte == index * sizes + inside
            full = full and bool((right & (index >= 0) & (index < held)).all())
        return full

    def slot_bytes(self) -> int:
        """Bytes of one slot: the remote experts of one layer."""
        remote = self.placement.num_experts - self.placement.num_experts_per_worker
        return remote * sum(p.bytes for p in self.parameters)
