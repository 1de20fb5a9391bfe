"""A validation as one HTML page without network, and as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from dwdp_hw.check.figures import error_figure, gain_figure, timeline_figure
from dwdp_hw.check.suspects import Suspect
from dwdp_hw.check.timelines import CaseTimeline, RankStatistics
from dwdp_hw.check.validate import Ranking, Validation, ValidationRow, groups_of, summarize
from dwdp_sim.cluster import Cluster
from dwdp_sim.units import format_bytes, format_seconds

Cells = list[str]
_MOST_GAINS = 24  # pairs in the picture; the table has all


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        cluster: Whose constants predicted.
        sources: Files that the rows came from.
        machine: Its description.
        versions: Of this package and what it used.
        suspects: Constants and rules that the rows contradict, looked for where the validation failed.
        timelines: Arrivals of one case of each strategy.
    """

    cluster: Cluster
    sources: Sequence[str]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    suspects: Sequence[Suspect] = ()
    timelines: Sequence[CaseTimeline] = ()


@dataclass(frozen=True)
class _Section:
    heading: str
    text: str = ""
    header: Cells | None = None
    rows: Sequence[Cells] = ()
    figure: str = ""


def html_report(validation: Validation, subject: Subject) -> str:
    """One page: verdict, suspects, summary, errors, ranking, constants, machine, what was not tested."""
    sections = "\n".join(_html_section(section) for section in _sections(validation, subject, figures=True))
    state = "passed" if validation.passed else "failed"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Validation of {escape(subject.cluster.name)}: {state}</title><style>{_STYLE}</style></head><body><main>
<h1>Predicted against measured: {escape(subject.cluster.name)}</h1>
<p class="verdict {state}" role="status">{escape(_verdict(validation))}</p>
{sections}
</main></body></html>
"""


def markdown_report(validation: Validation, subject: Subject) -> str:
    """The same without pictures."""
    parts = [f"# Predicted against measured: {subject.cluster.name}", f"**{_verdict(validation)}**"]
    for section in _sections(validation, subject, figures=False):
        parts.append(f"## {section.heading}")
        if section.text:
            parts.append(section.text)
        if section.header:
            lines = [section.header, ["---"] * len(section.header), *section.rows]
            parts.append("\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _verdict(validation: Validation) -> str:
    summary = summarize(validation.rows)
    if validation.passed:
        sample = "that the constants were fitted on (in sample)" if validation.in_sample else "not used for fitting"
        return (
            f"Passed: {summary['n']} figures {sample}; 95th percentile of the absolute error "
            f"{_percent(summary['p95_abs_error'])}, median {_percent(summary['median_abs_error'])}, largest "
            f"{_percent(summary['max_abs_error'])}."
        )
    return f"Failed{', in sample' if validation.in_sample else ''}: {'; '.join(validation.failures)}."


def _sections(validation: Validation, subject: Subject, *, figures: bool) -> list[_Section]:
    rows, rankings = validation.rows, validation.rankings
    found = []
    if subject.suspects:
        listed = [[suspect.text] for suspect in subject.suspects]
        found.append(_Section("What no longer fits", "", ["constant or rule"], listed))
    elif not validation.passed:
        found.append(_Section("What no longer fits", "No single constant or rule explains it: look at the rows below."))
    header = ["rows", "n", "p95", "median", "largest", "bias"]
    groups = {"all": rows, **groups_of(rows)}
    table = [_summary_cells(name, summarize(group)) for name, group in groups.items() if summarize(group)["n"]]
    found.append(
        _Section(
            "Summary",
            "Absolute errors of rows that count: stable, and not used for fitting (where all were, all stable ones).",
            header,
            table,
        )
    )
    found.append(_ranking_section(rankings, figures))
    found.append(
        _Section(
            "Rows",
            "Error is predicted ÷ measured − 1. Where the start skew of single copies was not recorded, the prediction "
            "is a mean over skews of 0 to 20 µs and its range is shown.",
            ["case", "rank", "bytes", "measured", "spread", "predicted", "error", "counts"],
            [_row_cells(row) for row in rows],
            error_figure(rows, validation.bars.p95) if figures and rows else "",
        )
    )
    if subject.timelines:
        found.append(_timeline_section(subject.timelines, figures))
    constants = subject.cluster.constants
    cells = [
        [name, _plain(c.value), c.unit, _plain(c.interval), c.provenance, c.source] for name, c in constants.items()
    ]
    found.append(_Section("Constants", "", ["name", "value", "unit", "95 % interval", "provenance", "source"], cells))
    about = {"rows from": ", ".join(subject.sources), **subject.machine, **subject.versions}
    found.append(_Section("Machine and versions", "", ["", ""], [[key, str(value)] for key, value in about.items()]))
    found.append(_Section("Not tested", _untested(rows)))
    return found


def _ranking_section(rankings: Sequence[Ranking], figures: bool) -> _Section:
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
            _percent(r.measured_gain, signed=True),
            _percent(r.measured_spread),
            _percent(r.predicted_gain, signed=True),
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
    return _Section("Ranking of strategies", text, header if rankings else None, cells, figure)


def _timeline_section(timelines: Sequence[CaseTimeline], figures: bool) -> _Section:
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
    return _Section("Timelines", text, header, cells, "\n".join(map(timeline_figure, timelines)) if figures else "")


def _statistics_cells(found: RankStatistics) -> Cells:
    rate = None if found.rate_ratio is None else found.rate_ratio - 1
    differences = (found.offset_s, found.call_s, found.largest_residual_s, found.largest_after_offset_s)
    return [
        str(found.rank),
        f"{found.seen} of {found.copies}",
        _percent(rate, signed=True),
        *[_microseconds(value) for value in (*differences, found.unexplained_s)],
        f"{_percent(found.out_of_order)} ({_percent(found.predicted_out_of_order)})",
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
    if not any(row.issue_mode == "as_issued" and row.counts for row in rows):
        gaps.append("host time, on rows that were not used for fitting")
    return (
        "These rows say nothing about " + "; nor about ".join(gaps) + "."
        if gaps
        else "Nothing that the model predicts."
    )


def _row_cells(row: ValidationRow) -> Cells:
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
        _percent(row.error, signed=True),
        counts,
    ]


def _summary_cells(name: str, summary: Mapping[str, float | int | None]) -> Cells:
    figures = [_percent(summary[key]) for key in ("p95_abs_error", "median_abs_error", "max_abs_error")]
    return [name, str(summary["n"]), *figures, _percent(summary["bias"], signed=True)]


def _percent(value: float | int | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    text = f"{100 * value:+.2f} %" if signed else f"{100 * value:.2f} %"
    return text.replace("-0.00", "0.00").replace("+0.00", "0.00")


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _html_section(section: _Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    if section.figure:
        parts.append(f'<figure role="img" aria-label="{escape(section.heading)}">{section.figure}</figure>')
    if section.header:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in section.header)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in section.rows)
        parts.append(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
    return "\n".join(parts)


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ok: #00734d; --bad: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ok: #35c08f; --bad: #ff9a57; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 70rem; margin: auto; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.verdict { padding: .7rem 1rem; border-left: .4rem solid; font-weight: 600; }
.passed { border-color: var(--ok); color: var(--ok); } .failed { border-color: var(--bad); color: var(--bad); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; } th, td { text-align: left; vertical-align: top; }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
figure { margin: 1rem 0; background: #fff; padding: .5rem; border-radius: .4rem; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; }
"""
