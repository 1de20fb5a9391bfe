"""A sweep in one sentence and a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dwdp_sim.page.factors import Factor
from dwdp_sim.page.findings import CHOICES, CLOSE, Effect, Standing
from dwdp_sim.page.jobs import SweepJobs
from dwdp_sim.page.measured import Match
from dwdp_sim.page.measures import Measure
from dwdp_sim.units import format_seconds

_NAMED = 3  # equally good choices that are named


@dataclass(frozen=True)
class Tile:
    """A headline figure: what it is, the figure, and what it rests on."""

    label: str
    figure: str
    detail: str = ""


def verdict(
    jobs: SweepJobs, factors: Sequence[Factor], measure: Measure, standings: Sequence[Standing], found: Sequence[Effect]
) -> str:
    """What the sweep says about its choices; where it has none, between what its figures lie."""
    failures = f" {_jobs(len(jobs.failed))} failed." if len(jobs.failed) else ""
    times = jobs.finished[measure.name].dropna()
    if times.empty:
        return f"No job has finished.{failures}"
    between = f"{measure.label}: {format_seconds(times.min())} to {format_seconds(times.max())}"
    if len(standings) < 2:
        return f"{between[0].upper()}{between[1:]} in {_jobs(len(times))}.{failures}"
    given = [factor.label for factor in factors if factor.name not in {*CHOICES, "seed"}]
    return f"{_best(standings, given)}{_strongest(found)}{failures}"


def _best(standings: Sequence[Standing], given: Sequence[str]) -> str:
    situations = max(one.situations for one in standings)
    where = f" in all {situations} cases ({', '.join(given)})" if situations > 1 else ""
    always = [one for one in standings if one.best == one.situations == situations]
    if len(always) == len(standings):
        return f"All {len(standings)} choices are within {CLOSE:.0%} of one another{where}."
    if always:
        names = "; ".join(one.choice for one in always[:_NAMED])
        more = f" and {len(always) - _NAMED} more" if len(always) > _NAMED else ""
        return f"Within {CLOSE:.0%} of the best{where}: {names}{more}, of {len(standings)} choices."
    first = standings[0]
    return (
        f"No choice is best throughout. Most often within {CLOSE:.0%} of the best: {first.choice}, in {first.best} of "
        f"{first.situations} cases ({', '.join(given)}), at worst {first.worst:.1%} behind."
    )


def _strongest(found: Sequence[Effect]) -> str:
    choices = [effect for effect in found if effect.is_choice]
    if not choices:
        return ""
    one = max(choices, key=lambda effect: abs(effect.median))
    over = f" in the median of {one.cases} cases" if one.cases > 1 else ""
    return f" {one.factor.label.capitalize()} {one.value} takes {_change(one.median)} time than {one.reference}{over}."


def _change(change: float) -> str:
    return f"{abs(change):.1%} {'less' if change < 0 else 'more'}"


def tiles(
    jobs: SweepJobs, measure: Measure, standings: Sequence[Standing], found: Sequence[Effect], matches: Sequence[Match]
) -> list[Tile]:
    """Headline figures, those that exist."""
    frame = jobs.finished
    rows = len(jobs.ranks) + int((~frame.index.isin(jobs.ranks["line"])).sum())
    failed = f"{_jobs(len(jobs.failed))} failed" if len(jobs.failed) else "none failed"
    shown = [Tile("jobs finished", f"{len(frame):,}", f"{rows:,} rows; {failed}")]
    times = frame[measure.name].dropna()
    if len(times):
        bound_s = float(frame["lower_bound_s"].to_numpy()[int(np.argmin(frame[measure.name].fillna(np.inf)))])
        bound = f"{times.min() / bound_s:.2f} × its lower bound" if bound_s > 0 else ""
        shown.append(Tile(f"least {measure.label}", format_seconds(times.min()), bound))
    if len(standings) > 1:
        first = standings[0]
        in_cases = f"within {CLOSE:.0%} of the best in {first.best} of {first.situations} cases"
        shown.append(Tile("most often best", first.choice, in_cases if first.situations > 1 else ""))
    choices = [effect for effect in found if effect.is_choice]
    if choices:
        one = max(choices, key=lambda effect: abs(effect.median))
        label = f"{one.factor.label} {one.value} over {one.reference}"
        shown.append(
            Tile(label, _signed(one.median), f"median of {one.cases}; {_signed(one.low)} to {_signed(one.high)}")
        )
    return [*shown, *_range_tile(frame, measure), *_measured_tile(matches)]


def _range_tile(frame: pd.DataFrame, measure: Measure) -> list[Tile]:
    if not measure.low:
        return []
    width = ((frame[measure.high] - frame[measure.low]) / frame[measure.name]).dropna()
    if width.empty:
        return []
    detail = f"median width of the range, as a part of the prediction; at most {width.max():.1%}"
    return [Tile("open under rules nobody has measured", f"{width.median():.1%}", detail)]


def _measured_tile(matches: Sequence[Match]) -> list[Tile]:
    errors = np.abs([one.error for one in matches if one.measured.stable])
    if not len(errors):
        return []
    detail = f"median of {len(errors)} pairs of a job and a measurement; largest {errors.max():.1%}"
    return [Tile("error against measured rows", f"{np.median(errors):.1%}", detail)]


def _signed(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", "−")


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"
