"""Fit a cluster's constants to recorded rows, with intervals, and find those that the rows do not identify."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from dwdp_hw.calibration.observations import Told, nobody
from dwdp_hw.calibration.parameters import Parameter
from dwdp_hw.calibration.problem import STEP, Matrix, Problem
from dwdp_hw.rows.host_costs import cost_ranges
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

_NOT_APART = 0.98  # two constants whose estimates correlate more than this are reported as not told apart
_IDENTIFIED = 0.5  # a constant counts as known if half its 95 % interval is at most this share of its effect
_DRAWS = 400
_MOST_STEPS = 20  # a fit that does not settle is one in which trains change phase from step to step


@dataclass(frozen=True)
class Estimate:
    """One fitted number with its 95 % interval; for a host cost, the interval covers all measured processes."""

    parameter: Parameter
    value: float
    low: float
    high: float

    @property
    def looseness(self) -> float:
        """Half width of the interval as a part of the constant's effect; 0 if the rows contradict the old value."""
        if not self.low <= self.parameter.start <= self.high:
            return 0.0
        effect = abs(self.value - self.parameter.neutral)
        return (self.high - self.low) / 2 / max(effect, 1e-300)


@dataclass(frozen=True)
class Fit:
    """The outcome of a calibration.

    Attributes:
        cluster: With the fitted values.
        estimates: Of every fitted parameter.
        kept: Parameters that were not fitted and kept their values, and why.
        not_apart: Pairs of parameters that the rows cannot tell apart (correlation above 0.98).
        noise: Residual scale in units of the rows' own noise; near 1 when the model is right.
    """

    cluster: Cluster
    estimates: list[Estimate]
    kept: Mapping[Parameter, str]
    not_apart: list[tuple[str, str]]
    noise: float


@dataclass(frozen=True)
class _Solution:
    """An optimum, its residual scale, and draws around it with shape (draws, parameters)."""

    x: Floats
    noise: float
    jacobian: Matrix
    draws: Matrix


def fit(
    cluster: Cluster,
    rows: Sequence[RecordedRow],
    options: FabricOptions,
    seed: int = 0,
    near: bool = False,
    told: Told = nobody,
) -> Fit:
    """Fit every constant that changes some predicted time of `rows`, however little they say of it.

    Args:
        cluster: Where to start, and where the other values come from.
        rows: Measured rows; unstable ones count little, by their own spread.
        options: The model's alternatives under which to fit.
        seed: Of the draws behind the intervals.
        near: Whether `cluster` has been fitted to the rows, under other options.
        told: Called whenever a row has been predicted.

    Raises:
        ConfigError: No rows.
    """
    problem = Problem(rows, cluster, options, told)
    return _outcome(problem, _solve(problem, seed, near), rows, {})


def fit_identified(
    cluster: Cluster, rows: Sequence[RecordedRow], options: FabricOptions, seed: int = 0, told: Told = nobody
) -> Fit:
    """Fit only what `rows` identify to ± 50 %; the rest keeps its values. Arguments as of `fit`."""
    problem = Problem(rows, cluster, options, told)
    solution = _solve(problem, seed)
    kept: dict[Parameter, str] = {}
    while loose := _loose(problem, solution, seed):
        kept |= {e.parameter: f"95 % interval {e.low:.3g} to {e.high:.3g}" for e in loose}
        problem = problem.holding([e.parameter for e in loose])
        solution = _solve(problem, seed)
    return _outcome(problem, solution, rows, kept)


def fit_only(
    cluster: Cluster,
    rows: Sequence[RecordedRow],
    options: FabricOptions,
    names: Collection[str],
    seed: int = 0,
    told: Told = nobody,
) -> Fit:
    """Fit the parameters of these names, if they change some predicted time, and hold the others.

    Args:
        cluster, rows, options, seed, told: As of `fit`.
        names: Of parameters.
    """
    problem = Problem(rows, cluster, options, told)
    problem = problem.holding([parameter for parameter in problem.determined if parameter.name not in names])
    return _outcome(problem, _solve(problem, seed), rows, {})


