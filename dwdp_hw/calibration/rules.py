"""Choose between hypotheses by a fit under each: how sources share, and how an engine walks a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwdp_hw.calibration.fit import fit
from dwdp_hw.calibration.likelihood import log_likelihood
from dwdp_hw.calibration.observations import Observations, Told, nobody, relative_noise
from dwdp_hw.calibration.problem import Problem
from dwdp_hw.rows.predict import predict_draws_s
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, EXCLUDED, Hypothesis, distinct, hypotheses
from dwdp_sim.fabric.options import FabricOptions

DECIDED = 2.0  # difference of log likelihood by which a hypothesis must win
_NOTICEABLE = 0.1  # changes below this share of a row's noise do not count
_LEAST_FREEDOM = 1e-6  # of a row's residual, where the row alone determines a constant


def evidence(
    rows: Sequence[RecordedRow],
    unfitted: Sequence[RecordedRow],
    fitted: Cluster,
    options: FabricOptions,
    told: Told = nobody,
) -> dict[str, float]:
    """Return the held-out log likelihood of each other hypothesis, after its own fit, minus that of the configured one.

    Each fitted row is judged by a fit without it. Hypotheses that change no prediction are left out.

    Args:
        rows: Measured rows that constants are fitted on.
        unfitted: Rows that show rules and enter no fit (`design.rule_rows`).
        fitted: The cluster, fitted to `rows` under `options`.
        options: As configured.
        told: Called whenever a fit has predicted a row.
    """
    own: float | None = None
    own_unfitted = _likelihood(unfitted, fitted, options)
    shown = showing(rows, unfitted, fitted, options)
    gains = {}
    for hypothesis in _alternatives([*rows, *unfitted], fitted, options):
        cluster, other = hypothesis.machine(fitted, options)
        gain = 0.0
        if hypothesis in shown and _moves(rows, fitted, options, cluster, other):
            if own is None:
                own = _held_out(rows, fitted, options, told)
            cluster = fit(cluster, rows, other, near=True, told=told).cluster
            gain = _held_out(rows, cluster, other, told) - own
        gains[hypothesis.name] = gain + _likelihood(unfitted, cluster, other) - own_unfitted
    return gains


def showing(
    rows: Sequence[RecordedRow], unfitted: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions
) -> list[Hypothesis]:
    """The alternatives that change the program of some fitted row, so that constants may have to be fitted anew.

    Args:
        rows: Measured rows that constants are fitted on.
        unfitted: Rows that show rules and enter no fit.
        cluster: With any values.
        options: As configured.
    """
    programs = [row.program for row in rows]
    known = _alternatives([*rows, *unfitted], cluster, options)
    return [one for one in known if len(distinct([AS_CONFIGURED, one], programs, cluster, options)) > 1]


def _alternatives(rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions) -> list[Hypothesis]:
    """What some row may tell from what is configured, also what public figures exclude; losses are left to the fit."""
    known = [*(h for h in hypotheses(cluster, options) if not h.bounds), *EXCLUDED]
    return distinct(known, [row.program for row in rows], cluster, options)[1:]


def _moves(
    rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions, other: Cluster, others: FabricOptions
) -> bool:
    """Whether another cluster and other options move any predicted time by a noticeable part of its noise."""
    moved = Observations(rows, options).residuals(cluster) - Observations(rows, others).residuals(other)
    return bool(np.abs(moved).max(initial=0.0) > _NOTICEABLE)


def _likelihood(rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions) -> float:
    """Log likelihood of rows that were not fitted, over draws of their starts."""
    found = 0.0
    for row in rows:
        noise = np.mean([relative_noise(row, stream) for stream in range(len(row.median_s))])
        found += float(log_likelihood(predict_draws_s(row, cluster, options), row.median_s, noise)[0])
    return found


def _held_out(rows: Sequence[RecordedRow], fitted: Cluster, options: FabricOptions, told: Told) -> float:
    """Log likelihood of the rows' device times under their own noise, each row by a fit without it.

    With Cauchy tails, so that one odd row decides nothing. The fit without a row is that of the linearised problem: the
    row's residuals are those of the fit with it, times the inverse of 1 − its block of the hat matrix (Cook & Weisberg,
    Residuals and Influence in Regression, section 2.2).
    """
    problem = Problem(rows, fitted, options, told)
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
