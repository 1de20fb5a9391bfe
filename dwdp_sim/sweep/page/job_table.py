"""Build the table of jobs: one row each, with factors, figures and, behind its name, further details."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from dwdp_sim.base.units import format_seconds
from dwdp_sim.results.html import cell, heading, sorting_heading, table_of_cells
from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.labels import figure
from dwdp_sim.sweep.page.measured_rows import Match
from dwdp_sim.sweep.page.measures import Measure, scale_of
from dwdp_sim.sweep.page.single_runs import files_of
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs

_Column = tuple[str, list[str]]  # a heading and its cells, as HTML

_MOST_ROWS = 1_000
_MOST_MEASURES = 6
_ALONE = "Run it alone:"
_FIRST_ALONE = "Run it alone for its pictures and its trace; this page, made again, then links them:"


def table_section(
    jobs: SweepJobs,
    factors: Sequence[Factor],
    measures: Sequence[Measure],
    main: Measure,
    matches: Sequence[Match],
    runs: Mapping[str, Path],
    beside: Path,
) -> str:
    """Return the table, least `main` first, with a line on what it leaves out; empty if no job has finished.

    Args:
        jobs: The sweep.
        factors, measures: Its columns; measures that are the same in all jobs are left out.
        main: The measure that jobs are judged by.
        matches: Measured rows.
        runs: Folders of single runs by config_hash.
        beside: Folder of the page; links are relative to it.
    """
    frame = jobs.finished
    if frame.empty:
        return ""
    lines = frame[main.name].sort_values(kind="stable").index[:_MOST_ROWS]
    varying = [measure for measure in measures if frame[measure.name].nunique(dropna=False) > 1][:_MOST_MEASURES]
    found = [(heading("job"), _job_cells(jobs.path, frame.loc[lines], matches, runs, beside))]
    found += [_factor_column(factor, lines) for factor in factors]
    for measure in dict.fromkeys([main, *varying]):
        found += _measure_columns(measure, frame, lines, rising=measure == main)
    head, columns = zip(*found, strict=True)
    query = f"dwdp-report query --csv {shlex.quote('select * from jobs')} {shlex.quote(str(jobs.path))}"  # noqa: S608  # words for a shell
    part = f"The first {_MOST_ROWS:,} of {len(frame):,} jobs. " if len(frame) > _MOST_ROWS else ""
    return (
        f'<h2>Table</h2><p class="soft">{part}A heading sorts, a job opens. All jobs with all columns: '
        f"<code>{escape(query)}</code></p>\n{table_of_cells(head, list(zip(*columns, strict=True)), 'jobs', 'jobs')}"
    )


def _factor_column(factor: Factor, lines: pd.Index[int]) -> _Column:
    texts = factor.texts
    codes = [factor.codes[line] for line in lines]
    return sorting_heading(factor.label), [cell(texts[code], key=code) for code in codes]


def _measure_columns(measure: Measure, frame: pd.DataFrame, lines: pd.Index[int], *, rising: bool) -> list[_Column]:
    """The figure, and its range, which sorts by its width."""
    scale = scale_of(measure.unit, frame[measure.name])
    values = scale.numbers(frame.loc[lines, measure.name])
    head = sorting_heading(scale.titled(measure.label), "number", rising=rising)
    found = [(head, [cell(figure(value), "number", value) for value in values])]
    if measure.low and frame[measure.low].notna().any():
        ends = zip(*(scale.numbers(frame.loc[lines, name]) for name in (measure.low, measure.high)), strict=True)
        found.append((sorting_heading(scale.titled("its range"), "number"), [_range_cell(*pair) for pair in ends]))
    return found


def _range_cell(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return cell("–", "number")
    return cell(f"{figure(low)} – {figure(high)}", "number", high - low)


def _job_cells(
    sweep: Path, jobs: pd.DataFrame, matches: Sequence[Match], runs: Mapping[str, Path], beside: Path
) -> list[str]:
    """The jobs' names, which open into links to their own runs, their command lines, and what they rest on."""
    measured: dict[int, list[str]] = {}
    for line, one in ((match.line, match.measured) for match in matches):
        text = f"Measured ({one.source}, {one.case}): {format_seconds(one.median_s)}"
        measured.setdefault(line, []).append(escape(text))
    columns = jobs[["job", "config_hash", "overrides", "assumed_constants"]]
    found = []
    for line, job, config_hash, overrides, assumed in columns.itertuples():
        run = runs.get(config_hash)
        folder = shlex.quote(f"{sweep}/runs/{job[:12]}")
        command = f"dwdp-sim {_words(overrides)} results_dir=null hydra.run.dir={folder}"
        parts = [f"Its own run: {_links(run, beside)}"] if run else []
        parts.append(f"{_ALONE if run else _FIRST_ALONE}<br><code>{escape(command)}</code>")
        if assumed:
            parts.append(escape(f"Rests on assumed constants: {assumed.replace(',', ', ')}"))
        parts += [*measured.get(line, ()), f"job {escape(job)}"]
        found.append(
            f'<td class="job" data-line="{line}"><details><summary>{escape(job[:8])}</summary>'
            f"{''.join(f'<p>{part}</p>' for part in parts)}</details></td>"
        )
    return found


def _links(run: Path, beside: Path) -> str:
    links = [(quote(os.path.relpath(run / name, beside)), name) for name in files_of(run)]
    return ", ".join(f'<a href="{link}">{escape(name)}</a>' for link, name in links)


def _words(line: str) -> str:
    """A command line that is safe to paste into a shell, without where its rows go.

    Where a value holds quotes, the row does not say where the value ends, and the line stays as it is.
    """
    words = [word for word in line.split(" ") if word and not word.startswith(("results_dir=", "sweep."))]
    return " ".join(words if set(line) & set("'\"\\") else map(shlex.quote, words))