def _outcome(problem: Problem, solution: _Solution, rows: Sequence[RecordedRow], kept: Mapping[Parameter, str]) -> Fit:
    fitted = problem.cluster(solution.x)
    return Fit(
        cluster=fitted,
        estimates=_over_processes(_estimates(problem, solution.x, solution.draws), rows, fitted),
        kept={**dict.fromkeys(problem.without_effect, "no row depends on it"), **kept},
        not_apart=_not_apart(problem.determined, solution.draws),
        noise=solution.noise,
    )


def _solve(problem: Problem, seed: int, near: bool = False) -> _Solution:
    x, bounds = np.ones(len(problem.determined)), problem.bounds()
    losses = ("soft_l1",) if near else ("linear", "soft_l1")  # from afar the robust loss is flat, its steps short
    for loss in losses if len(x) else ():
        limits = {"bounds": bounds, "diff_step": STEP, "xtol": 1e-4, "ftol": 1e-4, "max_nfev": _MOST_STEPS}
        x = least_squares(problem.residuals, x, loss=loss, **limits).x
    device = problem.observations.residuals(problem.cluster(x))[problem.observations.device]
    noise = float(np.sqrt(np.mean(np.square(device))))
    jacobian = problem.jacobian(x)
    return _Solution(x, noise, jacobian, np.clip(_draws(jacobian, noise, x, seed), *bounds))


def _draws(jacobian: Matrix, noise: float, x: Floats, seed: int) -> Matrix:
    """Refits of the linearised model to observations drawn anew from their noise, shape (draws, parameters).

    The optimum of the linear model is a fixed matrix times the drawn noise.
    """
    drawn = np.random.default_rng(seed).normal(0.0, max(1.0, noise), (_DRAWS, len(jacobian)))
    moved: Matrix = x - drawn @ np.linalg.pinv(jacobian).T
    return moved


def _estimates(problem: Problem, x: Floats, draws: Matrix) -> list[Estimate]:
    low, high = np.percentile([problem.values(draw) for draw in draws], [2.5, 97.5], axis=0)
    columns = zip(problem.determined, problem.values(x), low, high, strict=True)
    return [Estimate(p, float(value), float(a), float(b)) for p, value, a, b in columns]


def _loose(problem: Problem, solution: _Solution, seed: int) -> list[Estimate]:
    """What the rows leave too wide to be called known, while its old value is as likely.

    The widest goes first, and the intervals of the others are those without it: of two constants that only their sum
    determines, one is kept and the other known.
    """
    loose: list[Estimate] = []
    left = list(range(len(problem.determined)))
    while left:
        rest = problem.holding([e.parameter for e in loose])
        x, bounds = solution.x[left], rest.bounds()
        draws = np.clip(_draws(solution.jacobian[:, left], solution.noise, x, seed), *bounds)
        estimates = _estimates(rest, x, draws)
        widest = max(range(len(left)), key=lambda n: estimates[n].looseness)
        if estimates[widest].looseness <= _IDENTIFIED:
            break
        loose.append(estimates[widest])
        del left[widest]
    return loose


def _over_processes(estimates: list[Estimate], rows: Sequence[RecordedRow], fitted: Cluster) -> list[Estimate]:
    """The estimates with the intervals of host costs widened to what every measured stream needed."""
    ranges = cost_ranges(rows, fitted)
    widened = []
    for estimate in estimates:
        low, high = ranges.get(estimate.parameter.name, (estimate.low, estimate.high))
        widened.append(replace(estimate, low=min(low, estimate.low), high=max(high, estimate.high)))
    return widened


def _not_apart(parameters: Sequence[Parameter], draws: Matrix) -> list[tuple[str, str]]:
    if len(parameters) < 2:
        return []
    correlation = np.corrcoef(draws.T)
    pairs = np.argwhere(np.triu(np.abs(correlation) > _NOT_APART, k=1))
    return [(parameters[a].name, parameters[b].name) for a, b in pairs.tolist()]
