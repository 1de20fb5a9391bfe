"""Write the report on a validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dwdp_hw.validation.arrivals import CaseTimeline, RankStatistics
from dwdp_hw.validation.comparison import AS_ISSUED, MODES, QUEUED, STEPS, ValidationRow
from dwdp_hw.validation.figures import error_figure, gain_figure, timeline_figure
from dwdp_hw.validation.ranking import Ranking
from dwdp_hw.validation.summary import Summary, groups_of, percent, summarize
from dwdp_hw.validation.suspects import Suspect
from dwdp_hw.validation.validate import Validation
from dwdp_sim.base.units import format_bytes, format_seconds
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.results.html import Section, verdict_markdown, verdict_page

_MOST_GAINS = 24  # pairs in the picture; the table has all


@dataclass(frozen=True)
class Subject:
    """The subject of a report.

    Attributes:
        cluster: Whose constants predicted.
        sources: Files that the rows came from.
        machine: Its description.
        versions: Of this package and what it used.
        suspects: Constants and rules that the rows contradict, looked for where the validation failed.
        timelines: Arrivals of one case of each strategy.
        extra: Sections in front of the rows.
    """

    cluster: Cluster
    sources: Sequence[str]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    suspects: Sequence[Suspect] = ()
    timelines: Sequence[CaseTimeline] = ()
    extra: Sequence[Section] = ()


def html_report(validation: Validation, subject: Subject) -> str:
    """Return one HTML page: verdict, suspects, summary, errors, ranking, constants, machine, what was not tested."""
    sections = _sections(validation, subject, figures=True)
    return verdict_page(_title(subject), _verdict(validation), sections, state=validation.verdict)


def markdown_report(validation: Validation, subject: Subject) -> str:
    """Return the report as Markdown, without pictures."""
    return verdict_markdown(_title(subject), _verdict(validation), _sections(validation, subject, figures=False))


def _title(subject: Subject) -> str:
    return f"Predicted against measured: {subject.cluster.name}"


def _verdict(validation: Validation) -> list[str]:
    """The verdict, then what it rests on, a line each."""
    judged = [validation.judged(mode) for mode in MODES]
    missed = [f"missed: {failure}" for failure in validation.failures]
    return [validation.verdict.capitalize(), *missed, *validation.next_steps, *judged]


def _sections(validation: Validation, subject: Subject, *, figures: bool) -> list[Section]:
    rows, constants = validation.rows, subject.cluster.constants
    found = []
    if subject.suspects:
        listed = [[suspect.text] for suspect in subject.suspects]
        found.append(Section("What no longer fits", "", ["constant or rule"], listed))
    elif validation.failures and any(row.counts for row in rows):
        found.append(Section("What no longer fits", "No single constant or rule explains it: look at the rows below."))
    found += [_noise_section(validation), _queued_section(rows), _as_issued_section(rows), _steps_section(rows)]
    found.append(_ranking_section(validation.rankings, figures))
    found += subject.extra
    found.append(_row_section(validation, figures, several=len(subject.sources) > 1))
    if subject.timelines:
        found.append(_timeline_section(subject.timelines, figures))
    cells = [
        [name, _plain(c.value), c.unit, _plain(c.interval), c.provenance, c.source] for name, c in constants.items()
    ]
    header = ["name", "value", "unit", "95 % interval", "provenance", "source"]
    found.append(Section("Constants", "Intervals of host costs (issue_…) cover all measured processes.", header, cells))
    about = {"rows from": ", ".join(subject.sources), **subject.machine}
    about |= {f"predicted with {name}": version for name, version in subject.versions.items()}
    found.append(Section("Machine and versions", "", ["", ""], [[key, str(value)] for key, value in about.items()]))
    found.append(Section("Not tested", _untested(rows)))
    return found


def _noise_section(validation: Validation) -> Section:
    text = (
        "What noise leaves of each figure: from what it may have added, and, of rows measured in one round, without "
        "those that may have been disturbed, to what it may have hidden. It is open where the bar lies between."
    )
    header = ["rows", "figure", "measured", "from", "to", "bar", "verdict"]
    cells = [
        [one.mode, one.figure, *map(percent, (one.value, one.low, one.high, one.bar)), one.verdict]
        for one in validation.judgements
    ]
    return Section("The verdict", text if cells else "Nothing judged.", header, cells)


def _queued_section(rows: Sequence[ValidationRow]) -> Section:
    text = (
        "Absolute errors of queued rows, which have no host time in them, that count: stable, and not used for fitting "
        "(where all were, all stable ones)."
    )
    return _error_section("Queued rows", text, rows, QUEUED)


def _as_issued_section(rows: Sequence[ValidationRow]) -> Section:
    text = (
        "Rows with host time that count. Issuing costs a process one of two amounts, a factor of two apart, so the "
        "prediction is a range; how far the measured time lies outside it is what is judged."
    )
    header = ["rows", "n", "p95 outside", "largest outside", "within the range", "median width of the range"]
    header += ["error of the value: median", "p95"]
    cells = [
        [
            name,
            str(s.n),
            *map(percent, (s.p95_outside, s.max_outside)),
            f"{100 * s.covered:.0f} %",
            *map(percent, (s.median_width, s.median_abs_error, s.p95_abs_error)),
        ]
        for name, s in _summaries(rows, AS_ISSUED)
    ]
    return Section("Rows as issued", text if cells else "Nothing judged.", header, cells)


def _steps_section(rows: Sequence[ValidationRow]) -> Section:
    text = (
        "Absolute errors of forward steps of several layers, predicted from the compute windows as they were measured. "
        "The host's time is in them, and hidden but for the first layer; with three ranks or more they are not judged."
    )
    return _error_section("Forward steps", text, rows, STEPS)


def _error_section(heading: str, text: str, rows: Sequence[ValidationRow], mode: str) -> Section:
    header = ["rows", "n", "p95", "median", "largest", "bias"]
    cells = [
        [
            name,
            str(s.n),
            *map(percent, (s.p95_abs_error, s.median_abs_error, s.max_abs_error)),
            percent(s.bias, signed=True),
        ]
        for name, s in _summaries(rows, mode)
    ]
    return Section(heading, text if cells else "Nothing judged.", header, cells)


def _summaries(rows: Sequence[ValidationRow], mode: str) -> list[tuple[str, Summary]]:
    groups = {"all": rows, **groups_of(rows)}
    return [(name, found) for name, group in groups.items() if (found := summarize(group, mode))]


def _row_section(validation: Validation, figures: bool, *, several: bool) -> Section:
    text = (
        "Error is predicted ÷ measured − 1; the spread is over runs, of rows with rounds over their medians. A range "
        "follows the prediction where the start skew of single copies was not recorded (0 to 20 µs; the prediction is "
        "their mean), and where the host's time is in the figure."
    )
    header = ["case", "rank", "bytes", "measured", "spread", "predicted", "error", "outside", "counts"]
    rows = validation.rows
    cells = [_row_cells(row) for row in rows]
    if several:
        header = ["file", *header]
        cells = [[row.file, *line] for row, line in zip(rows, cells, strict=True)]
    figure = error_figure(rows, validation.bars.p95) if figures and rows else ""
    return Section("Rows", text, header, cells, figure)


def _ranking_section(rankings: Sequence[Ranking], figures: bool) -> Section:
    decided = [r for r in rankings if r.decided]
    right = sum(r.right for r in decided)
    within = sum(r.within_spread for r in rankings)
    text = (
        f"The faster of two ways to move the same bytes was predicted in {right} of {len(decided)} pairs in which the "
        "measurement tells them apart; the predicted gain lies within the measured spread in "
        f"{within} of {len(rankings)}."
        if rankings
        else "No two rows move the same bytes in different ways."
    )
    header = ["second over first", "measured gain", "± spread", "predicted gain", "order"]
    cells = [
        [
            f"{r.second} over {r.first}",
            percent(r.measured_gain, signed=True),
            percent(r.measured_spread),
            percent(r.predicted_gain, signed=True),
            "undecided" if not r.decided else "right" if r.right else "WRONG",
        ]
        for r in rankings
    ]
    drawn = sorted(rankings, key=lambda r: -abs(r.predicted_gain - r.measured_gain) / max(r.measured_spread, 1e-9))[
        :_MOST_GAINS
    ]
    figure = gain_figure(drawn) if figures and rankings else ""
    if figure and len(rankings) > _MOST_GAINS:
        text += f" Drawn are the {_MOST_GAINS} pairs furthest outside their spread."
    return Section("Ranking of strategies", text, header, cells, figure)


def _timeline_section(timelines: Sequence[CaseTimeline], figures: bool) -> Section:
    text = (
        "When each copy had arrived: zero is the start of its rank's stream. The measured arrivals are those of one "
        "extra run that a kernel watched, with an event after each call; the last column says how much later it ended "
        "than the median of the timed runs. Differences are predicted less measured; what is left is the largest "
        "residual without the differences of rate, fixed part and time a call, and shows a mechanism that one side "
        "lacks. Arrivals within 1 µs count as in order. timelines.json shows the same in ui.perfetto.dev."
    )
    header = ["case", "rank", "copies seen", "rate", "fixed part, µs", "a call, µs", "largest residual, µs"]
    header += ["less fixed part, µs", "what is left, µs", "out of order (predicted)", "watched run, µs"]
    cells = [[t.case, *_statistics_cells(rank.statistics())] for t in timelines for rank in t.ranks]
    return Section("Timelines", text, header, cells, "\n".join(map(timeline_figure, timelines)) if figures else "")


def _statistics_cells(found: RankStatistics) -> list[str]:
    rate = None if found.rate_ratio is None else found.rate_ratio - 1
    differences = (found.offset_s, found.call_s, found.largest_residual_s, found.largest_after_offset_s)
    return [
        str(found.rank),
        f"{found.seen} of {found.copies}",
        "–" if rate is None else percent(rate, signed=True),
        *[_microseconds(value) for value in (*differences, found.unexplained_s)],
        f"{percent(found.out_of_order)} ({percent(found.predicted_out_of_order)})",
        _microseconds(found.watched_longer_s),
    ]


def _microseconds(value_s: float | None) -> str:
    return "–" if value_s is None else f"{value_s * 1e6:+.2f}"


def _untested(rows: Sequence[ValidationRow]) -> str:
    ranks = max((row.ranks for row in rows), default=0)
    gaps = []
    if ranks < 3:
        gaps.append(
            "incast, the sharing rule among several readers of one source, and how a batch spreads over several "
            "sources (three GPUs or more)"
        )
    if not any(row.mode == AS_ISSUED and row.counts for row in rows):
        gaps.append("host time, on rows that were not used for fitting")
    if not any(row.mode == STEPS and row.counts for row in rows):
        gaps.append("forward steps")
    return (
        "These rows say nothing about " + "; nor about ".join(gaps) + "."
        if gaps
        else "Nothing that the model predicts."
    )


def _row_cells(row: ValidationRow) -> list[str]:
    counts = "yes" if row.counts else f"no: {row.unstable_reason}" if row.unstable_reason else "no: fitted"
    predicted = format_seconds(row.predicted_s)
    if row.predicted_high_s > row.predicted_low_s:
        predicted += f" ({format_seconds(row.predicted_low_s)} – {format_seconds(row.predicted_high_s)})"
    return [
        row.case,
        str(row.rank),
        format_bytes(row.bytes),
        format_seconds(row.measured_s),
        f"{format_seconds(row.measured_min_s)} – {format_seconds(row.measured_max_s)}",
        predicted,
        percent(row.error, signed=True),
        "–" if row.predicted_high_s == row.predicted_low_s else percent(row.outside, signed=True),
        counts,
    ]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
