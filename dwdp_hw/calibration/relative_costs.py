"""Estimate what issuing copies costs beside a fixed piece of Python, so well that a change of a few per cent shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import stdtrit

from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.parameters import Parameter
from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.relative_costs import RelativeCosts
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant

RELATIVE_COSTS = {"async": "issue_async_relative", "batch": "issue_slice_relative"}
"""The constant of each way of issuing: the cost of a copy in calls of `os.getppid()`."""
UNIT = "os.getppid() calls"
_DIRECTIONS = {"async": "a cudaMemcpyAsync", "batch": "a copy of a batch"}
# Times the least cost on a machine: the core was hardly ever at its higher speed while such a process lived. Others lie
# within 1.22, such ones beyond 1.45 (four H200s).
_SLOW = 1.3
_FEWEST = 5  # processes


def relative_estimates(recordings: Sequence[Recording], before: Cluster | None = None) -> list[Estimate]:
    """Return the relative cost of each way of issuing that enough processes have measured.

    Its value is the geometric mean over processes, its 95 % interval that of Student's t: where code and data of a
    process lie in memory moves its costs by a per cent or two (docs/checking.md), each of its pairs alike.

    Args:
        recordings: Files of one kind of machine.
        before: The cluster that a calibration starts from; it need not have these constants.
    """
    found = []
    for issue, name in RELATIVE_COSTS.items():
        logs = np.concatenate([np.zeros(0), *_logs(recordings, issue)])
        if len(logs) >= _FEWEST:
            middle = float(logs.mean())
            half = float(stdtrit(len(logs) - 1, 0.975)) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
            value, low, high = (math.exp(middle + side * half) for side in (0, -1, 1))
            start = before.number(name) if before is not None and name in before.constants else value
            found.append(Estimate(Parameter(name, (name,), None, start), value, low, high))
    return found


def relative_constants(estimates: Sequence[Estimate], source: str) -> dict[str, Constant]:
    """Return the estimates as constants of a cluster, measured on what `source` says."""
    directions = {name: _DIRECTIONS[issue] for issue, name in RELATIVE_COSTS.items()}
    return {
        e.parameter.name: Constant(e.value, UNIT, "measured", source, directions[e.parameter.name], [e.low, e.high])
        for e in estimates
    }


def logs_of_machine(costs: RelativeCosts) -> Floats:
    """Return the logarithm of cost ÷ yardstick of each process whose core was at its higher speed now and then."""
    yardstick, cost = np.array(costs.yardstick_s), np.array(costs.cost_s)
    quick = cost <= _SLOW * cost.min(initial=np.inf)
    logs: Floats = np.log(cost[quick] / yardstick[quick])
    return logs


def _logs(recordings: Sequence[Recording], issue: str) -> Iterator[Floats]:
    for recording in recordings:
        for costs in recording.relative:
            if costs.issue == issue:
                yield logs_of_machine(costs)
