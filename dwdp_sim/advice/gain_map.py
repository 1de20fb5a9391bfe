"""Map the gain of batching over the default copies against the length and the variation of compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.search import trial_of
from dwdp_sim.advice.trial import Trial, Windows
from dwdp_sim.advice.trials import Trials
from dwdp_sim.advice.window_ratio import Load
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.steps.coarse_plan import COARSE_SLICES

RATIOS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.25, 1.6, 2.0, 2.8, 4.0)  # window ÷ uncontended prefetch
VARIATIONS = (0.0, 0.05, 0.1, 0.2, 0.3)


def places_of(ratios: int, variations: int) -> list[tuple[float, float]]:
    """Return the (ratio, variation) of a map with so many of each, evenly spread between those of a usual map.

    Args:
        ratios: At least two; `RATIOS` themselves where there are as many of them.
        variations: The same of `VARIATIONS`.
    """
    return list(product(_spread(RATIOS, ratios), _spread(VARIATIONS, variations)))


def _spread(values: Sequence[float], count: int) -> list[float]:
    """`count` values that divide each of the gaps in `values` alike, rounded to five digits."""
    at = np.linspace(0.0, len(values) - 1.0, count)
    return [float(f"{value:.5g}") for value in np.interp(at, np.arange(len(values)), values)]


@dataclass(frozen=True)
class MapPoint:
    """One length of compute and one variation.

    Attributes:
        ratio: Window ÷ uncontended prefetch.
        cv: Coefficient of variation of the ranks' steps.
        gains: Of batching over the default copies, in each state of the machine.
    """

    ratio: float
    cv: float
    gains: Mapping[Hypothesis, Estimate]


def map_gain(
    runner: Trials,
    current: Candidate,
    load: Load,
    places: Sequence[tuple[float, float]],
    states: Sequence[Hypothesis],
    layers: int,
    seeds: Sequence[int],
) -> list[MapPoint]:
    """Return the gain at each (ratio, variation).

    Every layer of a step has the same window, and each rank's step a log-normal factor on it.

    Args:
        runner: Runs trials.
        current: What the user runs; its engine counts.
        load: Gives the uncontended prefetch and the part of a window before the experts are needed.
        places: Where to look.
        states: What may be true of the machine.
        layers: MoE layers of a step.
        seeds: At least two.
    """
    default, batched = pair(current)

    def trial(candidate: Candidate, place: tuple[float, float], state: Hypothesis) -> Trial:
        windows = Windows(place[0] * load.prefetch_s, load.before_share, place[1])
        return replace(trial_of(candidate, state, layers, COARSE_SLICES), windows=windows)

    pairs = {(place, s): (trial(batched, place, s), trial(default, place, s)) for place in places for s in states}
    runner.run(dict.fromkeys((each for both in pairs.values() for each in both), seeds))
    gains = {at: paired_gain(*(runner.times(each, seeds) for each in both)) for at, both in pairs.items()}
    return [MapPoint(*place, {state: gains[place, state] for state in states}) for place in places]
