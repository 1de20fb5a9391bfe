"""Rules of the model that rows may choose between: how a source is shared, and the order inside a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dwdp_hw.check.fit import fit
from dwdp_hw.check.observations import Observations
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import RecordedRow

DECIDED = 2.0  # log likelihood by which a rule must win
_NOTICEABLE = 0.1  # of a row's noise


def evidence(rows: Sequence[RecordedRow], fitted: Cluster, options: FabricOptions) -> dict[str, float]:
    """Log likelihood of each other rule, after a fit of its own, less that of the rules in use.

    It is 0 where a rule changes no prediction.

    Args:
        rows: Measured rows.
        fitted: The cluster, fitted to them under `options`.
        options: The rules in use.
    """
    base = _log_likelihood(rows, fitted, options)
    gains = {}
    for rule, other in _alternatives(options).items():
        gains[rule] = 0.0
        if _makes_a_difference(rows, fitted, options, other):
            gains[rule] = _log_likelihood(rows, fit(fitted, rows, other).cluster, other) - base
    return gains


def _alternatives(options: FabricOptions) -> dict[str, FabricOptions]:
    sharing = {f"sharing={value}": replace(options, sharing=value) for value in ("fair", "fifo")}
    order = {f"batch_order={value}": replace(options, batch_order=value) for value in ("kept", "random")}
    return {rule: other for rule, other in (sharing | order).items() if other != options}


def _makes_a_difference(
    rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions, other: FabricOptions
) -> bool:
    """Whether another rule moves any predicted time by a noticeable part of its noise."""
    moved = Observations(rows, options).residuals(cluster) - Observations(rows, other).residuals(cluster)
    return bool(np.abs(moved).max() > _NOTICEABLE)


def _log_likelihood(rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions) -> float:
    """Of the rows' device times under their own noise, with Cauchy tails, so that one odd row decides nothing."""
    observations = Observations(rows, options)
    device = observations.residuals(cluster)[observations.device]
    return float(-np.log1p(np.square(device)).sum())
