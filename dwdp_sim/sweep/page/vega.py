"""The page's pictures in Vega-Lite; what depends on what is chosen on the page is filled in there.

Colours are names of the page's style sheet, so a picture follows the page from light to dark and onto paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dwdp_sim.results.palette import ON_PAGES
from dwdp_sim.sweep.page.measured_rows import Match
from dwdp_sim.sweep.page.measures import scale_of

Json = dict[str, Any]

LINE: Json = {"type": "line", "strokeWidth": 1.6}
TICK: Json = {"type": "tick", "thickness": 3, "size": 26}
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_BRUSH = {"fill": "var(--soft)", "fillOpacity": 0.15, "stroke": "var(--soft)"}
_FADED = 0.12  # opacity of what is not picked
_FONT = "system-ui, sans-serif"
_LABELS = {
    "labelColor": "var(--text)",
    "titleColor": "var(--text)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "labelFont": _FONT,
    "titleFont": _FONT,
}

CONFIG: Json = {
    "background": "transparent",
    "font": _FONT,
    "aria": False,  # the picture as a whole has a description, and the table has every value
    "view": {"stroke": "var(--grid)"},
    "axis": {
        **_LABELS,
        "titleFontWeight": 500,
        "gridColor": "var(--grid)",
        "domainColor": "var(--soft)",
        "tickColor": "var(--soft)",
        "labelLimit": 220,
        "titleLimit": 700,
    },
    "legend": {
        **_LABELS,
        "symbolSize": 90,
        "symbolOpacity": 1,
        "labelLimit": 240,
        "orient": "top",
        "direction": "horizontal",
    },
    "header": {**_LABELS, "labelFontWeight": 600, "labelLimit": 300},
}


def by_colour(field: str, title: str | None, texts: Sequence[str]) -> Json:
    """Channels `color` and `shape` of a field with these values; what is filtered away keeps its colour."""
    channel = {"field": field, "type": "nominal", "title": title}
    colours = [f"var(--c{place % len(ON_PAGES) + 1})" for place in range(len(texts))]
    shapes = [_SHAPES[(place + place // len(ON_PAGES)) % len(_SHAPES)] for place in range(len(texts))]
    return {
        "color": {**channel, "scale": {"domain": list(texts), "range": colours}},
        "shape": {**channel, "scale": {"domain": list(texts), "range": shapes}},
    }


def picture(*, many: bool) -> Json:
    """Layers of the main picture: ranges, medians, jobs, measured rows. Jobs are picked by a brush or in the legend.

    The data has a row a job and a row a measured case: `kind`, `x`, `y`, `low`, `high`, `colour`, `panel`, `series`
    (what a line has in common) and `drawn` (whether it has a point of its own).

    Args:
        many: Whether there are so many jobs that points are small and pale.
    """
    y = {"field": "y", "type": "quantitative"}
    ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    ink = {"value": "var(--text)"}
    return {
        "layer": [
            {
                "name": "ranges",
                "transform": [{"filter": "datum.kind === 'job' && datum.low !== null"}],
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {**ends, "opacity": _if_picked(0.45)},
            },
            {
                "name": "medians",
                "transform": [{"filter": "datum.kind === 'job'"}],
                "mark": LINE,
                "encoding": {
                    "y": {**y, "aggregate": "median"},
                    "detail": {"field": "series"},
                    "opacity": {"condition": {"param": "legend", "value": 1}, "value": _FADED},
                },
            },
            {
                "name": "jobs",
                "params": [
                    {"name": "brush", "select": {"type": "interval", "mark": _BRUSH}},
                    {
                        "name": "legend",
                        "select": {"type": "point", "fields": ["colour"], "toggle": "true"},
                        "bind": "legend",
                    },
                ],
                "transform": [{"filter": "datum.drawn"}],
                "mark": {"type": "point", "filled": True, "size": 18 if many else 55, "cursor": "pointer"},
                "encoding": {"y": y, "opacity": _if_picked(0.35 if many else 0.85)},
            },
            {
                "name": "spreads",
                "transform": [{"filter": "datum.kind === 'measured'"}],
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {**ends, "color": ink},
            },
            {
                "name": "measured",
                "transform": [{"filter": "datum.kind === 'measured'"}],
                "mark": {"type": "point", "shape": "stroke", "size": 260, "strokeWidth": 2.5},
                "encoding": {"y": y, "color": ink},
            },
        ],
    }


def _if_picked(opacity: float) -> Json:
    return {
        "condition": {"test": {"and": [{"param": "brush"}, {"param": "legend"}]}, "value": opacity},
        "value": _FADED,
    }


def split(labels: Sequence[str], title: str) -> Json:
    """Stacked bars of mean times. The data has a row a job and part: `bar`, `panel`, `part`, `value`.

    Args:
        labels: The parts, from left to right.
        title: Of the axis, with the unit.
    """
    bar = ["bar", "panel"]
    return {
        "transform": [
            {"aggregate": [{"op": "mean", "field": "value", "as": "value"}], "groupby": [*bar, "part", "order"]},
            {"joinaggregate": [{"op": "sum", "field": "value", "as": "total"}], "groupby": bar},
            {"calculate": "datum.value / datum.total", "as": "share"},
        ],
        "height": {"step": 19},
        "mark": {"type": "bar", "height": {"band": 0.8}},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "title": title},
            "y": {"field": "bar", "type": "nominal", "sort": None, "title": None},
            "color": by_colour("part", None, labels)["color"],
            "order": {"field": "order"},
            "tooltip": [
                {"field": "bar", "title": "jobs"},
                {"field": "part"},
                {"field": "value", "type": "quantitative", "title": title, "format": ".4"},
                {"field": "share", "type": "quantitative", "format": ".1%"},
            ],
        },
    }


def comparison(matches: Sequence[Match]) -> Json | None:
    """Predicted against measured latency, with the line on which they are equal; None if nothing was measured."""
    if not matches:
        return None
    scale = scale_of("s", pd.Series([one.measured.median_s for one in matches]))
    rows: list[Json] = [
        {
            "line": one.line,
            "measured": one.measured.median_s / scale.size,
            "low": one.measured.low_s / scale.size,
            "high": one.measured.high_s / scale.size,
            "predicted": one.predicted_s / scale.size,
            "error": one.error,
            "source": one.measured.source if one.measured.stable else f"{one.measured.source}, unstable",
            "case": one.measured.case,
        }
        for one in matches
    ]
    ends = [row[name] for row in rows for name in ("low", "high", "predicted")]
    domain = [min(ends) * 0.95, max(ends) * 1.05]
    axis = {
        "type": "quantitative",
        "scale": {"type": "log" if domain[1] > 5 * domain[0] else "linear", "domain": domain, "nice": False},
    }
    measured = {"field": "measured", "title": scale.titled("measured"), **axis}
    predicted = {"field": "predicted", "title": scale.titled("predicted"), **axis}
    channels = by_colour("source", "measured", sorted({row["source"] for row in rows}))
    tooltip = [
        {"field": "error", "type": "quantitative", "title": "predicted ÷ measured − 1", "format": "+.1%"},
        *({"field": c["field"], "type": "quantitative", "title": c["title"]} for c in (measured, predicted)),
        {"field": "source"},
        {"field": "case"},
    ]
    return {
        "width": "container",
        "height": 380,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "data": {"values": [{"measured": end, "predicted": end} for end in domain]},
                "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [5, 4]},
                "encoding": {"x": measured, "y": predicted},
            },
            {
                "mark": {"type": "rule", "opacity": 0.6},
                "encoding": {
                    "x": {**measured, "field": "low"},
                    "x2": {"field": "high"},
                    "y": predicted,
                    "color": channels["color"],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.85},
                "encoding": {"x": measured, "y": predicted, **channels, "tooltip": tooltip},
            },
        ],
    }
