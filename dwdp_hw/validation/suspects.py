"""Find which constant no longer fits when a validation fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.calibration.design import calibration_rows, is_smooth, rule_rows
from dwdp_hw.calibration.fit import Estimate, fit
from dwdp_hw.calibration.rules import DECIDED, evidence
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

_FAR = 3.0  # standard errors of the refit beyond which a constant has moved
_LEAST_CHANGE = 0.02  # smallest relative change that counts
_ENOUGH = 8  # rows of the calibration design from which on only those are refitted
_MOST_COPIES = 6_000  # a refit simulates them some 200 times


@dataclass(frozen=True)
class Suspect:
    """A constant or a rule that the rows contradict.

    Attributes:
        name: Which.
        text: In words, with both values.
    """

    name: str
    text: str


def find_suspects(rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions) -> list[Suspect]:
    """Refit to the rows being validated and name what moves far, and rules that fit better.

    Where the rows hold a calibration design, that is refitted, otherwise all of them; in either case the shortest ones
    up to so many copies that a refit takes seconds.
    """
    unfitted = _affordable(rule_rows(rows))
    designed = calibration_rows(rows)
    rows = _affordable(designed if len(designed) >= _ENOUGH else [row for row in rows if is_smooth(row)])
    if not rows:
        return []
    refit = fit(cluster, rows, options)
    moved = [s for estimate in refit.estimates if (s := _moved(estimate))]
    moved.sort(key=lambda pair: -pair[0])
    better = [
        Suspect(rule, f"{rule} explains the rows better (held-out log likelihood +{gain:.1f})")
        for rule, gain in evidence(rows, unfitted, refit.cluster, options).items()
        if gain > DECIDED
    ]
    return [suspect for _, suspect in moved] + better


def _affordable(rows: Sequence[RecordedRow]) -> list[RecordedRow]:
    by_length = sorted(rows, key=lambda row: len(row.program.copy_bytes))
    total = np.cumsum([len(row.program.copy_bytes) for row in by_length])
    return by_length[: max(int(np.searchsorted(total, _MOST_COPIES)), 1)] if by_length else []


def _moved(estimate: Estimate) -> tuple[float, Suspect] | None:
    before, now = estimate.parameter.start, estimate.value
    error = max((estimate.high - estimate.low) / 4, 1e-12 * abs(now))
    distance = abs(now - before) / error
    if distance < _FAR or abs(now / before - 1) < _LEAST_CHANGE or estimate.low <= before <= estimate.high:
        return None
    text = (
        f"{estimate.parameter.name} is {before:.4g} in the cluster, but these rows want {now:.4g} "
        f"(95 % interval {estimate.low:.4g} to {estimate.high:.4g})"
    )
    return distance, Suspect(estimate.parameter.name, text)
