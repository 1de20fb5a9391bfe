"""The verdict of a validation: whether its bars are missed or reached beyond what noise could have done.

A figure is the median, the 95th percentile or the largest of the errors of one mode. Noise is drawn for every case, the
figure computed anew for each draw, and by how much it varies between draws, up and down, is what noise can have done to
it. A bar is missed for sure where even the figure less that is above it, and reached for sure where the figure and that
on top is not. For the latter, only the noise that all rows of a link share is drawn: what one row scatters by beyond it
adds to its error, and cannot have lent a pass. Cases that were measured in one round may have been disturbed all the
while: as many as recorded rows make credible, those with the largest errors, are left out before a bar is called
missed. They are not before it is called reached, since a disturbance hides an error only where both are equal and
opposite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import MODES, QUEUED, STEPS, ValidationRow
from dwdp_hw.validation.summary import percent
from dwdp_sim.base.arrays import Bools, Floats, Ints

AGREES, DISAGREES, CANNOT_TELL = VERDICTS = ("agrees", "disagrees", "cannot tell")
CONFIDENCE = 0.975  # of each bar, on either side
FEWEST_STABLE = 0.5  # share of a mode's figures below which those that are left say nothing of the mode
_DRAWS = 2000
_MEDIAN, _P95, _LARGEST = "median", "95th percentile", "largest"
_FIGURES: Mapping[str, Callable[[Floats], Floats]] = {
    _MEDIAN: lambda errors: np.median(errors, axis=-1),
    _P95: lambda errors: np.percentile(errors, 95, axis=-1),
    _LARGEST: lambda errors: errors.max(axis=-1),
}


@dataclass(frozen=True)
class Judgement:
    """One figure of a mode against its bar.

    Attributes:
        mode: One of `MODES`.
        figure: `median`, `95th percentile` or `largest`.
        value: As measured.
        low: What is left of it without what noise, and disturbed cases, can have added.
        high: What it may be with what noise can have hidden.
        bar: What it may be at most.
    """

    mode: str
    figure: str
    value: float
    low: float
    high: float
    bar: float

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return DISAGREES if self.low > self.bar else AGREES if self.high <= self.bar else CANNOT_TELL

    @property
    def text(self) -> str:
        """In words."""
        side = "above" if self.value > self.bar else "within"
        return (
            f"{self.mode}: {self.figure} of the error {percent(self.value)} is {side} {percent(self.bar)}; "
            f"noise leaves {percent(self.low)} to {percent(self.high)}: {self.verdict}"
        )


def judge(rows: Sequence[ValidationRow], bars: Bars, seed: int = 0) -> list[Judgement]:
    """Judge every figure that has a bar, of the rows that count."""
    found = []
    for mode in MODES:
        counted = [row for row in rows if row.counts and row.mode == mode]
        if counted:
            found += _judge_mode(mode, counted, _bars_of(mode, bars), seed)
    return found


def verdict_of(judgements: Sequence[Judgement], rows: Sequence[ValidationRow]) -> str:
    """The verdict on all: one bar missed for sure decides; it agrees where all are reached for sure."""
    verdicts = {judgement.verdict for judgement in judgements}
    if DISAGREES in verdicts:
        return DISAGREES
    return AGREES if verdicts == {AGREES} and not shaky_modes(rows) else CANNOT_TELL


def shaky_modes(rows: Sequence[ValidationRow]) -> list[str]:
    """Modes of which most figures that were to be judged are unstable."""
    asked = {mode: [row for row in rows if row.mode == mode and (row.counts or not row.stable)] for mode in MODES}
    return [
        mode
        for mode, own in asked.items()
        if any(row.counts for row in own) and np.mean([row.counts for row in own]) < FEWEST_STABLE
    ]


def undecided_rows(judgements: Sequence[Judgement], rows: Sequence[ValidationRow]) -> list[str]:
    """The cases that keep the verdict open, furthest off first: those above an undecided bar, and unstable ones."""
    bars: dict[str, float] = {}
    for judgement in judgements:
        if judgement.verdict == CANNOT_TELL:
            bars[judgement.mode] = min(bars.get(judgement.mode, np.inf), judgement.bar)
    open_modes = {*bars, *shaky_modes(rows)}
    none_counts = not any(row.counts for row in rows)
    off = [row for row in rows if row.counts and row.mode in bars and abs(_error(row)) > bars[row.mode]]
    off += [row for row in rows if not row.stable and (none_counts or row.mode in open_modes)]
    return list(dict.fromkeys(row.case for row in sorted(off, key=lambda row: -abs(_error(row)))))


def _judge_mode(mode: str, rows: Sequence[ValidationRow], bars: Mapping[str, float], seed: int) -> list[Judgement]:
    cases = {key: number for number, key in enumerate(dict.fromkeys((row.file, row.case) for row in rows))}
    of_case: Ints = np.array([cases[row.file, row.case] for row in rows])
    drawn = np.random.default_rng(seed).standard_normal((_DRAWS, len(cases)))[:, of_case]
    now = _errors(rows, np.zeros(len(rows)))
    moved, moved_link = (
        _errors(rows, drawn * [getattr(row, name) for row in rows]) for name in ("noise", "link_noise")
    )
    sure = _without_doubtful(rows, of_case, now)
    found = []
    for name, bar in bars.items():
        figure = _FIGURES[name]
        value, down = float(figure(now)), _range_of(figure(moved_link))[0]
        low, up = 0.0, 0.0
        if sure.any():
            low, up = float(figure(now[sure])), _range_of(figure(moved[:, sure]))[1]
        found.append(Judgement(mode, name, value, max(low - up, 0.0), value + down, bar))
    return found


def _range_of(figures: Floats) -> tuple[float, float]:
    """How far noise moves a figure down and up, from the middle of its draws."""
    low, middle, high = np.percentile(figures, [100 * (1 - CONFIDENCE), 50, 100 * CONFIDENCE]).tolist()
    return middle - low, high - middle


def _without_doubtful(rows: Sequence[ValidationRow], of_case: Ints, errors: Floats) -> Bools:
    """Which figures are left without as many cases as may all have been disturbed, of those with the largest errors."""
    count = int(of_case.max()) + 1
    doubt, worst = np.zeros(count), np.zeros(count)
    np.maximum.at(doubt, of_case, [row.doubt for row in rows])
    np.maximum.at(worst, of_case, errors)
    doubtful = np.flatnonzero(doubt > 0.0)
    disturbed = _credible(len(doubtful), float(doubt[doubtful].mean())) if len(doubtful) else 0
    left_out = doubtful[np.argsort(-worst[doubtful], kind="stable")][:disturbed]
    return ~np.isin(of_case, left_out)


def _credible(cases: int, chance: float) -> int:
    """How many of the cases may be disturbed, each with this chance, at the confidence: a binomial quantile."""
    return int(np.searchsorted(bdtr(np.arange(cases), cases, chance), CONFIDENCE))


def _errors(rows: Sequence[ValidationRow], moves: Floats) -> Floats:
    """What is judged of each row, with its measured time moved by exp(`moves`), whose last axis is the rows."""
    measured = np.array([row.measured_s for row in rows]) * np.exp(moves)
    if rows[0].mode == STEPS:
        found: Floats = np.abs(np.array([row.predicted_s for row in rows]) / measured - 1)
        return found
    low, high = (np.array([getattr(row, f"predicted_{end}_s") for row in rows]) for end in ("low", "high"))
    nearer = np.minimum(np.maximum(measured, low), high)
    outside: Floats = np.abs(nearer / measured - 1)
    return outside


def _error(row: ValidationRow) -> float:
    return row.error if row.mode == STEPS else row.outside


def _bars_of(mode: str, bars: Bars) -> dict[str, float]:
    if mode == STEPS:
        return {_MEDIAN: bars.step_median, _LARGEST: bars.step_largest}
    found = {_P95: bars.p95, _LARGEST: bars.largest}
    return {_MEDIAN: bars.median, **found} if mode == QUEUED else found
