"""The constants that a calibration may change, as a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwdp_hw.calibration.design import is_train
from dwdp_hw.rows.host_costs import HOST_COSTS
from dwdp_hw.rows.row import RecordedRow, link_of
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import INCAST
from dwdp_sim.fabric.resources import most_readers

_RATES = {
    "peer": ("egress_bytes_per_s", "ingress_bytes_per_s", "pair_bytes_per_s"),
    "host": ("host_in_bytes_per_s",),
    "local": ("local_bytes_per_s",),
}


INCAST_FACTORS = dict(zip(INCAST, (2, 3, 4), strict=True))
"""Constants by the least number of readers that they are for."""


@dataclass(frozen=True)
class Parameter:
    """One number of the vector, and the constants that it sets.

    Attributes:
        name: Shown in reports.
        constants: Names of the constants it sets.
        key: Row of a gap table (bytes) or kind of copy, where the constant holds several numbers.
        start: Its value before the fit, in the constants' unit.
        neutral: The value at which it does nothing.
    """

    name: str
    constants: tuple[str, ...]
    key: float | str | None
    start: float
    neutral: float = 0.0


def parameters_for(cluster: Cluster, rows: Sequence[RecordedRow]) -> tuple[Cluster, list[Parameter]]:
    """Return the parameters that `rows` may determine, and the cluster with the measured sizes in its gap table."""
    kinds = sorted({link_of(row.program) for row in rows})
    found = []
    for kind in kinds:
        cluster = _with_measured_sizes(cluster, kind, rows)
        found.append(Parameter(f"{kind} rate", _RATES[kind], None, cluster.rate(_RATES[kind][0])))
        found.append(Parameter(f"{kind}_fixed_s", (f"{kind}_fixed_s",), None, cluster.number(f"{kind}_fixed_s")))
        found += [
            Parameter(f"{kind}_gap_s at {size:.0f} B", (f"{kind}_gap_s",), size, gap)
            for size, gap in cluster.gap_table(f"{kind}_gap_s")
        ]
    if "peer" in kinds and "both_ways_egress" in cluster.constants:
        both = cluster.by_kind("both_ways_egress")
        names = ("both_ways_egress", "both_ways_ingress")
        found += [Parameter(f"both ways, {kind}", names, kind, both[kind], neutral=1.0) for kind in both]
        if "both_ways_gap_factor" in cluster.constants:
            gap = cluster.number("both_ways_gap_factor")
            found.append(Parameter("both_ways_gap_factor", ("both_ways_gap_factor",), None, gap, neutral=1.0))
    readers_in_rows = max((most_readers(row.program) for row in rows), default=0)
    for name, readers in INCAST_FACTORS.items():
        if name in cluster.constants and readers <= readers_in_rows:
            factors = cluster.by_kind(name)
            found += [Parameter(f"{name}, {kind}", (name,), kind, factors[kind], neutral=1.0) for kind in factors]
    found += [Parameter(name, (name,), None, cluster.number(name)) for name in HOST_COSTS if name in cluster.constants]
    return cluster, found


def with_values(cluster: Cluster, parameters: Sequence[Parameter], values: Floats) -> Cluster:
    """The cluster with the parameters' constants set to `values`."""
    changed: dict[str, Any] = {}
    for parameter, value in zip(parameters, values, strict=True):
        for name in parameter.constants:
            old = changed.get(name, cluster.constants[name].value)
            changed[name] = _placed(old, parameter.key, float(value))
    return cluster.with_values(changed)


def _placed(old: Any, key: float | str | None, value: float) -> Any:
    if key is None:
        return value
    if isinstance(old, Mapping):
        return {**old, key: value}
    return [[size, value if size == key else gap] for size, gap in old]


def _with_measured_sizes(cluster: Cluster, kind: str, rows: Sequence[RecordedRow]) -> Cluster:
    trains = [row for row in rows if is_train(row) and link_of(row.program) == kind]
    sizes = sorted({int(row.program.copy_bytes[0]) for row in trains})
    name = f"{kind}_gap_s"
    if not sizes:
        return cluster
    table = cluster.gap_table(name)
    gaps = np.interp(np.log(sizes), [np.log(size) for size, _ in table], [gap for _, gap in table])
    return cluster.with_values({name: [[size, float(gap)] for size, gap in zip(sizes, gaps, strict=True)]})
