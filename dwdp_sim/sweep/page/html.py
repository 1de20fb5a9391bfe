"""The page's HTML: what needs no script as text, the rest as places that the script fills."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.results.style import BROWSER, base_style
from dwdp_sim.sweep.page.headline import Tile

_SCRIPTS = ("format", "state", "filters", "chart", "explorer", "parts", "table", "main")
_FIGURE = 12  # longer ones are words
_LIBRARY = "globalThis.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class Content:
    """What one page says.

    Attributes:
        title, question, verdict: Text.
        tiles: Headline figures.
        findings, measured, rest: HTML above the filters, below the pictures and below the table.
        data: What the script gets.
    """

    title: str
    question: str
    verdict: str
    tiles: Sequence[Tile]
    findings: str
    measured: str
    rest: str
    data: dict[str, Any]


def html_page(content: Content) -> str:
    """The whole page. Only its own scripts may run, and nothing may be loaded: its security policy says so.

    Raises:
        ConfigError: The package that brings Vega is not installed.
    """
    own = "\n".join((BROWSER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    scripts = {"library": f"\n{_vega()}\n", "script": f'\n"use strict";\n(() => {{\n{own}\n}})();\n'}
    return Template((BROWSER / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(content.title),
        question=f'<p class="question">{escape(content.question)}</p>' if content.question else "",
        verdict=escape(content.verdict),
        tiles="".join(map(_tile, content.tiles)),
        findings=content.findings,
        measured=content.measured,
        rest=content.rest,
        style=base_style() + (BROWSER / "page.css").read_text(encoding="utf-8"),
        data=json.dumps(content.data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts.values()),
        **scripts,
    )


def section(heading: str, text: str, header: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> str:
    """A heading, a sentence and a table of text."""
    parts = [f"<h2>{escape(heading)}</h2>"]
    if text:
        parts.append(f'<p class="soft">{escape(text)}</p>')
    if rows:
        parts.append(table_of(header, rows))
    return "\n".join(parts)


def table_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; a long last column wraps."""
    return table(header, [[*map(_cell, row[:-1]), _cell(row[-1], "long" if len(row[-1]) > 30 else "")] for row in rows])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; what is too wide scrolls, by keyboard as well."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    names = ", ".join(filter(None, header))
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(names or "table")}"><table>'
        f"{f'<thead><tr>{head}</tr></thead>' if names else ''}<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str, style: str = "") -> str:
    return f'<td class="{style}">{escape(text)}</td>' if style else f"<td>{escape(text)}</td>"


def _tile(tile: Tile) -> str:
    size = ' class="words"' if len(tile.figure) > _FIGURE else ""
    return f"<div><dt>{escape(tile.label)}</dt><dd{size}>{escape(tile.figure)}</dd><dd>{escape(tile.detail)}</dd></div>"


@functools.cache
def _vega() -> str:
    try:
        import vl_convert  # noqa: PLC0415  # an extra: only this page needs it
    except ImportError as error:
        raise ConfigError(
            "report", "vl-convert-python", 'is not installed: pip install "dwdp-toolkit[report]"'
        ) from error
    return str(vl_convert.javascript_bundle(_LIBRARY))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
