"""Build the sections of the page that need no script: effects, choices, measured rows, failures, origin."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from dwdp_sim.base.units import format_percent, format_seconds
from dwdp_sim.results.html import Section, cell, heading, table, table_of_cells
from dwdp_sim.sweep.page.assumptions import assumptions, origin
from dwdp_sim.sweep.page.factors import Factor, held
from dwdp_sim.sweep.page.findings import CLOSE, Effect, Standing, Winner, given_factors
from dwdp_sim.sweep.page.labels import label_of, text_of
from dwdp_sim.sweep.page.measured_rows import Match, errors
from dwdp_sim.sweep.page.measures import Measure
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs

_MOST_WINNERS = 12
_MOST_STANDINGS = 20
_MOST_FAILURES = 20  # jobs listed for one reason
_WIDTH, _HEIGHT = 160, 18  # of the drawing beside an effect, pixels


def effects_section(effects: Sequence[Effect], measure: Measure) -> str:
    """Return the table of what each factor changes, with a drawing in each row; given factors are folded away."""
    if not effects:
        return ""
    limit = max(abs(end) for effect in effects for end in (effect.low, effect.high))
    text = (
        f"Change of {measure.label}, all other factors equal and seeds averaged; a strategy is taken at its best "
        "settings. The mark is the median over the cases, the bar reaches from the smallest to the largest change, "
        f"the thin line is no change; linear to ±10 %, then logarithmic, to ±{100 * limit:.0f} %. Sure: cases in "
        "which the two ranges over hypotheses do not touch."
    )
    parts = [f'<h2>What each factor changes</h2><p class="soft">{escape(text)}</p>']
    choices = [effect for effect in effects if effect.is_choice]
    given = [effect for effect in effects if not effect.is_choice]
    if choices:
        parts.append(_effects_table(choices, limit))
    if given:
        names = ", ".join(dict.fromkeys(effect.factor.label for effect in given))
        opened = "" if choices else " open"
        parts.append(f"<details{opened}><summary>What is given: {escape(names)}</summary>")
        parts.append(f"{_effects_table(given, limit)}</details>")
    return f"<div>{' '.join(parts)}</div>"


def _effects_table(effects: Sequence[Effect], limit: float) -> str:
    header = ["factor", "value", "against", "cases", "median", "smallest", "largest", "", "sure"]
    rows = [
        [
            *map(cell, (e.factor.label, e.value, e.reference, str(e.cases))),
            *(cell(format_percent(change, signed=True), "number") for change in (e.median, e.low, e.high)),
            f'<td class="effect">{_drawing(e, limit)}</td>',
            cell(f"{e.sure} of {e.ranged}" if e.ranged else "no ranges"),
        ]
        for e in effects
    ]
    return table_of_cells([heading(text) for text in header], rows, "what each factor changes")


def choices_section(standings: Sequence[Standing], winners: Sequence[Winner], factors: Sequence[Factor]) -> str:
    """Return the best choice in every situation, and how often each one is best."""
    if len(standings) < 2:
        return ""
    near = f"within {100 * CLOSE:.0f} %"
    text = f"For every combination of what is given, not chosen; the last column counts the other choices {near} of it."
    if len(winners) > _MOST_WINNERS:
        text += f" The first {_MOST_WINNERS} of {len(winners)}; the table of jobs has all."
    header = [*(factor.label for factor in given_factors(factors)), "best choice", "time", f"others {near}"]
    rows = [
        [*w.situation, w.choice, format_seconds(w.time_s), f"{w.near} of {w.choices - 1}"]
        for w in winners[:_MOST_WINNERS]
    ]
    often = [[s.choice, f"{s.best} of {s.situations}", format_percent(s.worst)] for s in standings[:_MOST_STANDINGS]]
    first = f": the first {_MOST_STANDINGS} of {len(standings)} choices" if len(standings) > _MOST_STANDINGS else ""
    counts = table(["choice", f"{near} of the best in", "at worst behind by"], often)
    return (
        f"<div>{Section('Which choice is best', text, header, rows).html()}"
        f"<details><summary>How often each choice is best{first}</summary>{counts}</details></div>"
    )


def measured_section(matches: Sequence[Match]) -> str:
    """Return the errors by source of the measured rows, and a place for the picture."""
    if not matches:
        return ""
    text = (
        "Rows measured on the cluster that a job predicts, with equal strategy, issue mode, ranks, bytes and slices. "
        "Means over ranks; error is predicted ÷ measured − 1, over "
        "stable rows, once for jobs that predict the same."
    )
    rows = []
    for source in sorted({one.measured.source for one in matches}):
        own = [one for one in matches if one.measured.source == source]
        found = errors(own)
        shown = (float(np.median(found)), float(found.max())) if len(found) else ()
        figures = list(map(format_percent, shown)) or ["–", "–"]
        rows.append([source, str(len({one.measured for one in own})), str(len(found)), *figures])
    header = ["measured in", "cases", "errors", "median error", "largest error"]
    picture = '<div class="chart" id="comparison" role="img" aria-label="Predicted against measured"></div>'
    return f"{Section('Predicted and measured', text, header, rows).html()}\n{picture}"


def failures_section(failed: pd.DataFrame, factors: Sequence[Factor]) -> str:
    """Return every reason of a failure, with the jobs that it concerns."""
    if failed.empty:
        return ""
    parts = [f"<h2>Failures</h2><p>{len(failed):,} {'job has' if len(failed) == 1 else 'jobs have'} no result.</p>"]
    names = [factor.name for factor in factors if factor.name in failed]
    for error, jobs in sorted(failed.groupby("error"), key=lambda item: -len(item[1])):
        header = ["command line"] if not names else [label_of(name) for name in names]
        listed = jobs.head(_MOST_FAILURES)
        if names:
            rows = [
                [text_of(n, None if pd.isna(v) else v) for n, v in zip(names, r, strict=True)]
                for r in listed[names].to_numpy().tolist()
            ]
        else:
            rows = [[text] for text in listed["overrides"]]
        more = f'<p class="soft">and {len(jobs) - len(listed):,} more</p>' if len(jobs) > len(listed) else ""
        parts.append(
            f"<details><summary>{len(jobs):,} × {escape(str(error))}</summary>{table(header, rows)}{more}</details>"
        )
    return "\n".join(parts)


def rest_section(jobs: SweepJobs, factors: Sequence[Factor]) -> str:
    """Return what all jobs have in common, what predictions assume, and where the rows came from."""
    same = "".join(
        f"<div><dt>{escape(label_of(name))}</dt><dd>{escape(value)}</dd></div>" for name, value in held(jobs).items()
    )
    assumed = [
        [one.where, one.name, one.value, f"{one.jobs:,}", one.source]
        for one in assumptions(jobs, {factor.name for factor in factors})
    ]
    about = list(map(list, origin(jobs).items()))
    return "\n".join(
        [
            f'<h2>The same in all jobs</h2><dl class="same">{same}</dl>',
            Section(
                "What the predictions assume",
                "Constants that nobody has measured or published." if assumed else "No assumed constant is used.",
                ["of", "constant", "value", "jobs", "why"],
                assumed,
            ).html(),
            Section("Machine and versions", "", ["", ""], about).html(),
        ]
    )


def _drawing(effect: Effect, limit: float) -> str:
    low, middle, high, zero = (_place(x, limit) for x in (effect.low, effect.median, effect.high, 0.0))
    half = _HEIGHT / 2
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{format_percent(effect.median, signed=True)}">'
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{half}" y2="{half}"/>'
        f'<circle cx="{middle:.1f}" cy="{half}" r="4"/></svg>'
    )


def _place(change: float, limit: float) -> float:
    """Pixels from the left: linear to ±10 %, then logarithmic."""

    def bent(x: float) -> float:
        return float(np.sign(x) * (abs(x) / 0.1 if abs(x) <= 0.1 else 1 + np.log10(abs(x) / 0.1)))

    return 6 + (_WIDTH - 12) * (0.5 + 0.5 * bent(change) / bent(max(limit, 0.01)))
