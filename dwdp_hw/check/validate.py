"""A verdict: does the simulator predict these rows well enough?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dwdp_hw.check.comparison import AS_ISSUED, MODES, QUEUED, ValidationRow, compare
from dwdp_hw.check.ranking import Ranking, rank_strategies
from dwdp_hw.check.summary import groups_of, percent, summarize
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import Recording

_SCHEMA = 2

RowKey = tuple[str, str]
"""sha256 of a row's file, and its case."""


@dataclass(frozen=True)
class Bars:
    """What the rows that count must reach, as fractions.

    What is judged is the absolute error of queued rows. Of rows with host time it is the distance of the measured time
    from the predicted range, since processes differ in host time by a factor of two.

    Attributes:
        p95: 95th percentile, in each issue mode.
        median: Median, of queued rows.
        largest: Largest, in each issue mode.
    """

    p95: float = 0.03
    median: float = 0.015
    largest: float = 0.08


@dataclass(frozen=True)
class Validation:
    """The outcome.

    Attributes:
        cluster: Name of the cluster whose constants predicted.
        rows: All of them, whether they count or not.
        in_sample: Whether the constants were fitted on every stable row, so that errors say how well the model can fit,
            not how well it predicts.
        rankings: Of strategies.
        bars: What was asked.
        failures: Which bars were missed, in words; empty where it passed.
    """

    cluster: str
    rows: list[ValidationRow]
    in_sample: bool
    rankings: list[Ranking]
    bars: Bars
    failures: list[str]

    @property
    def passed(self) -> bool:
        """Whether there was something to judge and every bar was reached."""
        return not self.failures

    def judged(self, mode: str) -> str:
        """One line: the figures of an issue mode, each with its bar."""
        found, bars = summarize(self.rows, mode), self.bars
        if found is None:
            return f"{mode} rows: nothing judged"
        sample = "in sample (the constants were fitted on these rows)" if self.in_sample else "out of sample"
        start = f"{mode} rows: {found.n} figures {sample}: "
        if mode == QUEUED:
            return start + (
                f"error p95 {percent(found.p95_abs_error)} (bar {100 * bars.p95:g} %), "
                f"median {percent(found.median_abs_error)} (bar {100 * bars.median:g} %), "
                f"largest {percent(found.max_abs_error)} (bar {100 * bars.largest:g} %), "
                f"bias {percent(found.bias, signed=True)}"
            )
        return start + (
            f"distance from the predicted range p95 {percent(found.p95_outside)} (bar {100 * bars.p95:g} %), "
            f"largest {percent(found.max_outside)} (bar {100 * bars.largest:g} %); "
            f"{100 * found.covered:.0f} % lie within it, its median width is {percent(found.median_width)}; error of "
            f"the value inside it: median {percent(found.median_abs_error)}, p95 {percent(found.p95_abs_error)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The content of `validation.json`; a mode without rows that count has no summary (null)."""
        return {
            "schema": _SCHEMA,
            "cluster": self.cluster,
            "passed": self.passed,
            "in_sample": self.in_sample,
            "failures": self.failures,
            "bars": asdict(self.bars),
            "summary": {mode: _plain_summary(self.rows, mode) for mode in MODES},
            "groups": {
                mode: {
                    name: found for name, rows in groups_of(self.rows).items() if (found := _plain_summary(rows, mode))
                }
                for mode in MODES
            },
            "rankings": [
                {**asdict(r), "right": r.right, "within_spread": r.within_spread, "decided": r.decided}
                for r in self.rankings
            ],
            "rows": [{**asdict(row), "outside": row.outside} for row in self.rows],
        }


def validate(
    recordings: Sequence[Recording], cluster: Cluster, options: FabricOptions, fitted: Collection[RowKey], bars: Bars
) -> Validation:
    """Predict every row and compare.

    Args:
        recordings: Files of measured rows.
        cluster: Whose constants predict.
        options: The model's alternatives.
        fitted: Rows that the constants were fitted on.
        bars: What must be reached.
    """
    compared = [
        entry
        for recording in recordings
        for row in recording.rows
        for entry in compare(
            row, recording.path, cluster, options, fitted=(recording.sha256, row.case) in fitted
        )
    ]  # fmt: skip
    stable = [row for row in compared if row.stable]
    in_sample = bool(stable) and all(row.fitted for row in stable)
    compared = [replace(row, counts=row.stable and (in_sample or not row.fitted)) for row in compared]
    return Validation(cluster.name, compared, in_sample, rank_strategies(compared), bars, _failures(compared, bars))


def _plain_summary(rows: Sequence[ValidationRow], mode: str) -> dict[str, Any] | None:
    found = summarize(rows, mode)
    return None if found is None else asdict(found)


def _failures(rows: Sequence[ValidationRow], bars: Bars) -> list[str]:
    queued, as_issued = (summarize(rows, mode) for mode in MODES)
    if queued is None and as_issued is None:
        return ["nothing judged: no row is stable"]
    failures = []
    if queued is not None:
        for name, value, bar in (
            ("95th percentile", queued.p95_abs_error, bars.p95),
            ("median", queued.median_abs_error, bars.median),
        ):
            if value > bar:
                failures.append(f"queued rows: {name} of the error is {value:.2%}, above {bar:.2%}")
    if as_issued is not None and as_issued.p95_outside > bars.p95:
        failures.append(
            "as_issued rows: 95th percentile of the distance from the predicted range is "
            f"{as_issued.p95_outside:.2%}, above {bars.p95:.2%}"
        )
    for row in rows:
        name = f"{row.case}, rank {row.rank}"
        if row.counts and row.issue_mode == QUEUED and abs(row.error) > bars.largest:
            failures.append(f"{name}: error {row.error:+.2%}, beyond {bars.largest:.0%}")
        if row.counts and row.issue_mode == AS_ISSUED and abs(row.outside) > bars.largest:
            failures.append(f"{name}: {row.outside:+.2%} from the predicted range, beyond {bars.largest:.0%}")
    return failures
