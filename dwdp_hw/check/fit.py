"""Fit a cluster's constants to recorded rows, with intervals, and say what the rows cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from dwdp_hw.check.parameters import Parameter
from dwdp_hw.check.problem import STEP, Matrix, Problem
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import RecordedRow
from dwdp_sim.simulate import Floats

_NOT_APART = 0.98
_DRAWS = 400


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
    problem = Problem(rows, cluster, options)
    kept, bounds = problem.determined, problem.bounds()
    start = np.ones(len(kept))
    found = least_squares(problem.residuals, start, bounds=bounds, loss="soft_l1", diff_step=STEP, xtol=1e-7, ftol=1e-7)
    device = found.fun[: len(problem.observations.device)][problem.observations.device]
    noise = float(np.sqrt(np.mean(np.square(device))))
    draws = np.clip(_bootstrap(problem.jacobian(found.x), noise, found.x, np.random.default_rng(seed)), *bounds)
    low, high = np.percentile([problem.values(x) for x in draws], [2.5, 97.5], axis=0)
    columns = zip(kept, problem.values(found.x), low, high, strict=True)
    return Fit(
        cluster=problem.cluster(found.x),
        estimates=[Estimate(p, float(value), float(a), float(b)) for p, value, a, b in columns],
        undetermined=problem.undetermined,
        not_apart=_not_apart(kept, draws),
        noise=noise,
    )


def _bootstrap(jacobian: Matrix, noise: float, x: Floats, random: np.random.Generator) -> Matrix:
    """Refits of the linearised model to observations drawn anew from their noise, shape (draws, parameters).

    The optimum of the linear model is a fixed matrix times the drawn noise.
    """
    drawn = random.normal(0.0, max(1.0, noise), (_DRAWS, len(jacobian)))
    moved: Matrix = x - drawn @ np.linalg.pinv(jacobian).T
    return moved


def _not_apart(parameters: Sequence[Parameter], draws: Matrix) -> list[tuple[str, str]]:
    if len(parameters) < 2:
        return []
    correlation = np.corrcoef(draws.T)
    pairs = np.argwhere(np.triu(np.abs(correlation) > _NOT_APART, k=1))
    return [(parameters[a].name, parameters[b].name) for a, b in pairs.tolist()]
