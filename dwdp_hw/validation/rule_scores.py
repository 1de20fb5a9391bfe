"""Score hypotheses by measured rows, against predictions that were written before the measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dwdp_hw.calibration.likelihood import log_likelihood
from dwdp_hw.calibration.rules import DECIDED
from dwdp_hw.rows.file import read_measurement_file
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.run.expectations import Expectation, read_expectations
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.errors import ConfigError

_TOLD_APART = 0.01  # by how much the means of two hypotheses must differ for a row to tell them apart
_EQUAL = 1e-9  # relative difference of times that are the same but for rounding
_SCALES = tuple(np.geomspace(1e-3, 0.3, 40))  # relative errors that a hypothesis may have beside the unknown starts

Predictions = Mapping[str, Sequence[Expectation]]
"""By case, what is configured first."""


@dataclass(frozen=True)
class Score:
    """How well some hypotheses, which no row tells apart, predicted the rows.

    Attributes:
        hypotheses: Those that no row tells apart.
        log_likelihood: Less that of the best, at most 0.
        median, p95: Of the absolute error, mean over draws ÷ measured − 1, over rows and ranks.
        n: Figures.
    """

    hypotheses: tuple[str, ...]
    log_likelihood: float
    median: float
    p95: float
    n: int

    @property
    def name(self) -> str:
        """The hypotheses in one line."""
        return " = ".join(self.hypotheses)


@dataclass(frozen=True)
class PipelineComparison:
    """One rank of a measured pipeline beside what was expected of it; the range is over hypotheses and draws."""

    case: str
    rank: int
    measured_s: float
    expected_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True)
class Outcome:
    """The scores of the hypotheses, pipelines, and cases that did not run.

    Attributes:
        scores: Best first; empty if no row tells any apart.
        steps: Ranks of pipelines, measured beside expected.
        not_run: Cases without a row, and why.
    """

    scores: list[Score]
    steps: list[PipelineComparison]
    not_run: list[tuple[str, str]]

    @property
    def verdict(self) -> str:
        """One line on which hypotheses the rows choose."""
        if not self.scores:
            return "hypotheses: no stable row tells them apart"
        best, *others = self.scores
        near = [score.name for score in others if score.log_likelihood > -DECIDED]
        if near:
            return f"hypotheses: undecided between {best.name} and {len(near)} more, such as {near[0]}"
        least = f" (the next are {-others[0].log_likelihood:.1f} less likely, {others[0].name})" if others else ""
        return f"hypotheses: {best.name}{least}"


def read_outcome(predictions: Path, rows: str) -> Outcome:
    """Judge the predictions in one file by the rows in another.

    Raises:
        ConfigError: One is no such file, or the predictions lack a measured case or one of its ranks.
    """
    expected = read_expectations(str(predictions))
    file = read_measurement_file(rows)
    measured = {row["case"]: _median_s(row) for row in file.rows if row["stable"]}
    for case, times in measured.items():
        if any(len(times) != one.draws_s.shape[1] for one in expected.get(case, ())) or case not in expected:
            raise ConfigError(
                "predictions", str(predictions), f"has not {len(times)} ranks of {case}, which {rows} has"
            )
    queued = {row["case"] for row in file.rows if row["measure"] == "layer" and row["queued_behind_gate"]}
    layers = {case: times for case, times in measured.items() if case in queued}
    pipelines = [row["case"] for row in file.rows if row["measure"] == "pipeline"]
    steps = [
        step for case in pipelines if case in measured for step in _steps(case, measured[case], expected[case])
    ]  # fmt: skip
    failed = [(failure["case"], failure["why"]) for failure in file.failed]
    return Outcome(score_hypotheses(expected, layers), steps, failed)


def score_hypotheses(expected: Predictions, measured: Mapping[str, Sequence[float]]) -> list[Score]:
    """Score hypotheses by how likely they make the measured times, best first.

    Each has one relative error beside the unknown starts, that under which its rows are likeliest
    (`likelihood.log_likelihood`). By how much all links are faster or slower than the cluster says, the rows tell that
    no hypothesis changes: the median of measured ÷ predicted over them; measured times are divided by it.

    Args:
        expected: By case.
        measured: Seconds of each pulling rank, by case.
    """
    telling = [case for case in measured if _tells_apart(expected[case])]
    if not telling:
        return []
    others = [measured[case] / expected[case][0].mean_s for case in measured if case not in telling]
    slower = float(np.median(np.concatenate(others))) if others else 1.0
    times = [np.array(measured[case]) / slower for case in telling]
    scores = []
    for places, names in _told_apart([expected[case] for case in telling]).items():
        draws = [expected[case][place].draws_s for case, place in zip(telling, places, strict=True)]
        gain = np.sum([log_likelihood(d, t, _SCALES) for d, t in zip(draws, times, strict=True)], axis=0).max()
        error = np.abs(np.concatenate([d.mean(axis=0) / t - 1 for d, t in zip(draws, times, strict=True)]))
        p95 = float(np.percentile(error, 95))
        scores.append(Score(tuple(names), float(gain), float(np.median(error)), p95, len(error)))
    scores.sort(key=lambda score: -score.log_likelihood)
    best = scores[0].log_likelihood
    return [replace(score, log_likelihood=score.log_likelihood - best) for score in scores]


def _told_apart(expected: Sequence[Sequence[Expectation]]) -> dict[tuple[int, ...], list[str]]:
    """Hypotheses by the places of their expectations in every case: equal places cannot be told apart."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name in (name for one in expected[0] for name in one.hypotheses):
        places = tuple(place_of(name, case) for case in expected)
        found.setdefault(places, []).append(name)
    return found


def place_of(name: str, expected: Sequence[Expectation]) -> int:
    """Return the index of the first expectation that is equal to that under the hypothesis `name`."""
    own = next(one for one in expected if name in one.hypotheses).draws_s
    return next(place for place, one in enumerate(expected) if _equal(one.draws_s, own))


def _equal(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=_EQUAL, atol=0.0)


def _tells_apart(expected: Sequence[Expectation]) -> bool:
    means_s = np.array([one.mean_s for one in expected])
    return bool((means_s.max(axis=0) > (1 + _TOLD_APART) * means_s.min(axis=0)).any())


def _median_s(row: MeasuredRow) -> list[float]:
    return [times["median"] * 1e-6 for times in row["device_us"]]


def _steps(case: str, measured: Sequence[float], expected: Sequence[Expectation]) -> list[PipelineComparison]:
    low_s, high_s = np.min([one.low_s for one in expected], axis=0), np.max([one.high_s for one in expected], axis=0)
    return [
        PipelineComparison(
            case, rank, measured_s, float(expected[0].mean_s[rank]), float(low_s[rank]), float(high_s[rank])
        )
        for rank, measured_s in enumerate(measured)
    ]
