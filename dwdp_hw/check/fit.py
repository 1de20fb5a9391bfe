"""Fit a cluster's constants to recorded rows, with intervals, and say what the rows cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dwdp_hw.check.parameters import Parameter, parameters_for, with_values
from dwdp_hw.check.predict import predict
from dwdp_sim.cluster import Cluster, FabricOptions
from dwdp_sim.errors import ConfigError
from dwdp_sim.plan import ASYNC, BATCH
from dwdp_sim.program import Program
from dwdp_sim.recorded import RecordedRow
from dwdp_sim.simulate import Floats

_RANGE_TO_SIGMA = 2.5  # the range of five to seven normal draws, in standard deviations
_FLOOR = 0.003  # relative; nothing is trusted better than this
_FLOOR_WITH_HOST = 0.05  # ranks of one machine differ by as much in host time
_HOST_SIGMA = 0.3
_PRIOR_SIGMA = 0.5  # of host costs: what is known of them elsewhere, so that no single row drives one to nothing
_MOST_CALLS = 500  # a longer train fills the stream's queue, and its host time is the device's
_NO_EFFECT = 1e-4  # a relative change of a constant by 1 that changes no time by this fraction of its noise
_NOT_APART = 0.98
_STEP = 3e-2
_DRAWS = 400

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One fitted number with its 95 % interval."""

    parameter: Parameter
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """The outcome of a calibration.

    Attributes:
        cluster: With the fitted values.
        estimates: Of every parameter that the rows determine.
        undetermined: Names of parameters that the rows say nothing about; they kept their values.
        not_apart: Pairs of parameters that the rows cannot tell apart (correlation above 0.98).
        noise: Residual scale in units of the rows' own noise; near 1 when the model is right.
    """

    cluster: Cluster
    estimates: list[Estimate]
    undetermined: list[str]
    not_apart: list[tuple[str, str]]
    noise: float


class Observations:
    """Measured times as logarithms with their noise, and the prediction of the same."""

    def __init__(self, rows: Sequence[RecordedRow], options: FabricOptions) -> None:
        self._rows, self._options = rows, options
        self._device: list[bool] = []
        logs, sigmas = [], []
        for row in rows:
            for median, low, high in zip(row.median_s, row.min_s, row.max_s, strict=True):
                logs.append(np.log(median))
                sigmas.append(
                    np.hypot((high - low) / _RANGE_TO_SIGMA / median, _FLOOR if row.queued else _FLOOR_WITH_HOST)
                )
                self._device.append(True)
            for host in _usable_host_s(row):
                logs.append(np.log(host))
                sigmas.append(_HOST_SIGMA)
                self._device.append(False)
        self.measured: Floats = np.array(logs)
        self.sigma: Floats = np.array(sigmas)

    def is_device_time(self, length: int) -> NDArray[np.bool_]:
        """Which of `length` residuals are device times; what lies beyond the observations is not."""
        return np.array(self._device + [False] * (length - len(self._device)))

    def predicted(self, cluster: Cluster) -> Floats:
        """Logarithms of the predicted times, in the order of `measured`."""
        found: list[float] = []
        for row in self._rows:
            found += predict(row, cluster, self._options).mean_s.tolist()
            if _usable_host_s(row):
                found += _host_s(row.program, cluster)
        logs: Floats = np.log(found)
        return logs

    def residuals(self, cluster: Cluster) -> Floats:
        """(predicted − measured) in units of noise."""
        scaled: Floats = (self.predicted(cluster) - self.measured) / self.sigma
        return scaled


