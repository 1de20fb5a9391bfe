"""Pool the rows of several bundles in one cluster, and tell how machines differ apart from how well each is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dwdp_hw.bundle.check import fitted_rows_of
from dwdp_hw.bundle.opened import Bundle
from dwdp_hw.calibration.calibrate import Calibration, calibrate
from dwdp_hw.calibration.fit import Estimate, fit_identified
from dwdp_hw.calibration.observations import nobody
from dwdp_hw.calibration.relative_costs import relative_estimates
from dwdp_hw.rows.recording import Recording, pool
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import format_percent
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.results.html import Section

_HALF_TO_SIGMA = 1.959964  # half of a 95 % interval, in standard deviations
_SHORT = 8  # digits of a SHA-256 that tell bundles of one report apart


@dataclass(frozen=True)
class Spread:
    """How a fitted constant differs from machine to machine.

    Attributes:
        name: Of the parameter.
        values: By machine; a machine whose rows do not identify it is missing.
        mean: Of all, each weighted by what it says of the mean of machines.
        within: Standard deviation of a machine's value by its own rows, relative to the mean: the root of the mean
            square.
        between: Standard deviation of machines, what `within` explains left out, relative to the mean; None of one.
    """

    name: str
    values: Mapping[str, float]
    mean: float
    within: float
    between: float | None


def machine_spreads(estimates: Mapping[str, Sequence[Estimate]]) -> list[Spread]:
    """Split how far the constants of several machines lie apart into what their intervals explain, and the rest.

    The variance between machines is estimated by the method of moments (DerSimonian & Laird, Meta-analysis in clinical
    trials, 1986, equation 8): 0 where the values lie as close as their intervals let expect.

    Args:
        estimates: Of each machine, fitted alone.
    """
    names = dict.fromkeys(e.parameter.name for found in estimates.values() for e in found)
    return [_spread(name, {m: e for m, found in estimates.items() for e in found if _is(e, name)}) for name in names]


def _is(estimate: Estimate, name: str) -> bool:
    return estimate.parameter.name == name


def _spread(name: str, of: Mapping[str, Estimate]) -> Spread:
    values = np.array([estimate.value for estimate in of.values()])
    sigma = np.array([(e.high - e.low) / 2 / _HALF_TO_SIGMA for e in of.values()])
    sigma = np.maximum(sigma, 1e-12 * np.abs(values))
    weight = sigma**-2.0
    common = float(np.average(values, weights=weight))
    between = None
    if len(values) > 1:
        excess = float((weight * (values - common) ** 2).sum()) - (len(values) - 1)
        between = max(0.0, excess / float(weight.sum() - (weight**2).sum() / weight.sum()))
    mean = float(np.average(values, weights=1 / (sigma**2 + (between or 0.0))))
    within = math.sqrt(float(np.mean(sigma**2)))
    return Spread(
        name=name,
        values={machine: e.value for machine, e in of.items()},
        mean=mean,
        within=within / abs(mean),
        between=None if between is None else math.sqrt(between) / abs(mean),
    )


def pool_bundles(
    bundles: Sequence[Bundle], cluster: Cluster, *, name: str, told: Callable[[], None] = nobody
) -> tuple[Calibration, list[Spread]]:
    """Fit a cluster to the calibration rows of all bundles together, and each bundle alone.

    Args:
        bundles: Of one kind of machine.
        cluster: Where the fits start, and what the rows do not determine.
        name: Of the new cluster; it says which bundles its constants come from.
        told: Called whenever a fit has predicted a row.

    Raises:
        ConfigError: One is listed twice, has no calibration rows, or is of another kind of machine.
    """
    if len({bundle.sha256 for bundle in bundles}) < len(bundles):
        raise ConfigError("bundle", ", ".join(bundle.path for bundle in bundles), "the same bundle is listed twice")
    for bundle in bundles:
        if not bundle.fitted:
            raise ConfigError("bundle", bundle.path, "has no calibration rows to fit")
    recordings = [_named(recording, bundle) for bundle in bundles for recording in bundle.fitted]
    pool(recordings)
    found = calibrate(recordings, cluster, FabricOptions(), name=name, use="all", told=told)
    of_bundle = {recording.sha256: bundle.sha256 for bundle in bundles for recording in bundle.fitted}
    fitted_on = tuple({**entry, "bundle": of_bundle[entry["sha256"]]} for entry in found.cluster.fitted_on)
    alone = {bundle.sha256[:_SHORT]: _estimates_of(bundle, cluster, told) for bundle in bundles}
    return replace(found, cluster=replace(found.cluster, fitted_on=fitted_on)), machine_spreads(alone)


def _estimates_of(bundle: Bundle, cluster: Cluster, told: Callable[[], None]) -> list[Estimate]:
    """The constants of one bundle alone."""
    fitted = fit_identified(cluster, fitted_rows_of(bundle), FabricOptions(), told=told).estimates
    return [*fitted, *relative_estimates(bundle.fitted, cluster)]


def _named(recording: Recording, bundle: Bundle) -> Recording:
    """The recording with a name that tells it from those of other bundles."""
    return replace(recording, path=f"{bundle.sha256[:_SHORT]}_{recording.path.rpartition('/')[2]}")


def machines_section(spreads: Sequence[Spread]) -> Section:
    """The section of a report that lays machines side by side."""
    machines = list(dict.fromkeys(machine for spread in spreads for machine in spread.values))
    text = (
        "Each bundle's constants fitted alone, by the first digits of its SHA-256. Within: standard deviation of one "
        "machine's value by its own rows, of host costs (issue_…) by all processes that it ran. Between: of machines, "
        "beyond what that explains (method of moments)."
    )
    rows = [
        [
            spread.name,
            f"{spread.mean:.5g}",
            format_percent(spread.within, digits=2),
            "–" if spread.between is None else format_percent(spread.between, digits=2),
            *(f"{spread.values[machine]:.5g}" if machine in spread.values else "–" for machine in machines),
        ]
        for spread in spreads
    ]
    return Section("Machines", text, ["constant", "mean", "within", "between", *machines], rows)
