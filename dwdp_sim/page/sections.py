"""The sections of the page that need no script: what each factor changes, measured rows, failures, foundations."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from dwdp_sim.page.factors import Factor, held, label_of, text_of
from dwdp_sim.page.findings import CLOSE, Effect, Standing
from dwdp_sim.page.html import section, table
from dwdp_sim.page.jobs import SweepJobs
from dwdp_sim.page.measured import Match
from dwdp_sim.page.measures import Measure
from dwdp_sim.page.rests import assumptions, origin

_MOST_STANDINGS = 12
_MOST_FAILURES = 20  # jobs listed for one reason
_WIDTH, _HEIGHT = 220, 18  # of the drawing beside an effect, pixels


def effects_section(effects: Sequence[Effect], measure: Measure) -> str:
    """What each factor changes, as a table with a drawing in each row."""
    if not effects:
        return ""
    limit = max(abs(end) for effect in effects for end in (effect.low, effect.high)) or 1.0
    text = (
        f"Change of {measure.label}, all other factors equal and seeds averaged; a strategy is taken at its best "
        "settings. The mark is the median over the cases, the bar reaches from the smallest to the largest change, "
        f"the thin line is no change; the scale is linear to ±10 %, then logarithmic, to ±{limit:.0%}. Sure: the two "
        "ranges under rules nobody has measured do not touch."
    )
    header = ["factor", "value", "against", "cases", "median", "smallest", "largest", "", "sure"]
    rows = [
        [
            *(f"<td>{escape(text)}</td>" for text in (e.factor.label, e.value, e.reference, str(e.cases))),
            *(f'<td class="number">{_percent(change)}</td>' for change in (e.median, e.low, e.high)),
            f'<td class="effect">{_drawing(e, limit)}</td>',
            f"<td>{e.sure} of {e.ranged}</td>",
        ]
        for e in effects
    ]
    return f'<h2>What each factor changes</h2><p class="soft">{escape(text)}</p>{table(header, rows)}'


def standings_section(standings: Sequence[Standing]) -> str:
    """How often each combination of choices is best."""
    if len(standings) < 2:
        return ""
    rows = [[s.choice, f"{s.best} of {s.situations}", f"{s.worst:.1%}"] for s in standings[:_MOST_STANDINGS]]
    text = f"Cases differ in what is given, not chosen; best means within {CLOSE:.0%} of the least time."
    if len(standings) > len(rows):
        text += f" The first {len(rows)} of {len(standings)}."
    return section("Which choice is best", text, ["choice", "best in", "at worst behind by"], rows)


def measured_section(matches: Sequence[Match]) -> str:
    """Errors by source, and the place of the picture."""
    if not matches:
        return ""
    text = (
        "Rows measured on the cluster that a job predicts, with equal strategy, issue mode, ranks, bytes and slices. "
        "Means over ranks; error is predicted ÷ measured − 1, over stable rows."
    )
    rows = []
    for source in sorted({one.measured.source for one in matches}):
        own = [one for one in matches if one.measured.source == source]
        errors = np.abs([one.error for one in own if one.measured.stable])
        figures = [f"{x:.2%}" for x in (np.median(errors), errors.max())] if len(errors) else ["–", "–"]
        rows.append([source, str(len(own)), str(len(errors)), *figures])
    header = ["measured in", "pairs", "stable", "median error", "largest error"]
    return f'{section("Predicted and measured", text, header, rows)}\n<div class="chart" id="measured"></div>'


def failures_section(failed: pd.DataFrame, factors: Sequence[Factor]) -> str:
    """Every reason, with the jobs that it struck."""
    if failed.empty:
        return ""
    parts = [f"<h2>Failures</h2><p>{len(failed):,} jobs have no result.</p>"]
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
        cells = [[f"<td>{escape(text)}</td>" for text in row] for row in rows]
        more = f'<p class="soft">and {len(jobs) - len(listed):,} more</p>' if len(jobs) > len(listed) else ""
        parts.append(
            f"<details><summary>{len(jobs):,} × {escape(str(error))}</summary>{table(header, cells)}{more}</details>"
        )
    return "\n".join(parts)


def rest_section(jobs: SweepJobs, factors: Sequence[Factor]) -> str:
    """What all jobs have in common, what the predictions assume, where the rows came from."""
    same = [[label_of(name), value] for name, value in held(jobs).items()]
    assumed = [
        [one.where, one.name, one.value, f"{one.jobs:,}", one.source]
        for one in assumptions(jobs, {factor.name for factor in factors})
    ]
    about = list(map(list, origin(jobs).items()))
    return "\n".join(
        [
            section("The same in all jobs", "", ["", ""], same),
            section(
                "What the predictions assume",
                "Constants that nobody has measured or published." if assumed else "No assumed constant is used.",
                ["of", "constant", "value", "jobs", "why"],
                assumed,
            ),
            section("Machine and versions", "", ["", ""], about),
        ]
    )


def _drawing(effect: Effect, limit: float) -> str:
    low, middle, high, zero = (_place(x, limit) for x in (effect.low, effect.median, effect.high, 0.0))
    half = _HEIGHT / 2
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{_percent(effect.median)}">'
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{half}" y2="{half}"/>'
        f'<circle cx="{middle:.1f}" cy="{half}" r="4"/></svg>'
    )


def _place(change: float, limit: float) -> float:
    """Pixels from the left: linear to ±10 %, then logarithmic."""

    def bent(x: float) -> float:
        return float(np.sign(x) * (abs(x) / 0.1 if abs(x) <= 0.1 else 1 + np.log10(abs(x) / 0.1)))

    return 6 + (_WIDTH - 12) * (0.5 + 0.5 * bent(change) / bent(max(limit, 0.01)))


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")
