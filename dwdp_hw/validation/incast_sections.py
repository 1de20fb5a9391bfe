"""Build the sections of a report on incast: hypotheses, totals and fairness, pipelines, and what did not run."""

from __future__ import annotations

from collections.abc import Sequence

from dwdp_hw.validation.comparison import ValidationRow
from dwdp_hw.validation.rule_scores import Outcome, PipelineComparison
from dwdp_hw.validation.summary import percent
from dwdp_sim.base.units import format_seconds
from dwdp_sim.results.html import Section


def incast_sections(outcome: Outcome, rows: Sequence[ValidationRow]) -> list[Section]:
    """Return the sections, in the order of reading."""
    found = [_rules_section(outcome), _totals_section(rows)]
    if outcome.steps:
        found.append(_steps_section(outcome.steps))
    if outcome.not_run:
        found.append(Section("Not run", "", ["case", "why"], [list(line) for line in outcome.not_run]))
    return found


def _rules_section(outcome: Outcome) -> Section:
    text = (
        f"{outcome.verdict[:1].upper()}{outcome.verdict[1:]}. Every hypothesis predicted every case before it was "
        "measured, over draws of the ranks' starts (predictions.json); these are the stable queued rows that tell some "
        "apart by more than 1 %. A hypothesis whose log likelihood is 2 or more below the best is worse. What several "
        "readers cost a source is the cluster's own in most of them: calibrate on these rows to have it measured."
    )
    header = ["hypotheses", "log likelihood", "median error", "p95", "figures"]
    cells = [[s.name, f"{s.log_likelihood:+.1f}", percent(s.median), percent(s.p95), str(s.n)] for s in outcome.scores]
    return Section("What nobody had measured", text, header, cells)


def _totals_section(rows: Sequence[ValidationRow]) -> Section:
    text = (
        "Measured bytes of all ranks ÷ time of the slowest; the rate of each rank by its own end; fairness is the "
        "least of these ÷ the greatest, where all ranks pull the same bytes."
    )
    cases: dict[str, list[ValidationRow]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    header = ["case", "ranks", "total, GB/s", "each rank, GB/s", "fairness"]
    return Section("Totals and fairness", text, header, [_totals(case, group) for case, group in cases.items()])


def _totals(case: str, group: Sequence[ValidationRow]) -> list[str]:
    total = sum(row.bytes for row in group) / max(row.measured_s for row in group)
    rates = [row.bytes / row.measured_s for row in group]
    equal = len({row.bytes for row in group}) == 1 and len(group) > 1
    each = " ".join(f"{rate / 1e9:.1f}" for rate in rates)
    return [case, str(len(group)), f"{total / 1e9:.1f}", each, f"{min(rates) / max(rates):.3f}" if equal else "–"]


def _steps_section(steps: Sequence[PipelineComparison]) -> Section:
    text = (
        "Steps of free-running layers, as issued; the range is over all hypotheses and starts, with the host's costs "
        "at their values. They are not judged."
    )
    cells = [
        [
            step.case,
            str(step.rank),
            format_seconds(step.measured_s),
            f"{format_seconds(step.expected_s)} ({format_seconds(step.low_s)} – {format_seconds(step.high_s)})",
            percent(step.expected_s / step.measured_s - 1, signed=True),
        ]
        for step in steps
    ]
    return Section("Pipelines", text, ["case", "rank", "measured", "expected", "error"], cells)
