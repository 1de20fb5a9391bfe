"""Calibration as a least-squares problem: a scaled vector of constants, residuals, and their derivatives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy

import numpy as np

from dwdp_hw.calibration.observations import Observations, Told, nobody
from dwdp_hw.calibration.parameters import Parameter, parameters_for, with_values
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import INCAST
from dwdp_sim.fabric.options import FabricOptions

Matrix = Floats

STEP = 1e-2  # step of the finite differences; large enough to cross the phases in which two trains lock
_PRIOR_SIGMA = 0.7  # of log x: machines of a kind agree within a factor of two, so what no row tells stays in place
_NO_EFFECT = 1e-4  # a relative change of a constant by 1 that changes no time by this fraction of its noise
_LARGEST_FACTOR = 20.0


class Problem:
    """Rows, and the constants of a cluster that they determine.

    x is 1 at the cluster's own values. Rates and loss factors go as 1/x, everything else as x, so that times are nearly
    linear in x.

    Args:
        rows: Measured.
        cluster: Its own values are where x is 1.
        options: The model's alternatives.
        told: Called whenever a row has been predicted.

    Attributes:
        observations: Of the rows.
        determined: Parameters that change some observed time.
        without_effect: Those that do not.
        start_jacobian: `jacobian` at x = 1.
    """

    def __init__(
        self, rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions, told: Told = nobody
    ) -> None:
        if not rows:
            raise ConfigError("rows", "none", "no row is left that a calibration could use")
        self._cluster, candidates = parameters_for(cluster, rows)
        self.observations = Observations(rows, options, told)
        self.determined = candidates
        count = len(self.observations.measured)
        jacobian = self.jacobian(np.ones(len(candidates)))
        found = np.flatnonzero(np.linalg.norm(jacobian[:count], axis=0) > _NO_EFFECT)
        self.determined = [candidates[number] for number in found.tolist()]
        self.start_jacobian = jacobian[np.r_[np.arange(count), count + found]][:, found]
        self.without_effect = [p for p in candidates if p not in self.determined]

    def holding(self, parameters: Collection[Parameter]) -> Problem:
        """Return the problem with some parameters held at the cluster's own values."""
        held = copy(self)
        held.determined = [p for p in self.determined if p not in parameters]
        return held

    def values(self, x: Floats) -> Floats:
        """The determined parameters' values, in their constants' units."""
        start = np.array([parameter.start for parameter in self.determined])
        inverse = np.array([_is_rate(parameter) for parameter in self.determined])
        most = np.array([1.0 if _is_loss(parameter) else np.inf for parameter in self.determined])
        found: Floats = np.minimum(np.where(inverse, start / x, start * x), most)
        return found

    def cluster(self, x: Floats) -> Cluster:
        """The cluster with these values."""
        return with_values(self._cluster, self.determined, self.values(x))

    def residuals(self, x: Floats) -> Floats:
        """Return the residuals of the observations, in units of noise, then those of the prior."""
        return np.append(self.observations.residuals(self.cluster(x)), np.log(x) / _PRIOR_SIGMA)

    def jacobian(self, x: Floats) -> Matrix:
        """Return the derivative of each residual by each x, by forward differences."""
        base = self.residuals(x)
        columns = [(self.residuals(x + STEP * unit) - base) / STEP for unit in np.eye(len(x))]
        return np.array(columns).reshape(len(x), len(base)).T

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the bounds of x: a factor of 20 either way, and factors that mean a loss stay losses."""
        low = np.array([_least(parameter) for parameter in self.determined])
        return np.minimum(low, 1.0 - 1e-9), np.full(len(low), _LARGEST_FACTOR)


def _is_rate(parameter: Parameter) -> bool:
    return parameter.name.endswith(" rate") or _is_loss(parameter)


def _is_loss(parameter: Parameter) -> bool:
    return parameter.name.startswith("both ways") or parameter.constants[0] in INCAST


def _least(parameter: Parameter) -> float:
    """Smallest x: a loss factor may not exceed 1, the factor on gaps may not fall below it."""
    if _is_loss(parameter):
        return parameter.start
    return 1.0 / parameter.start if parameter.name == "both_ways_gap_factor" else 1.0 / _LARGEST_FACTOR
