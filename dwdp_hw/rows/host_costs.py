"""Host costs of issuing copies: measured, predicted, and as a range.

A core runs at one of two speeds, a factor of two apart, and changes between them whatever a GPU does
(docs/hardware.md). A host cost is therefore a range over processes, its `interval`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import interval_of, read_interval
from dwdp_sim.fabric.issue_costs import IssueCosts
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.program import Program

SINGLE_COSTS = ("issue_async_s",)
BATCH_COSTS = ("issue_batch_s", "issue_slice_s")
HOST_COSTS = SINGLE_COSTS + BATCH_COSTS

_MOST_CALLS = 500  # a longer train fills the stream's queue, and its host time is the device's
_WAITED = 0.95  # of the device time: a call that took so long came back only when its copies were done


def measured_host_s(row: RecordedRow) -> tuple[float, ...]:
    """Return the host seconds of each stream's calls; empty if the calls waited for the GPU."""
    if len(row.host_s) != len(row.median_s) or np.bincount(row.program.call_stream).max() > _MOST_CALLS:
        return ()
    waited = not row.queued and any(h > _WAITED * s for h, s in zip(row.host_s, row.median_s, strict=True))
    return () if waited else row.host_s


def predicted_host_s(program: Program, cluster: Cluster) -> list[float]:
    """Return the predicted host seconds of each stream's calls."""
    found: list[float] = IssueCosts.of_cluster(cluster).of_streams(program).tolist()
    return found


def cost_ranges(rows: Sequence[RecordedRow], cluster: Cluster) -> dict[str, tuple[float, float]]:
    """Find the range of each host cost over all processes that were measured, before (its interval) or in `rows`.

    A stream's level is its measured host time ÷ the predicted one; its costs are the cluster's times that level.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for issue, names in ((ASYNC, SINGLE_COSTS), (BATCH, BATCH_COSTS)):
        levels = [
            measured / predicted
            for row in rows
            if np.all(row.program.call_issue == issue) and (host := measured_host_s(row))
            for measured, predicted in zip(host, predicted_host_s(row.program, cluster), strict=True)
        ]
        for name in names if levels else ():
            costs = [level * cluster.number(name) for level in levels]
            costs += read_interval(cluster.constants[name].interval) or ()
            ranges[name] = (min(costs), max(costs))
    return ranges


def at_bound(cluster: Cluster, bound: int) -> Cluster:
    """The cluster at the lower (0) or upper (1) end of its host costs; a cost that lies in no interval stays."""
    constants = {name: cluster.constants[name] for name in HOST_COSTS if name in cluster.constants}
    known = {name: interval_of(constant.value, constant.interval) for name, constant in constants.items()}
    return cluster.with_values({name: ends[bound] for name, ends in known.items() if ends is not None})
