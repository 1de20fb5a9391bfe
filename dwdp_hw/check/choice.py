"""Which of the unmeasured rules do the measured rows choose? Judged on what was predicted before they were measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dwdp_hw.case import Case
from dwdp_hw.check.rules import DECIDED
from dwdp_hw.expectation import expected_by_rule, expected_s
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.replications import workers

OWN_RULES = "as configured"
_TOLD_APART = 0.01  # by how much two rules must differ for a row to tell them apart
_MOST_PROCESSES = 32  # the longest case alone takes a tenth of all
_LEAST_ERROR = 1e-4  # relative; no prediction is trusted better than this

Predictions = dict[str, dict[str, list[float]]]
"""Seconds of each pulling rank, by case and by the name of the rules."""


@dataclass(frozen=True)
class Score:
    """How well one set of rules predicted the rows that tell some rules apart.

    Attributes:
        rules: Their name.
        log_likelihood: Less that of the best rules, at most 0.
        median, p95: Of the absolute error, predicted ÷ measured − 1, over rows and ranks.
        n: Figures.
    """

    rules: str
    log_likelihood: float
    median: float
    p95: float
    n: int


@dataclass(frozen=True)
class Step:
    """One rank of a measured pipeline beside what was expected of it; the range is over all rules."""

    case: str
    rank: int
    measured_s: float
    expected_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True)
class Outcome:
    """What the rows say about the rules.

    Attributes:
        scores: Best first; empty where no row tells rules apart.
        steps: Pipelines.
        not_run: Cases without a row, and why.
    """

    scores: list[Score]
    steps: list[Step]
    not_run: list[tuple[str, str]]

    @property
    def verdict(self) -> str:
        """One line."""
        if not self.scores:
            return "rules: no stable row tells them apart"
        best, *others = self.scores
        near = [score.rules for score in others if score.log_likelihood > -DECIDED]
        if near:
            return f"rules: undecided between {best.rules} and {len(near)} more, such as {near[0]}"
        return f"rules: {best.rules} (the next are {-others[0].log_likelihood:.1f} less likely, {others[0].rules})"


def predict_as_configured(cases: Sequence[Case], cluster: Cluster, options: FabricOptions) -> Predictions:
    """Expect every case under the rules as configured.

    Raises:
        ConfigError: The cluster lacks a constant that a case needs.
    """
    return {case.name: {OWN_RULES: expected_s(case, cluster, options)} for case in cases}


def predict_by_rule(cases: Sequence[Case], cluster: Cluster, options: FabricOptions, processes: int) -> Predictions:
    """Expect every case under the rules as configured and under all others.

    Raises:
        ConfigError: The cluster lacks a constant that a case needs.
    """
    with workers(min(processes, _MOST_PROCESSES)) as pool:
        run = map if pool is None else pool.map
        found = run(partial(_predict, cluster, options), cases)
        return {case.name: times for case, times in zip(cases, found, strict=True)}


def _predict(cluster: Cluster, options: FabricOptions, case: Case) -> dict[str, list[float]]:
    own = {OWN_RULES: expected_s(case, cluster, options)}
    return own | {rules.name: times for rules, times in expected_by_rule(case, cluster, options).items()}


def read_outcome(predictions: Path, rows: str) -> Outcome:
    """Judge the predictions in one file by the rows in another, both of this program's own writing."""
    expected: Predictions = json.loads(predictions.read_text(encoding="utf-8"))
    content = json.loads(Path(rows).read_text(encoding="utf-8"))
    measured = {row["case"]: _median_s(row) for row in content["rows"] if row["stable"]}
    queued = {row["case"] for row in content["rows"] if row["measure"] == "layer" and row["queued_behind_gate"]}
    layers = {case: times for case, times in measured.items() if case in queued}
    pipelines = [row["case"] for row in content["rows"] if row["measure"] == "pipeline"]
    steps = [
        step for case in pipelines if case in measured for step in _steps(case, measured[case], expected[case])
    ]  # fmt: skip
    failed = [(failure["case"], failure["why"]) for failure in content["failed"]]
    return Outcome(score_rules(expected, layers), steps, failed)


def score_rules(expected: Predictions, measured: Mapping[str, Sequence[float]]) -> list[Score]:
    """Rules by how likely they make the measured times, best first.

    A row counts once, with the mean over its ranks of |log(predicted ÷ measured)|; rows are taken as exponential in it,
    with one scale for each set of rules: their log likelihood is −n · log(mean) up to a constant.

    Args:
        expected: By case, then by rules.
        measured: Seconds of each pulling rank, by case.
    """
    telling = [case for case in measured if _tells_apart(expected[case])]
    if not telling:
        return []
    names = [name for name in expected[telling[0]] if name != OWN_RULES]
    errors = {name: [_log_errors(expected[case][name], measured[case]) for case in telling] for name in names}
    scale = {name: np.mean([max(np.abs(row).mean(), _LEAST_ERROR) for row in rows]) for name, rows in errors.items()}
    best = min(scale.values())
    scores = []
    for name in sorted(names, key=lambda name: scale[name]):
        error = np.abs(np.expm1(np.concatenate(errors[name])))
        gain = -len(telling) * float(np.log(scale[name] / best))
        scores.append(Score(name, gain, float(np.median(error)), float(np.percentile(error, 95)), len(error)))
    return scores


def _median_s(row: Mapping[str, list[dict[str, float]]]) -> list[float]:
    return [times["median"] * 1e-6 for times in row["device_us"]]


def _log_errors(predicted: Sequence[float], measured: Sequence[float]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log(np.array(predicted) / np.array(measured))
    return found


def _tells_apart(expected: Mapping[str, Sequence[float]]) -> bool:
    times = np.array(list(expected.values()))
    return bool((times.max(axis=0) > (1 + _TOLD_APART) * times.min(axis=0)).any())


def _steps(case: str, measured: Sequence[float], expected: Mapping[str, Sequence[float]]) -> list[Step]:
    low, high = np.min(list(expected.values()), axis=0), np.max(list(expected.values()), axis=0)
    own = expected[OWN_RULES]
    return [
        Step(case, rank, measured_s, own[rank], float(low[rank]), float(high[rank]))
        for rank, measured_s in enumerate(measured)
    ]
