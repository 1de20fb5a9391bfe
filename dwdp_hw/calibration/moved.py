"""Tell whether a calibration's constants have moved since the one before, beyond what both intervals allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.relative_costs import RELATIVE_COSTS
from dwdp_hw.rows.host_costs import HOST_COSTS
from dwdp_sim.fabric.cluster import Cluster

FALSE_ALARMS = 0.015  # chance that a calibration of an unchanged machine says that some constant has moved
_INTERVAL = 2 * NormalDist().inv_cdf(0.975)  # width of a 95 % interval in standard errors


@dataclass(frozen=True)
class Moved:
    """A constant whose values differ from those before by more than chance explains.

    Attributes:
        constant: Its name; of a table or a factor by kind, all its entries together.
        change: Relative.
        errors: The same in standard errors.
    """

    constant: str
    change: float
    errors: float

    def text(self, before: str) -> str:
        """In words, against the cluster of this name."""
        errors = f"{abs(self.errors):.1f} standard errors"
        said = f"{self.constant} differs from that of {before} by {self.change:+.1%} ({errors})"
        also = "; it also does under another kernel, processor or Python"
        return said + (also if self.constant in RELATIVE_COSTS.values() else "")


def moved_constants(before: Cluster, found: Sequence[Estimate]) -> list[Moved]:
    """Return the constants of a calibration that differ from those of the cluster it started from.

    Args:
        before: Constants without an interval cannot be said to have moved.
        found: The calibration's estimates.
    """
    pairs = []
    for estimate in found:
        known = _interval_before(before, estimate)
        if known is not None:
            pairs.append((Estimate(estimate.parameter, estimate.parameter.start, *known), estimate))
    return moved_between(pairs)


def moved_between(pairs: Sequence[tuple[Estimate, Estimate]]) -> list[Moved]:
    """Return the constants that differ between two calibrations, given as estimates before and after.

    The entries of a constant (gaps by size) are averaged with their weights, so that a change of all shows where none
    shows it alone; the bar for each constant is such that all together raise a false alarm in three of two hundred
    calibrations (Bonferroni). Host costs in seconds are ranges over processes, and never move; relative ones do.
    """
    changes: dict[str, list[tuple[float, float]]] = {}
    for before, now in pairs:
        name = now.parameter.constants[0]
        if name not in HOST_COSTS and min(before.low, before.value, now.low, now.value) > 0.0:
            error = math.hypot(_error(before), _error(now))
            changes.setdefault(name, []).append((math.log(now.value / before.value), error))
    bar = NormalDist().inv_cdf(1 - FALSE_ALARMS / 2 / max(len(changes), 1))
    tested = [_together(name, entries) for name, entries in changes.items()]
    return [moved for moved in tested if abs(moved.errors) > bar]


def _together(name: str, entries: Sequence[tuple[float, float]]) -> Moved:
    """The weighted mean of a constant's changes, given as logarithms with their errors."""
    weights = [max(error, 1e-9) ** -2 for _, error in entries]
    mean = sum(change * weight for (change, _), weight in zip(entries, weights, strict=True)) / sum(weights)
    return Moved(name, math.expm1(mean), mean * math.sqrt(sum(weights)))


def _error(estimate: Estimate) -> float:
    """Relative standard error that its 95 % interval stands for."""
    return (estimate.high - estimate.low) / _INTERVAL / estimate.value


def _interval_before(before: Cluster, estimate: Estimate) -> tuple[float, float] | None:
    """The interval that the cluster has for an estimate's number; None if it was not measured with one."""
    parameter = estimate.parameter
    constant = before.constants.get(parameter.constants[0])
    interval = None if constant is None else constant.interval
    if isinstance(interval, Mapping):
        interval = interval.get(parameter.key)
    elif parameter.key is not None:
        return None
    return None if interval is None else (float(interval[0]), float(interval[1]))
