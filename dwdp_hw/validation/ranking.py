"""Check whether predictions rank two ways of moving the same bytes as measurements do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dwdp_hw.validation.comparison import LAYER, ValidationRow


@dataclass(frozen=True)
class Ranking:
    """Two ways of moving the same bytes under the same conditions.

    Attributes:
        first, second: The cases.
        measured_gain: How much faster the second was: first ÷ second − 1, by the slowest rank.
        measured_spread: Half width of that, from the spread of both rows.
        predicted_gain: The same, predicted.
    """

    first: str
    second: str
    measured_gain: float
    measured_spread: float
    predicted_gain: float

    @property
    def decided(self) -> bool:
        """Whether the measurement itself tells which is faster."""
        return abs(self.measured_gain) > self.measured_spread

    @property
    def right(self) -> bool:
        """Whether the predicted order is the measured one, where there is one."""
        return not self.decided or self.measured_gain * self.predicted_gain > 0

    @property
    def within_spread(self) -> bool:
        """Whether the predicted gain lies within the measured spread."""
        return abs(self.predicted_gain - self.measured_gain) <= self.measured_spread


def rank_strategies(rows: Sequence[ValidationRow]) -> list[Ranking]:
    """Return every pair of stable cases of a file that move a layer's bytes in the same issue mode in another way."""
    cases: dict[tuple[str, str], list[ValidationRow]] = {}
    for row in rows:
        if row.stable and row.measure == LAYER:
            cases.setdefault((row.file, row.case), []).append(row)
    alike: dict[tuple[object, ...], list[list[ValidationRow]]] = {}
    for (file, _), group in cases.items():
        alike.setdefault((file, *_setting(group)), []).append(group)
    return [
        _rank(first, second)
        for groups in alike.values()
        for first, second in combinations(groups, 2)
        if first[0].strategy != second[0].strategy
    ]


def _setting(group: list[ValidationRow]) -> tuple[object, ...]:
    """What must be equal for two cases to differ in their strategy only."""
    return tuple(row.bytes for row in group), group[0].issue_mode, group[0].mapping, group[0].setting


def _rank(first: list[ValidationRow], second: list[ValidationRow]) -> Ranking:
    def slowest(rows: list[ValidationRow], field: str) -> float:
        return max(float(getattr(row, field)) for row in rows)

    def relative_spread(rows: list[ValidationRow]) -> float:
        return max((row.measured_max_s - row.measured_min_s) / 2 / row.measured_s for row in rows)

    return Ranking(
        first=first[0].case,
        second=second[0].case,
        measured_gain=slowest(first, "measured_s") / slowest(second, "measured_s") - 1,
        measured_spread=float(np.hypot(relative_spread(first), relative_spread(second))),
        predicted_gain=slowest(first, "predicted_s") / slowest(second, "predicted_s") - 1,
    )
