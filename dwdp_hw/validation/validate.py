"""Judge whether the simulator predicts measured rows well enough."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.row import RowKey
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import AS_ISSUED, LAYER, MODES, QUEUED, STEPS, ValidationRow, compare, compare_steps
from dwdp_hw.validation.noise import with_noise
from dwdp_hw.validation.ranking import Ranking, rank_strategies
from dwdp_hw.validation.summary import groups_of, percent, summarize
from dwdp_hw.validation.verdict import (
    AGREES,
    CANNOT_TELL,
    DISAGREES,
    Judgement,
    judge,
    shaky_modes,
    undecided_rows,
    verdict_of,
)
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

_SCHEMA = 5
_ROUNDS = 3  # that a live validation has unless told otherwise
_MOST_NAMED = 6  # rows in a sentence


@dataclass(frozen=True)
class Validation:
    """The outcome of a validation.

    Attributes:
        cluster: Name of the cluster whose constants predicted.
        rows: All of them, whether they count or not.
        in_sample: Whether the constants were fitted on every stable row of copies, so that errors say how well the
            model can fit, not how well it predicts. Steps count only out of sample.
        rankings: Of strategies.
        bars: What was asked.
        failures: Which bars were missed, in words; empty if none was.
        judgements: What noise leaves of each figure that has a bar.
        verdict: One of `verdict.VERDICTS`.
        warnings: What NVML said against the machine meanwhile; with any, nothing is held against the model.
        failed: Cases of which a rank failed, and how; with any, the model is not said to agree.
    """

    cluster: str
    rows: list[ValidationRow]
    in_sample: bool
    rankings: list[Ranking]
    bars: Bars
    failures: list[str]
    judgements: list[Judgement]
    verdict: str
    warnings: list[str]
    failed: list[str]

    @property
    def passed(self) -> bool:
        """Whether there was something to judge and every bar was reached, by the figures as they were measured."""
        return not self.failures

    @property
    def next_steps(self) -> list[str]:
        """What to do where the verdict is open: why it is, which rows to measure again, and the command that does."""
        if self.verdict != CANNOT_TELL:
            return []
        why = [judgement.text for judgement in self.judgements if judgement.verdict == CANNOT_TELL]
        why += [f"{mode}: most rows are unstable" for mode in shaky_modes(self.rows)]
        why += [] if self.judgements else list(self.failures)
        why += [f"failed: {text}" for text in self.failed]
        why += [f"the machine was not in order: {text}" for text in self.warnings]
        why += list(self.failures) if self.warnings else []
        cases = undecided_rows(self.judgements, self.rows)
        more = f" and {len(cases) - _MOST_NAMED} more" if len(cases) > _MOST_NAMED else ""
        again = [f"rows to measure again: {', '.join(cases[:_MOST_NAMED])}{more}"] if cases else []
        rounds = max((row.rounds for row in self.rows), default=1)
        wanted = f" check.rounds={2 * max(rounds, _ROUNDS)}" if rounds > 1 else ""
        return [*why, *again, f"on that machine: dwdp-hw mode=validate cluster={self.cluster}{wanted}"]

    def judged(self, mode: str) -> str:
        """One line: the figures of a mode, each with its bar."""
        found, bars, name = summarize(self.rows, mode), self.bars, name_of(mode)
        if found is None:
            return f"{name}: nothing judged"
        in_sample = self.in_sample and mode != STEPS
        sample = "in sample (the constants were fitted on these rows)" if in_sample else "out of sample"
        start = f"{name}: {found.n} figures {sample}: "
        if mode == STEPS:
            return start + (
                f"error median {percent(found.median_abs_error)} (bar {100 * bars.step_median:g} %), "
                f"largest {percent(found.max_abs_error)} (bar {100 * bars.step_largest:g} %), "
                f"p95 {percent(found.p95_abs_error)}, bias {percent(found.bias, signed=True)}"
            )
        if mode == QUEUED:
            mean = (
                f"; of the mean over starts p95 {percent(found.p95_abs_error)}, "
                f"median {percent(found.median_abs_error)}, largest {percent(found.max_abs_error)}"
            )
            return start + (
                f"error p95 {percent(found.p95_outside)} (bar {100 * bars.p95:g} %), "
                f"median {percent(_median_outside(self.rows))} (bar {100 * bars.median:g} %), "
                f"largest {percent(found.max_outside)} (bar {100 * bars.largest:g} %), "
                f"bias {percent(found.bias, signed=True)}{mean if found.covered else ''}"
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
            "verdict": self.verdict,
            "passed": self.passed,
            "in_sample": self.in_sample,
            "failures": self.failures,
            "failed_cases": self.failed,
            "warnings": self.warnings,
            "judgements": [{**asdict(one), "verdict": one.verdict} for one in self.judgements],
            "next_steps": self.next_steps,
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
    compared: list[ValidationRow] = []
    for recording in recordings:
        known = {case for sha256, case in fitted if sha256 == recording.sha256}
        for row in recording.rows:
            compared += compare(row, recording.path, cluster, options, fitted=row.case in known)
        for steps in recording.steps:
            compared += compare_steps(steps, recording.path, cluster, options, fitted=steps.case in known)
    stable = [row for row in compared if row.stable and row.measure == LAYER]
    in_sample = bool(stable) and all(row.fitted for row in stable)
    compared = [
        replace(row, counts=row.stable and (not row.fitted or (in_sample and row.measure == LAYER))) for row in compared
    ]
    compared = with_noise(compared, recordings)
    judgements = judge(compared, bars)
    warnings = list(dict.fromkeys(text for recording in recordings for text in recording.warnings))
    failed = [text for recording in recordings for text in recording.failed]
    return Validation(
        cluster=cluster.name,
        rows=compared,
        in_sample=in_sample,
        rankings=rank_strategies(compared),
        bars=bars,
        failures=_failures(compared, bars),
        judgements=judgements,
        verdict=_verdict(verdict_of(judgements, compared), warnings, failed),
        warnings=warnings,
        failed=failed,
    )


def _verdict(of_figures: str, warnings: Sequence[str], failed: Sequence[str]) -> str:
    """The verdict that the figures give, unless the machine speaks against it."""
    is_open = (of_figures == DISAGREES and warnings) or (of_figures == AGREES and failed)
    return CANNOT_TELL if is_open else of_figures


def name_of(mode: str) -> str:
    """Return a mode in words."""
    return "forward steps" if mode == STEPS else f"{mode} rows"


def _plain_summary(rows: Sequence[ValidationRow], mode: str) -> dict[str, Any] | None:
    found = summarize(rows, mode)
    return None if found is None else asdict(found)


def _median_outside(rows: Sequence[ValidationRow]) -> float:
    """Of queued rows that count, the median distance from the predicted range."""
    return float(np.median([abs(row.outside) for row in rows if row.counts and row.mode == QUEUED]))


def _failures(rows: Sequence[ValidationRow], bars: Bars) -> list[str]:
    queued, as_issued, steps = (summarize(rows, mode) for mode in MODES)
    if queued is None and as_issued is None and steps is None:
        return ["nothing judged: no row is stable and out of sample"]
    failures = []
    if queued is not None:
        for name, value, bar in (
            ("95th percentile", queued.p95_outside, bars.p95),
            ("median", _median_outside(rows), bars.median),
        ):
            if value > bar:
                failures.append(f"queued rows: {name} of the error is {value:.2%}, above {bar:.2%}")
    if as_issued is not None and as_issued.p95_outside > bars.p95:
        failures.append(
            "as_issued rows: 95th percentile of the distance from the predicted range is "
            f"{as_issued.p95_outside:.2%}, above {bars.p95:.2%}"
        )
    if steps is not None and steps.median_abs_error > bars.step_median:
        failures.append(
            f"forward steps: median of the error is {steps.median_abs_error:.2%}, above {bars.step_median:.2%}"
        )
    for row in rows:
        name = f"{row.case}, rank {row.rank}"
        if row.counts and row.mode == QUEUED and abs(row.outside) > bars.largest:
            failures.append(f"{name}: error {row.outside:+.2%}, beyond {bars.largest:.0%}")
        if row.counts and row.mode == STEPS and abs(row.error) > bars.step_largest:
            failures.append(f"{name}: error {row.error:+.2%}, beyond {bars.step_largest:.0%}")
        if row.counts and row.mode == AS_ISSUED and abs(row.outside) > bars.largest:
            failures.append(f"{name}: {row.outside:+.2%} from the predicted range, beyond {bars.largest:.0%}")
    return failures
