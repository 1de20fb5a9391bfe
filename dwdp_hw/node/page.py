"""The page on a node: the verdict, what each part found, how to do it again, and where more is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from dwdp_hw.node.outcome import BAD, GOOD, OPEN, Outcome, verdict_of
from dwdp_sim.results.html import cell, heading, page, table_of_cells

_FILES = ("report.html", "report.md", "validation.json", "calibration.json", "advice.json")
_STYLES = {GOOD: "agrees", OPEN: "cannot-tell", BAD: "disagrees"}  # of `base.css`
_MOST_LOG_CHARACTERS = 20_000
_PRINTED = (
    "<details><summary>what it printed</summary>"
    '<pre tabindex="0" role="region" aria-label="what {} printed">{}</pre></details>'
)
_STYLE = (
    "pre{overflow-x:auto;font-size:.8rem;line-height:1.25}code{overflow-wrap:anywhere}"
    "li a{display:inline-block;padding:.15rem 0}"  # large enough for a finger
)


def node_page(title: str, summary: str, outcomes: Sequence[Outcome], folder: Path) -> str:
    """Return the page; it links to the parts' own files by their place below `folder`."""
    style = _STYLES.get(verdict_of(outcomes), "")
    head = [heading(text) for text in ("part", "verdict", "found", "seconds")]
    rows = [
        [cell(one.part.name), cell(one.verdict), cell(one.said, "long"), cell(f"{one.took_s:.0f}")] for one in outcomes
    ]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<div class="verdict {style}" role="status"><strong>{escape(summary)}</strong></div>',
        table_of_cells(head, rows, "parts of the examination"),
        "<p>Each part is a command, which ran in the folder of this page.</p>",
        *(_section(one, folder) for one in outcomes),
    ]
    return page(f"{title}: {verdict_of(outcomes)}", "\n".join(body), style=_STYLE)


def _section(outcome: Outcome, folder: Path) -> str:
    """A part's command, its files, and what it printed."""
    part = outcome.part
    links = [name for name in _FILES if part.folder and (folder / part.folder / name).is_file()]
    items = "".join(f'<li><a href="{escape(f"{part.folder}/{name}")}">{escape(name)}</a></li>' for name in links)
    log = folder / f"{part.folder or part.name}.log"
    printed = log.read_text(encoding="utf-8", errors="replace")[-_MOST_LOG_CHARACTERS:] if log.is_file() else ""
    return "\n".join(
        [
            f"<h2>{escape(part.folder or part.name)}: {escape(outcome.verdict)}</h2>",
            f"<p><code>{escape(part.line)}</code></p>",
            f"<ul>{items}</ul>" if items else "",
            _PRINTED.format(escape(part.folder or part.name), escape(printed)) if printed else "",
        ]
    )
