"""Rules of the model that rows may choose between: sharing, incast, sources in flight, and the order inside a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dwdp_hw.check.fit import fit
from dwdp_hw.check.observations import Observations
from dwdp_hw.check.problem import Problem
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded_row import RecordedRow
from dwdp_sim.sharing import SHARINGS
from dwdp_sim.simulate import Floats

DECIDED = 2.0  # log likelihood by which a rule must win
_NOTICEABLE = 0.1  # of a row's noise
_FLIGHTS = ((1, "oldest"), (2, "oldest"), (2, "any"), (4, "oldest"), (4, "any"))
_LEAST_FREEDOM = 1e-6  # of a row's residual, where the row alone determines a constant


def evidence(
    rows: Sequence[RecordedRow], unfitted: Sequence[RecordedRow], fitted: Cluster, options: FabricOptions
) -> dict[str, float]:
    """Held-out log likelihood of each other rule, after a fit of its own, less that of the rules in use.

    Each fitted row is judged by a fit without it. It is 0 where a rule changes no prediction.

    Args:
        rows: Measured rows that constants are fitted on.
        unfitted: Rows that show rules and enter no fit (`design.rule_rows`).
        fitted: The cluster, fitted to `rows` under `options`.
        options: The rules in use.
    """
    base: float | None = None
    gains = {}
    for rule, (start, other) in _alternatives(fitted, options).items():
        cluster, gains[rule] = start, 0.0
        if _moves(rows, fitted, options, start, other):
            if base is None:
                base = _held_out(rows, fitted, options)
            cluster = fit(start, rows, other, near=True).cluster
            gains[rule] = _held_out(rows, cluster, other) - base
        if _moves(unfitted, fitted, options, cluster, other):
            gains[rule] += _likelihood(unfitted, cluster, other) - _likelihood(unfitted, fitted, options)
    return gains


def _moves(
    rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions, other: Cluster, others: FabricOptions
) -> bool:
    """Whether another cluster and other options move any predicted time by a noticeable part of its noise."""
    moved = Observations(rows, options).residuals(cluster) - Observations(rows, others).residuals(other)
    return bool(np.abs(moved).max(initial=0.0) > _NOTICEABLE)


def _alternatives(cluster: Cluster, options: FabricOptions) -> dict[str, tuple[Cluster, FabricOptions]]:
    """Each rule that differs from the one in use, with what stands for it."""
    others = [replace(options, sharing=value) for value in SHARINGS]
    others += [replace(options, incast=value) for value in ("always", "demand")]
    others += [replace(options, batch_order=value) for value in ("kept", "random")]
    found = {f"fabric.{_difference(other, options)}": (cluster, other) for other in others if other != options}
    names = ("in_flight_sources", "refill")
    if all(name in cluster.constants for name in names):
        own = tuple(cluster.value(name) for name in names)
        for flight in _FLIGHTS:
            if flight != own and not flight[0] == own[0] == 1:
                changed = {
                    name: replace(cluster.constants[name], value=v) for name, v in zip(names, flight, strict=True)
                }
                other = replace(cluster, constants={**cluster.constants, **changed})
                found[f"in_flight_sources={flight[0]}, refill={flight[1]}"] = (other, options)
    return found


def _difference(other: FabricOptions, options: FabricOptions) -> str:
    """What one option of `other` is that is something else in `options`."""
    return next(f"{name}={value}" for name, value in vars(other).items() if value != getattr(options, name))


def _likelihood(rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions) -> float:
    """Log likelihood of rows that were not fitted, as in `_held_out`."""
    observations = Observations(rows, options)
    return -float(np.log1p(np.square(observations.residuals(cluster)[observations.device])).sum())


def _held_out(rows: Sequence[RecordedRow], fitted: Cluster, options: FabricOptions) -> float:
    """Log likelihood of the rows' device times under their own noise, each row by a fit without it.

    With Cauchy tails, so that one odd row decides nothing. The fit without a row is that of the linearised problem: the
    row's residuals are those of the fit with it, times the inverse of 1 − its block of the hat matrix (Cook & Weisberg,
    Residuals and Influence in Regression, section 2.2).
    """
    problem = Problem(rows, fitted, options)
    hat = problem.start_jacobian @ np.linalg.pinv(problem.start_jacobian)
    observations = problem.observations
    residuals = observations.residuals(fitted)
    found = 0.0
    for number in range(len(rows)):
        own = np.flatnonzero(observations.row == number)
        left_out = _without(residuals[own], hat[np.ix_(own, own)])
        found -= float(np.log1p(np.square(left_out[observations.device[own]])).sum())
    return found


def _without(residuals: Floats, hat: Floats) -> Floats:
    """Residuals of a row by a fit without it."""
    freedom, directions = np.linalg.eigh(np.eye(len(hat)) - hat)
    left_out: Floats = directions @ ((directions.T @ residuals) / np.maximum(freedom, _LEAST_FREEDOM))
    return left_out
