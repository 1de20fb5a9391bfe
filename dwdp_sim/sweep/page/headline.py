"""Put a sweep into one sentence and a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dwdp_sim.base.units import format_percent, format_seconds
from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.findings import CLOSE, Effect, Standing, given_factors
from dwdp_sim.sweep.page.measured_rows import Match, errors
from dwdp_sim.sweep.page.measures import Measure
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs

_CLOSE = f"{100 * CLOSE:.0f} %"
_NAMED = 3  # equally good choices that are named


@dataclass(frozen=True)
class Tile:
    """A headline figure: its label, its value, and what it rests on."""

    label: str
    figure: str
    detail: str = ""


def verdict(
    jobs: SweepJobs, factors: Sequence[Factor], measure: Measure, standings: Sequence[Standing], found: Sequence[Effect]
) -> str:
    """Return what the sweep says about its choices or, if it has none, the range of its figures."""
    failures = f" {_jobs(len(jobs.failed))} failed." if len(jobs.failed) else ""
    times = jobs.finished[measure.name].dropna()
    if times.empty:
        return f"No job has finished.{failures}"
    between = f"{measure.label}: {format_seconds(times.min())} to {format_seconds(times.max())}"
    if len(standings) < 2:
        return f"{between[0].upper()}{between[1:]} in {_jobs(len(times))}.{failures}"
    given = [factor.label for factor in given_factors(factors)]
    return f"{_best(standings, given)}{_strongest(found)}{failures}"


def _best(standings: Sequence[Standing], given: Sequence[str]) -> str:
    """Which choices are best, all that are equally so."""
    cases = max(one.situations for one in standings)
    where = f" in all {cases} cases ({', '.join(given)})" if cases > 1 else ""
    first, alike = standings[0], _alike(standings)
    if first.best < cases:
        return (
            f"No choice is best throughout. Most often within {_CLOSE} of the best, in {first.best} of "
            f"{first.situations} cases ({', '.join(given)}): {_listed(alike)}; at worst {format_percent(first.worst)} "
            "behind."
        )
    if len(alike) == len(standings):
        return f"The {len(standings)} choices are within {_CLOSE} of one another{where}."
    return f"Within {_CLOSE} of the best{where}: {_listed(alike)}, of {len(standings)} choices."


def _alike(standings: Sequence[Standing]) -> list[Standing]:
    """Those as good as the first: best in all cases as it is, or else as often, and at worst as little behind."""
    first = standings[0]
    same = [one for one in standings if (one.best, one.situations) == (first.best, first.situations)]
    if first.best == first.situations:
        return same
    return [one for one in same if one.worst <= first.worst + CLOSE / 10]


def _listed(standings: Sequence[Standing]) -> str:
    more = len(standings) - _NAMED
    names = "; ".join(one.choice for one in standings[:_NAMED])
    return f"{names}; and {more} more" if more > 0 else names


def _strongest(found: Sequence[Effect]) -> str:
    one = _largest(found)
    if one is None or abs(one.median) < CLOSE:
        return ""
    over = f" in the median of {one.cases} cases" if one.cases > 1 else ""
    change = f"{format_percent(abs(one.median))} {'less' if one.median < 0 else 'more'} time"
    return f" {one.factor.label.capitalize()} {one.value} takes {change} than {one.reference}{over}."


def _largest(found: Sequence[Effect]) -> Effect | None:
    """Return the largest effect of the strategy if it makes a difference, else of any choice."""
    choices = [effect for effect in found if effect.is_choice]
    felt = [effect for effect in choices if effect.factor.name == "strategy" and abs(effect.median) >= CLOSE]
    return max(felt or choices, key=lambda effect: abs(effect.median), default=None)


def tiles(
    jobs: SweepJobs, measure: Measure, standings: Sequence[Standing], found: Sequence[Effect], matches: Sequence[Match]
) -> list[Tile]:
    """Return the headline figures for which there is data."""
    frame = jobs.finished
    rows = len(jobs.ranks) + int((~frame.index.isin(jobs.ranks["line"])).sum())
    failed = f"{_jobs(len(jobs.failed))} failed" if len(jobs.failed) else "none failed"
    shown = [Tile("jobs finished", f"{len(frame):,}", f"{rows:,} rows; {failed}")]
    times = frame[measure.name].dropna()
    if len(times):
        bound_s = float(frame["lower_bound_s"].to_numpy()[int(np.argmin(frame[measure.name].fillna(np.inf)))])
        bound = f"{times.min() / bound_s:.2f} × its lower bound" if bound_s > 0 else ""
        shown.append(Tile(f"least {measure.label}", format_seconds(times.min()), bound))
    return [
        *shown,
        *_best_tile(standings),
        *_effect_tile(found),
        *_range_tile(frame, measure),
        *_measured_tile(matches),
    ]


def _best_tile(standings: Sequence[Standing]) -> list[Tile]:
    if len(standings) < 2 or len(_alike(standings)) == len(standings):
        return []
    first, others = standings[0], len(_alike(standings)) - 1
    parts = [f"in {first.best} of {first.situations} cases"] if first.situations > 1 else []
    parts += [f"as {others} {'other' if others == 1 else 'others'}"] if others else []
    return [Tile(f"within {_CLOSE} of the best", first.choice, ", ".join(parts))]


def _effect_tile(found: Sequence[Effect]) -> list[Tile]:
    one = _largest(found)
    if one is None:
        return []
    span = f"{format_percent(one.low, signed=True)} to {format_percent(one.high, signed=True)}"
    label = f"{one.factor.label} {one.value} over {one.reference}"
    return [Tile(label, format_percent(one.median, signed=True), f"median of {one.cases}; {span}")]


def _range_tile(frame: pd.DataFrame, measure: Measure) -> list[Tile]:
    if not measure.low:
        return []
    width = ((frame[measure.high] - frame[measure.low]) / frame[measure.name]).dropna()
    if width.empty:
        return []
    detail = f"of the prediction, median of {_jobs(len(width))}; at most {format_percent(width.max())}"
    return [Tile("width of the range over hypotheses", format_percent(width.median()), detail)]


def _measured_tile(matches: Sequence[Match]) -> list[Tile]:
    found = errors(matches)
    if not len(found):
        return []
    detail = f"median of {len(found)}; largest {format_percent(float(found.max()))}"
    return [Tile("error against measured rows", format_percent(float(np.median(found))), detail)]


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"
