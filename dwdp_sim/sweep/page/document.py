"""Build the page on a sweep as one HTML file, with the script that draws its pictures."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.results.html import page
from dwdp_sim.results.palette import ON_PAGES
from dwdp_sim.sweep.page.charts import Choice
from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.headline import Tile

_BROWSER = Path(__file__).parent / "browser"
_SCRIPTS = ("table.js", "pictures.js")
_FIGURE = 12  # longer ones are words
_MOST_TICKS = 24  # values of a factor that can be ticked one by one
_MOST_OPEN = 40  # ticks with which the filters are open at first
_LIBRARY = "globalThis.vegaEmbed = vegaEmbed;"
_LABELS = {"y": "show", "x": "against", "colour": "colour", "panels": "panels"}


@dataclass(frozen=True)
class Content:
    """The content of one page.

    Attributes:
        title, question, verdict: Text.
        tiles: Headline figures.
        findings, measured, table, rest: HTML above the pictures, below them, the table of jobs and what follows it.
        factors: What jobs can be filtered by.
        choices: What the main picture can show.
        splits: What the second picture can show.
        data: What the script gets.
    """

    title: str
    question: str
    verdict: str
    tiles: Sequence[Tile]
    findings: str
    measured: str
    table: str
    rest: str
    factors: Sequence[Factor]
    choices: Mapping[str, Choice]
    splits: Sequence[str]
    data: dict[str, Any]


def document(content: Content) -> str:
    """Return the whole page; its security policy lets only its own scripts run and loads nothing.

    Raises:
        ConfigError: The package that brings Vega is not installed.
    """
    own = "\n".join(_read(name) for name in _SCRIPTS)
    scripts = {"library": f"\n{_vega()}\n", "script": f'\n"use strict";\n{own}\n'}
    policy = " ".join(f"'sha256-{_digest(script)}'" for script in scripts.values())
    body = Template(_read("page.html")).substitute(
        title=escape(content.title),
        question=f'<p class="question">{escape(content.question)}</p>' if content.question else "",
        verdict=escape(content.verdict),
        tiles="".join(map(_tile, content.tiles)),
        findings=content.findings,
        hidden="" if content.data["jobs"] else " hidden",
        choices="".join(_select(role, _LABELS[role], choice) for role, choice in content.choices.items()),
        filters="".join(_filter(f"f{number}", factor) for number, factor in enumerate(content.factors)),
        opened=" open" if sum(map(_ticks, content.factors)) <= _MOST_OPEN else "",
        splits=_options({str(number): title for number, title in enumerate(content.splits)}, "0"),
        measured=content.measured,
        table=content.table,
        rest=content.rest,
        data=json.dumps(content.data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        **scripts,
    )
    meta = (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'; script-src 'unsafe-eval' {policy}\">"
    )
    return page(content.title, body, style=_colours() + _read("page.css"), meta=meta)


def _colours() -> str:
    pairs = "; ".join(f"--c{n}: light-dark({light}, {dark})" for n, (light, dark) in enumerate(ON_PAGES, 1))
    return f":root {{ {pairs}; }}\n"


def _tile(tile: Tile) -> str:
    size = ' class="words"' if len(tile.figure) > _FIGURE else ""
    return f"<div><dt>{escape(tile.label)}</dt><dd{size}>{escape(tile.figure)}</dd><dd>{escape(tile.detail)}</dd></div>"


def _select(name: str, label: str, choice: Choice) -> str:
    return f'<label>{label} <select name="{name}">{_options(choice.options, choice.first)}</select></label>'


def _options(texts: Mapping[str, str], first: str) -> str:
    return "".join(
        f'<option value="{key}"{" selected" if key == first else ""}>{escape(text)}</option>'
        for key, text in texts.items()
    )


def _filter(key: str, factor: Factor) -> str:
    """A box with a tick for each value; nothing for a factor with too many."""
    if not _ticks(factor):
        return ""
    ticks = "".join(
        f'<label><input type="checkbox" name="{key}" value="{code}"> {escape(text)}</label>'
        for code, text in enumerate(factor.texts)
    )
    title = escape(factor.meaning or factor.name)
    return f'<fieldset><legend title="{title}">{escape(factor.label)}</legend>{ticks}</fieldset>'


def _ticks(factor: Factor) -> int:
    return len(factor.values) if len(factor.values) <= _MOST_TICKS else 0


@functools.cache
def _vega() -> str:
    try:
        import vl_convert  # noqa: PLC0415  # an extra: only this page needs it
    except ImportError as error:
        raise ConfigError(
            "report", "vl-convert-python", 'is not installed: pip install "dwdp-toolkit[report]"'
        ) from error
    return str(vl_convert.javascript_bundle(_LIBRARY))


def _read(name: str) -> str:
    return (_BROWSER / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
