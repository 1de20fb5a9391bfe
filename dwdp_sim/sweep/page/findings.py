"""Find how often each choice is the fastest, and what each factor changes, all else equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.measures import Measure
from dwdp_sim.sweep.page.sweep_jobs import USED_UNDER

CHOICES = ("strategy", "implementation", "slice_bytes", "wave_copies", "call_rounds", "barrier", "slots", "carry_over")
CLOSE = 0.01  # choices this close to the best count as equally good
_SAME = 1e-9  # what rounding can make of equal times
_MOST_VALUES = 12  # of more numbers, only the smallest and the largest are compared


@dataclass(frozen=True)
class Effect:
    """What one value of a factor changes against another, all other factors equal.

    Attributes:
        factor: Which.
        value, reference: Its values, for people.
        cases: Pairs of jobs, seeds averaged.
        median, low, high: Of (time with `value` ÷ time with `reference` − 1) over the cases.
        sure: Cases in which the ranges over hypotheses do not touch.
        ranged: Cases in which both have such a range, or no unmeasured rule can matter.
    """

    factor: Factor
    value: str
    reference: str
    cases: int
    median: float
    low: float
    high: float
    sure: int
    ranged: int

    @property
    def is_choice(self) -> bool:
        """Whether it can be chosen, rather than being given."""
        return self.factor.name in CHOICES


@dataclass(frozen=True)
class Standing:
    """How often a combination of choices is best, and how far it is behind otherwise.

    Attributes:
        choice: Its values, for people.
        best: Situations in which it is within `CLOSE` of the best.
        situations: Situations in which it was tried beside others.
        worst: Largest time ÷ best time − 1.
    """

    choice: str
    best: int
    situations: int
    worst: float


@dataclass(frozen=True)
class Winner:
    """The best choice in one situation.

    Attributes:
        situation: Values of what is given, for people.
        choice: Values of what is chosen.
        time_s: Its time.
        near: How many other choices are within `CLOSE` of it.
        choices: How many were tried.
    """

    situation: tuple[str, ...]
    choice: str
    time_s: float
    near: int
    choices: int


def given_factors(factors: Sequence[Factor]) -> list[Factor]:
    """Return the factors that define a situation: those that are neither choices nor seeds."""
    return [factor for factor in factors if factor.name not in {*CHOICES, "seed"}]


def case_table(jobs: pd.DataFrame, factors: Sequence[Factor], measure: Measure) -> pd.DataFrame:
    """Return a line for each combination of factors, seeds averaged: codes of the factors, `y`, `low` and `high`.

    Where no unmeasured rule can matter, with fewer than three ranks, the range is the value itself.
    """
    table = pd.DataFrame({factor.name: factor.codes for factor in factors if factor.name != "seed"}, index=jobs.index)
    y = jobs[measure.name]
    for end in ("low", "high"):
        column = getattr(measure, end)
        known = jobs[column] if column else pd.Series(np.nan, index=jobs.index)
        table[end] = known.where(known.notna() | (jobs["dwdp_size"] >= 3), y)
    table["y"] = y
    names = [factor.name for factor in factors if factor.name != "seed"]
    table = table[table["y"].notna()]
    return table.groupby(names, as_index=False).mean() if names else table


def effects(cases: pd.DataFrame, factors: Sequence[Factor]) -> list[Effect]:
    """Return what each factor changes: choices first, then what is given. Seeds are no factor."""
    found = []
    for factor in factors:
        if factor.name == "seed" or (len(factor.values) > _MOST_VALUES and not factor.numeric):
            continue
        owned = {name for name, (owner, _) in USED_UNDER.items() if owner == factor.name}
        others = [f.name for f in factors if f.name not in {factor.name, "seed", *owned}]
        found += _effects_of(factor, cases, others)
    return sorted(found, key=lambda effect: not effect.is_choice)


def _effects_of(factor: Factor, cases: pd.DataFrame, others: list[str]) -> list[Effect]:
    """Each value at its best settings of what it alone looks at, against the first value's."""
    best = cases.loc[cases.groupby([*others, factor.name])["y"].idxmin()]
    codes = sorted(best[factor.name].unique())
    compared = codes[1:] if len(codes) <= _MOST_VALUES else codes[-1:]
    found = []
    for code in compared:
        one, reference = best[best[factor.name] == code], best[best[factor.name] == codes[0]]
        pairs = one.merge(reference, on=others, suffixes=("", "_ref")) if others else one.merge(
            reference, how="cross", suffixes=("", "_ref")
        )  # fmt: skip
        if pairs.empty:
            continue
        change = pairs["y"] / pairs["y_ref"] - 1
        apart = (pairs["high"] < pairs["low_ref"] * (1 - _SAME)) | (pairs["low"] > pairs["high_ref"] * (1 + _SAME))
        found.append(
            Effect(
                factor=factor,
                value=factor.texts[code],
                reference=factor.texts[codes[0]],
                cases=len(pairs),
                median=float(change.median()),
                low=float(change.min()),
                high=float(change.max()),
                sure=int(apart.sum()),
                ranged=int(pairs[["low", "high", "low_ref", "high_ref"]].notna().all(axis=1).sum()),
            )
        )
    return found


def standings(cases: pd.DataFrame, factors: Sequence[Factor]) -> list[Standing]:
    """Return every combination of choices, the most often best one first; empty if there is no choice."""
    chosen = [f for f in factors if f.name in CHOICES]
    if not chosen or cases.empty:
        return []
    by_situation = cases["y"].groupby(_situations(cases, factors))
    table = cases.assign(behind=cases["y"] / by_situation.transform("min") - 1)[by_situation.transform("size") > 1]
    found = []
    for codes, group in table.groupby([f.name for f in chosen]):
        near = int((group["behind"] <= CLOSE).sum())
        name = _choice(chosen, np.asarray(codes).tolist())
        found.append(Standing(name, near, len(group), float(group["behind"].max())))
    return sorted(found, key=lambda one: (-one.best / one.situations, one.worst, one.choice))


def winners(cases: pd.DataFrame, factors: Sequence[Factor]) -> list[Winner]:
    """Return the best choice in every situation that offers one."""
    chosen, given = [f for f in factors if f.name in CHOICES], given_factors(factors)
    found = []
    for _, group in cases.groupby(_situations(cases, factors)):
        if chosen and len(group) > 1:
            least = float(group["y"].min())
            best = group[group["y"] <= least * (1 + _SAME)].iloc[0]
            situation = tuple(f.texts[int(best[f.name])] for f in given)
            near = int((group["y"] <= least * (1 + CLOSE)).sum()) - 1
            choice = _choice(chosen, best[[f.name for f in chosen]].astype(int).tolist())
            found.append(Winner(situation, choice, least, near, len(group)))
    return found


def _situations(cases: pd.DataFrame, factors: Sequence[Factor]) -> pd.Series[Any]:
    """For each case, a number that it shares with the cases of its situation."""
    names = [factor.name for factor in given_factors(factors)]
    return cases.groupby(names).ngroup() if names else pd.Series(0, index=cases.index)


def _choice(chosen: Sequence[Factor], codes: Sequence[int]) -> str:
    picked = [(f, f.texts[code]) for f, code in zip(chosen, codes, strict=True) if f.values[code] is not None]
    return ", ".join(text if f.name == "strategy" else f"{f.label} {text}" for f, text in picked)
