"""What the page's script gets: factors, figures and commands of every finished job, column by column."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.measured_rows import Match
from dwdp_sim.sweep.page.measures import PARTS, Measure
from dwdp_sim.sweep.page.single_runs import files_of
from dwdp_sim.sweep.page.sweep_jobs import PARTS as RANK_PARTS
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs

_MOST_RANKS = 50_000  # rows of single ranks in the page
_MOST_PANELS, _MOST_COLOURS = 6, 8


def payload(
    jobs: SweepJobs,
    factors: Sequence[Factor],
    measures: Sequence[Measure],
    main: Measure,
    matches: Sequence[Match],
    runs: Mapping[str, Path],
    beside: Path,
) -> dict[str, Any]:
    """Everything the script needs, as JSON's own types.

    Args:
        jobs: The sweep.
        factors, measures: What to filter and to compare by.
        main: The measure shown first.
        matches: Measured rows.
        runs: Folders of single runs by config_hash.
        beside: Folder of the page; links are relative to it.
    """
    frame = jobs.finished
    parts = {title: names for title, names in PARTS.items() if frame[list(names)].notna().all(axis=1).any()}
    names = {name for measure in measures for name in (measure.name, measure.low, measure.high) if name}
    names |= {name for group in parts.values() for name in group}
    return {
        "factors": [_factor(factor) for factor in factors],
        "measures": [_measure(measure) for measure in measures],
        "parts": [
            {"title": title, "names": list(group), "labels": list(group.values())} for title, group in parts.items()
        ],
        "columns": {name: _numbers(frame[name]) for name in sorted(names)},
        "jobs": frame["job"].tolist(),
        "commands": _commands(frame["overrides"].tolist()),
        "assumed": frame["assumed_constants"].tolist(),
        "files": _files(frame["config_hash"].tolist(), runs, beside),
        "runs": shlex.quote(f"{jobs.path}/runs/"),
        "ranks": _ranks(jobs.ranks, len(frame)),
        "measured": [_match(one) for one in matches],
        "start": start(factors, main),
    }


def start(factors: Sequence[Factor], main: Measure) -> dict[str, str]:
    """What the first picture shows: x, colour and panels are names of factors, or empty."""
    free = [factor for factor in factors if factor.name != "seed"] or list(factors)
    x = max(free, key=lambda factor: len(factor.values) if factor.ordered else 0, default=None)
    rest = [factor for factor in free if factor is not x]
    colour = next((f for f in rest if f.name == "strategy"), None) or next(
        (f for f in rest if len(f.values) <= _MOST_COLOURS), None
    )
    panels = next((f for f in rest if f is not colour and len(f.values) <= _MOST_PANELS), None)
    chosen = {"x": x, "colour": colour, "panels": panels}
    return {"y": main.name, **{role: factor.name if factor else "" for role, factor in chosen.items()}}


def _factor(factor: Factor) -> dict[str, Any]:
    values = [value if isinstance(value, int | float) else None for value in factor.values]
    return {
        "name": factor.name,
        "label": factor.label,
        "meaning": factor.meaning,
        "texts": factor.texts,
        "values": values,
        "numeric": factor.numeric,
        "ordered": factor.ordered,
        "codes": factor.codes,
    }


def _measure(measure: Measure) -> dict[str, Any]:
    names = ("name", "label", "meaning", "low", "high", "more", "unit")
    return {name: getattr(measure, name) for name in names}


def _numbers(column: pd.Series[Any]) -> list[float | None]:
    """Six significant figures: four are shown."""
    values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]


def _commands(overrides: Sequence[str]) -> dict[str, Any]:
    """Words of the command lines, each once, and for each job the positions of its words; where rows go is left out."""
    words: dict[str, int] = {}
    lines = [[words.setdefault(word, len(words)) for word in _words(line)] for line in overrides]
    return {"words": list(words), "lines": lines}


def _words(line: str) -> list[str]:
    """Safe to paste into a shell; where a value holds quotes, the row does not say where it ends."""
    words = [word for word in line.split(" ") if not word.startswith(("results_dir=", "sweep."))]
    return [" ".join(words)] if set(line) & set("'\"\\") else [shlex.quote(word) for word in words if word]


def _files(hashes: Sequence[str], runs: Mapping[str, Path], beside: Path) -> dict[int, list[list[str]]]:
    """For each job that ran alone, names and links of the files of that run."""
    return {
        line: [[name, quote(os.path.relpath(runs[key] / name, beside))] for name in files_of(runs[key])]
        for line, key in enumerate(hashes)
        if key in runs
    }


def _ranks(ranks: pd.DataFrame, jobs: int) -> list[list[list[float | None]]] | None:
    """For each job and rank: number, latency and its parts; None where it would be too much for a page."""
    if len(ranks) > _MOST_RANKS:
        return None
    names = ["rank", "prefetch_latency_s", *RANK_PARTS]
    columns = [_numbers(ranks[name]) for name in names]
    found: list[list[list[float | None]]] = [[] for _ in range(jobs)]
    for line, *row in zip(ranks["line"].tolist(), *columns, strict=True):
        found[int(line)].append(row)
    return found


def _match(one: Match) -> dict[str, Any]:
    measured = one.measured
    return {
        "line": one.line,
        "source": measured.source,
        "case": measured.case,
        "y": measured.median_s,
        "low": measured.low_s,
        "high": measured.high_s,
        "predicted": one.predicted_s,
        "stable": measured.stable,
    }
