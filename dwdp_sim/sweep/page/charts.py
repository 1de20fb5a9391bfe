"""Prepare the data of the page's pictures: columns of the jobs, and Vega-Lite parts."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.measured_rows import Match
from dwdp_sim.sweep.page.measures import PARTS, Measure, scale_of
from dwdp_sim.sweep.page.vega import CONFIG, LINE, TICK, Json, by_colour, comparison, picture, split

_MEASURED = "prefetch_latency_mean_s"  # the measure that measured rows have, too
_MOST_PANELS, _MOST_COLOURS = 6, 8  # in the first picture
_MOST_OFFERED_PANELS = 16
_MOST_TICKS = 9
_TILTED = 30  # letters in the labels of an axis from which on they are tilted
_LETTERS = 40  # of a line of a title that stands beside the picture
_WIDE = 16  # largest ÷ smallest value from which on an axis is logarithmic


@dataclass(frozen=True)
class Choice:
    """One entry of a selection box on the page.

    Attributes:
        options: Texts by key: `f0`, `f1`, … are factors, `m0`, `m1`, … measures, an empty key is nothing.
        first: The key that is chosen at first.
    """

    options: Mapping[str, str]
    first: str


def choices(factors: Sequence[Factor], measures: Sequence[Measure], main: Measure) -> dict[str, Choice]:
    """Return what the picture can show (`y`), against what (`x`), by which colours and panels."""
    free = [factor for factor in factors if factor.name != "seed"] or list(factors)
    x = max(free, key=lambda factor: len(factor.values) if factor.ordered else 0, default=None)
    rest = [factor for factor in free if factor is not x]
    colour = next((f for f in rest if f.name == "strategy"), None) or next(
        (f for f in rest if len(f.values) <= _MOST_COLOURS), None
    )
    panels = next((f for f in rest if f is not colour and len(f.values) <= _MOST_PANELS), None)
    named = {f"f{number}": factor.label for number, factor in enumerate(factors)}
    figures = {f"m{number}": measure.label for number, measure in enumerate(measures)}
    few = {key: named[key] for key, f in zip(named, factors, strict=True) if len(f.values) <= _MOST_OFFERED_PANELS}
    nothing = {"": "nothing"}

    def key(factor: Factor | None) -> str:
        return f"f{factors.index(factor)}" if factor else ""

    return {
        "y": Choice(figures, f"m{measures.index(main)}" if main in measures else ""),
        "x": Choice((named or nothing) | figures, key(x)),
        "colour": Choice(nothing | named, key(colour)),
        "panels": Choice(nothing | few, key(panels)),
    }


def charts(
    jobs: pd.DataFrame, factors: Sequence[Factor], measures: Sequence[Measure], matches: Sequence[Match]
) -> Json:
    """Return everything that the page's script gets, in types that JSON has.

    Args:
        jobs: Finished jobs.
        factors, measures: What to compare by, and what to compare.
        matches: Measured rows of the jobs.
    """
    found: Json = {
        "jobs": len(jobs),
        "factors": {f"f{number}": _texts(factor) for number, factor in enumerate(factors)},
        "figures": {
            f"f{number}": [factor.values[code] for code in factor.codes]
            for number, factor in enumerate(factors)
            if factor.numeric
        },
        "x": {"": {"channel": {"field": "x", "type": "nominal", "title": None}, "median": TICK}},
        "y": {},
        "colour": {"": {"color": {"value": "var(--c1)"}, "shape": {"value": "circle"}}},
        "splits": [],
        "picture": picture(many=len(jobs) > 1000),
        "measured": [],
        "comparison": comparison(matches),
        "config": CONFIG,
    }
    for number, factor in enumerate(factors):
        found["x"][f"f{number}"] = {"channel": _factor_axis(factor), "median": LINE if factor.ordered else TICK}
        found["colour"][f"f{number}"] = by_colour("colour", factor.label, factor.texts)
    for number, measure in enumerate(measures):
        _add_measure(found, f"m{number}", measure, jobs, matches)
    for title, parts in splits(jobs).items():
        _add_split(found, title, parts, jobs)
    return found


def splits(jobs: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the ways to split a time into parts that some job has in full: title, then labels by column."""
    return {title: parts for title, parts in PARTS.items() if jobs[list(parts)].notna().all(axis=1).any()}


def _texts(factor: Factor) -> Json:
    """A factor's texts and each job's place among them; `bars` are texts that can stand alone."""
    bars = [f"{factor.label} {text}" if text.replace(".", "").isdigit() else text for text in factor.texts]
    return {
        "label": factor.label,
        "texts": factor.texts,
        "bars": bars,
        "codes": factor.codes,
        "seed": factor.name == "seed",
    }


def _factor_axis(factor: Factor) -> Json:
    """Numbers at their places, labelled with their units; else texts side by side."""
    axis: Json = {"field": "x", "title": factor.label}
    if not factor.numeric:
        tilted = sum(map(len, factor.texts)) > _TILTED
        return axis | {"type": "nominal", "sort": factor.texts, "axis": {"labelAngle": -35 if tilted else 0}}
    values = [value for value in factor.values if isinstance(value, int | float)]
    every = -(-len(values) // _MOST_TICKS)
    ticks, texts = values[::every], factor.texts[::every]
    logarithmic = values[0] > 0 and values[-1] >= _WIDE * values[0]
    return axis | {
        "type": "quantitative",
        "scale": ({"type": "log"} if logarithmic else {"zero": False}) | {"nice": False, "padding": 16},
        "axis": {
            "values": ticks,
            "labelExpr": f"{json.dumps(texts)}[indexof({json.dumps(ticks)}, datum.value)]",
            "labelOverlap": True,
            "labelSeparation": 8,
            "grid": False,
        },
    }


def _add_measure(found: Json, key: str, measure: Measure, jobs: pd.DataFrame, matches: Sequence[Match]) -> None:
    """Columns `key`, `key_low`, `key_high`, the axes, and what was measured of it."""
    scale = scale_of(measure.unit, jobs[measure.name])
    title = scale.titled(measure.label)
    columns = {"": measure.name, "_low": measure.low, "_high": measure.high}
    found["figures"] |= {f"{key}{end}": scale.numbers(jobs[name]) for end, name in columns.items() if name}
    axis = {"field": "x", "type": "quantitative", "scale": {"zero": False}, "title": title}
    found["x"][key] = {"channel": axis, "median": None}
    is_measured = measure.name == _MEASURED
    found["y"][key] = {
        "title": title,
        "lines": textwrap.wrap(title, _LETTERS),
        "range": measure.meaning if measure.low else "",
        "measured": is_measured,
    }
    if is_measured:
        found["measured"] = [
            {
                "line": one.line,
                "y": one.measured.median_s / scale.size,
                "low": one.measured.low_s / scale.size,
                "high": one.measured.high_s / scale.size,
                "measured": f"{one.measured.source}, {one.measured.case}",
            }
            for one in matches
        ]


def _add_split(found: Json, title: str, parts: Mapping[str, str], jobs: pd.DataFrame) -> None:
    scale = scale_of("s", jobs[list(parts)].sum(axis=1, skipna=False))
    keys = {f"s{len(found['splits'])}_{number}": label for number, label in enumerate(parts.values())}
    found["figures"] |= {key: scale.numbers(jobs[name]) for key, name in zip(keys, parts, strict=True)}
    found["splits"].append({"title": title, "parts": keys, "spec": split(list(keys.values()), scale.titled("time"))})
