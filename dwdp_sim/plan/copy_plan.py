"""The copy plan: what is pulled, from where to where, in which order, and how it is issued. Plain data."""

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

    def slot_bytes(self) -> int:
        """Bytes of one slot: the remote experts of one layer."""
        remote = self.placement.num_experts - self.placement.num_experts_per_worker
        return remote * sum(p.bytes for p in self.parameters)
