"""Host time of issuing copies: one formula for simulated calls, predicted rows and advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.program import Program

_Number = TypeVar("_Number", float, Floats)


@dataclass(frozen=True)
class IssueCosts:
    """Host seconds of driver calls.

    Attributes:
        async_s: Of a call that issues one copy.
        batch_s: Of a batched call, beside its copies.
        slice_s: Of each copy in a batched call.
    """

    async_s: float
    batch_s: float
    slice_s: float

    @classmethod
    def of_cluster(cls, cluster: Cluster, slice_s: float | None = None) -> IssueCosts:
        """Return the costs of a cluster's host.

        Args:
            cluster: Gives them.
            slice_s: In place of the cluster's cost of a copy in a batch.

        Raises:
            ConfigError: The cluster lacks one of them.
        """
        single_s, batch_s = cluster.number("issue_async_s"), cluster.number("issue_batch_s")
        return cls(single_s, batch_s, cluster.number("issue_slice_s") if slice_s is None else slice_s)

    def of(self, calls: _Number, copies: _Number, *, batched: bool) -> _Number:
        """Return host seconds for calls that together issue a number of copies, in batches or one by one."""
        if batched:
            return calls * self.batch_s + copies * self.slice_s
        return calls * self.async_s

    def of_streams(self, program: Program) -> Floats:
        """Host seconds of each stream's calls, shape (streams,)."""
        copies = np.diff(program.call_first_copy).astype(np.float64)
        one = np.ones_like(copies)
        batches, singles = self.of(one, copies, batched=True), self.of(one, copies, batched=False)
        cost_s = np.where(program.call_issue == BATCH, batches, singles)
        return np.asarray(np.bincount(program.call_stream, cost_s, len(program.stream_gpu)), dtype=np.float64)
