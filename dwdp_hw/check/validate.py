"""Predicted against measured: errors row by row, their summary, the ranking of strategies, and a verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from dwdp_hw.check.predict import predict
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import RecordedRow
from dwdp_sim.units import format_slice


@dataclass(frozen=True)
class Bars:
    """What a validation must reach on rows that count, as fractions. Host time is judged by a bar of its own: ranks of
    one machine differ in it by more than anything else.

    Attributes:
        p95: 95th percentile of the absolute error of rows without host time.
        median: Their median absolute error.
        largest: Largest absolute error, rows with host time left out.
        largest_with_host: Largest absolute error of rows with host time.
    """

    p95: float = 0.03
    median: float = 0.015
    largest: float = 0.08
    largest_with_host: float = 0.12


@dataclass(frozen=True)
class ValidationRow:
    """One rank of one case.

    Attributes:
        case, rank: What was measured.
        strategy: Strategy, or way of issuing.
        issue_mode: `queued` or `as_issued`.
        ranks: Streams that ran together.
        bytes: Bytes of this stream.
        slice_bytes: Its largest copy.
        measured_s, measured_min_s, measured_max_s: Median and spread.
        predicted_s, predicted_low_s, predicted_high_s: Mean and range over unknown start skews.
        error: predicted ÷ measured − 1.
        stable: Whether the row may count; if not, `unstable_reason` says why.
        fitted: Whether the constants were fitted on it.
        counts: Whether it enters the summary: stable and out of sample; where no row is out of sample, stable.
    """

    case: str
    rank: int
    strategy: str
    issue_mode: str
    ranks: int
    bytes: int
    slice_bytes: int
    measured_s: float
    measured_min_s: float
    measured_max_s: float
    predicted_s: float
    predicted_low_s: float
    predicted_high_s: float
    error: float
    stable: bool
    unstable_reason: str | None
    fitted: bool
    counts: bool = False


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


@dataclass(frozen=True)
class Validation:
    """The outcome.

    Attributes:
        rows: All of them, whether they count or not.
        in_sample: Whether the constants were fitted on every stable row, so that errors say how well the model can fit,
            not how well it predicts.
        rankings: Of strategies.
        bars: What was asked.
        failures: Which bars were missed, in words; empty where it passed.
    """

    rows: list[ValidationRow]
    in_sample: bool
    rankings: list[Ranking]
    bars: Bars
    failures: list[str]

    @property
    def passed(self) -> bool:
        """Whether every bar was reached."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """The content of `validation.json`."""
        groups = {name: summarize(rows) for name, rows in groups_of(self.rows).items()}
        return {
            "schema": 1,
            "passed": self.passed,
            "in_sample": self.in_sample,
            "failures": self.failures,
            "summary": summarize(self.rows),
            "groups": groups,
            "rankings": [
                {**asdict(r), "right": r.right, "within_spread": r.within_spread, "decided": r.decided}
                for r in self.rankings
            ],
            "rows": [asdict(row) for row in self.rows],
            "bars": asdict(self.bars),
        }


def validate(
    rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions, fitted: Collection[str], bars: Bars
) -> Validation:
    """Predict every row and compare.

    Args:
        rows: Measured rows.
        cluster: Whose constants predict.
        options: The model's alternatives.
        fitted: Cases that the constants were fitted on.
        bars: What must be reached.
    """
    compared = [entry for row in rows for entry in _compare(row, cluster, options, row.case in fitted)]
    in_sample = all(row.fitted for row in compared if row.stable)
    compared = [replace(row, counts=row.stable and (in_sample or not row.fitted)) for row in compared]
    return Validation(compared, in_sample, rank_strategies(compared), bars, _failures(compared, bars))


def _compare(row: RecordedRow, cluster: Cluster, options: FabricOptions, fitted: bool) -> Iterable[ValidationRow]:
    predicted = predict(row, cluster, options)
    owner = row.program.call_stream[row.program.copy_call]
    for rank, measured in enumerate(row.median_s):
        sizes = row.program.copy_bytes[owner == rank]
        yield ValidationRow(
            case=row.case,
            rank=rank,
            strategy=row.strategy,
            issue_mode="queued" if row.queued else "as_issued",
            ranks=len(row.median_s),
            bytes=int(sizes.sum()),
            slice_bytes=int(sizes.max()),
            measured_s=measured,
            measured_min_s=row.min_s[rank],
            measured_max_s=row.max_s[rank],
            predicted_s=float(predicted.mean_s[rank]),
            predicted_low_s=float(predicted.low_s[rank]),
            predicted_high_s=float(predicted.high_s[rank]),
            error=float(predicted.mean_s[rank]) / measured - 1,
            stable=row.unstable is None,
            unstable_reason=row.unstable,
            fitted=fitted,
        )


def summarize(rows: Iterable[ValidationRow]) -> dict[str, float | int | None]:
    """Count, p95 first, median and maximum of the absolute error, and bias (mean signed error), of rows that count."""
    errors = np.array([row.error for row in rows if row.counts])
    if not len(errors):
        return {"n": 0, "p95_abs_error": None, "median_abs_error": None, "max_abs_error": None, "bias": None}
    size = np.abs(errors)
    return {
        "n": len(errors),
        "p95_abs_error": float(np.percentile(size, 95)),
        "median_abs_error": float(np.median(size)),
        "max_abs_error": float(size.max()),
        "bias": float(errors.mean()),
    }


def groups_of(rows: Iterable[ValidationRow]) -> dict[str, list[ValidationRow]]:
    """Rows by strategy, size, issue mode and number of ranks; a row is in one group of each."""
    groups: dict[str, list[ValidationRow]] = {}
    for row in rows:
        size = next(name for limit, name in _SIZES if row.bytes < limit)
        for name in (
            f"strategy {row.strategy}",
            f"total {size}",
            f"largest copy up to {format_slice(1 << (row.slice_bytes - 1).bit_length())}",
            f"issue mode {row.issue_mode}",
            f"{row.ranks} {'rank' if row.ranks == 1 else 'ranks'}",
        ):
            groups.setdefault(name, []).append(row)
    return dict(sorted(groups.items()))


_SIZES = ((10e6, "below 10 MB"), (100e6, "10 to 100 MB"), (1e9, "100 MB to 1 GB"), (float("inf"), "1 GB and more"))


def rank_strategies(rows: Sequence[ValidationRow]) -> list[Ranking]:
    """Every pair of stable cases that move the same bytes on the same ranks in the same issue mode in another way."""
    cases: dict[str, list[ValidationRow]] = {}
    for row in rows:
        if row.stable:
            cases.setdefault(row.case, []).append(row)
    alike: dict[tuple[object, ...], list[list[ValidationRow]]] = {}
    for group in cases.values():
        alike.setdefault((tuple(row.bytes for row in group), group[0].issue_mode), []).append(group)
    return [
        _rank(first, second)
        for groups in alike.values()
        for first, second in combinations(groups, 2)
        if first[0].strategy != second[0].strategy
    ]


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


def _failures(rows: Sequence[ValidationRow], bars: Bars) -> list[str]:
    counted = [row for row in rows if row.counts]
    if not counted:
        return ["no row is stable"]
    size = np.abs([row.error for row in counted if row.issue_mode == "queued"] or [0.0])
    found = {"95th percentile": (np.percentile(size, 95), bars.p95), "median": (np.median(size), bars.median)}
    failures = [
        f"{name} of the error is {value:.2%}, above {bar:.2%}" for name, (value, bar) in found.items() if value > bar
    ]
    for row in counted:
        bar = bars.largest if row.issue_mode == "queued" else bars.largest_with_host
        if abs(row.error) > bar:
            failures.append(f"{row.case}, rank {row.rank}: error {row.error:+.2%}, beyond {bar:.0%}")
    return failures