def fit(cluster: Cluster, rows: Sequence[RecordedRow], options: FabricOptions, seed: int = 0) -> Fit:
    """Fit every constant that `rows` determine; the others keep their values.

    Args:
        cluster: Where to start, and where undetermined values come from.
        rows: Measured rows; unstable ones count little, by their own spread.
        options: The model's alternatives under which to fit.
        seed: Of the bootstrap.

    Raises:
        ConfigError: No rows.
    """
    if not rows:
        raise ConfigError("rows", "none", "no row is left that a calibration could use")
    cluster, candidates = parameters_for(cluster, rows)
    observations = Observations(rows, options)
    everything = np.array([parameter.start for parameter in candidates])
    effect = np.linalg.norm(
        _jacobian_at(
            lambda x: observations.residuals(with_values(cluster, candidates, _unscaled(candidates, everything, x))),
            np.ones(len(candidates)),
        ),
        axis=0,
    )
    kept = [parameter for parameter, size in zip(candidates, effect, strict=True) if size > _NO_EFFECT]
    scale = np.array([parameter.start for parameter in kept])

    host = np.array([parameter.name.startswith("issue_") for parameter in kept])

    def residuals(x: Floats) -> Floats:
        prior = (x[host] - 1.0) / _PRIOR_SIGMA
        return np.append(observations.residuals(with_values(cluster, kept, _unscaled(kept, scale, x))), prior)

    found = least_squares(
        residuals,
        np.ones(len(kept)),
        bounds=_bounds(kept, scale),
        loss="soft_l1",
        diff_step=_STEP,
        xtol=1e-7,
        ftol=1e-7,
    )
    values = _unscaled(kept, scale, found.x)
    fitted = with_values(cluster, kept, values)
    residual = residuals(found.x)
    noise = float(np.sqrt(np.mean(np.square(residual[observations.is_device_time(len(residual))]))))
    draws = _bootstrap(_jacobian_at(residuals, found.x), noise, found.x, np.random.default_rng(seed))
    low, high = np.percentile([_unscaled(kept, scale, x) for x in draws], [2.5, 97.5], axis=0)
    return Fit(
        cluster=fitted,
        estimates=[
            Estimate(p, float(v), float(a), float(b)) for p, v, a, b in zip(kept, values, low, high, strict=True)
        ],
        undetermined=[p.name for p in candidates if p not in kept],
        not_apart=_not_apart(kept, draws),
        noise=noise,
    )


def _unscaled(parameters: Sequence[Parameter], scale: Floats, x: Floats) -> Floats:
    """From x (1 at the start) to values. Rates and factors go as 1/x, so that times are linear in x."""
    inverse = np.array([_is_rate(parameter) for parameter in parameters])
    values: Floats = np.where(inverse, scale / x, scale * x)
    return values


def _bounds(parameters: Sequence[Parameter], scale: Floats) -> tuple[Floats, Floats]:
    """At most a factor of 20 either way."""
    low = np.array([_least(parameter, s) for parameter, s in zip(parameters, scale, strict=True)])
    return np.minimum(low, 1.0 - 1e-9), np.full(len(parameters), 20.0)


def _least(parameter: Parameter, start: float) -> float:
    """Smallest x: a loss factor may not exceed 1, the factor on gaps may not fall below it."""
    if parameter.name.startswith("both ways"):
        return start
    return 1.0 / start if parameter.name == "both_ways_gap_factor" else 0.05


def _is_rate(parameter: Parameter) -> bool:
    return parameter.name.endswith(" rate") or parameter.name.startswith("both ways")


def _jacobian_at(residuals: Callable[[Floats], Floats], x: Floats) -> Matrix:
    """Forward differences; not scaled by the loss, as those of the solver are."""
    base = residuals(x)
    return np.array([(residuals(x + _STEP * unit) - base) / _STEP for unit in np.eye(len(x))]).T


def _bootstrap(jacobian: Matrix, noise: float, x: Floats, random: np.random.Generator) -> Matrix:
    """Refits of the linearised model to observations drawn anew from their noise, shape (draws, parameters).

    The optimum of the linear model is a fixed matrix times the drawn noise.
    """
    drawn = random.normal(0.0, max(1.0, noise), (_DRAWS, len(jacobian)))
    moved: Matrix = x - drawn @ np.linalg.pinv(jacobian).T
    return np.maximum(moved, 1e-6)


def _not_apart(parameters: Sequence[Parameter], draws: Matrix) -> list[tuple[str, str]]:
    if len(parameters) < 2:
        return []
    correlation = np.corrcoef(draws.T)
    pairs = np.argwhere(np.triu(np.abs(correlation) > _NOT_APART, k=1))
    return [(parameters[a].name, parameters[b].name) for a, b in pairs.tolist()]


def _usable_host_s(row: RecordedRow) -> tuple[float, ...]:
    """Host times that are the host's: not of calls that waited in a full queue, nor of batches behind a gate, which
    cost the host up to twice as much as batches that start at once."""
    calls = np.bincount(row.program.call_stream)
    gated_batch = row.queued and bool(np.any(row.program.call_issue == BATCH))
    return () if gated_batch or calls.max() > _MOST_CALLS else row.host_s


def _host_s(program: Program, cluster: Cluster) -> list[float]:
    """Predicted host time of each stream's calls."""
    asynchronous, batch, piece = (cluster.number(name) for name in ("issue_async_s", "issue_batch_s", "issue_slice_s"))
    cost = np.where(program.call_issue == ASYNC, asynchronous, batch + piece * np.diff(program.call_first_copy))
    totals = np.zeros(len(program.stream_gpu))
    np.add.at(totals, program.call_stream, cost)
    return [float(total) for total in totals]
