"""Find the break-even: how long compute must be for the gain of one candidate over another to vanish."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.search import ALIKE, trial_of
from dwdp_sim.advice.trial import Trial
from dwdp_sim.advice.trials import Trials
from dwdp_sim.advice.window_ratio import Load
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.steps.coarse_plan import COARSE_SLICES

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)  # window ÷ uncontended prefetch
_HALVINGS = 4


@dataclass(frozen=True)
class BreakEven:
    """The gain over the length of compute, in one state of the machine.

    Attributes:
        state: What is true of the machine.
        ratios: Window ÷ uncontended prefetch.
        gains: At each ratio.
        begins_at: Smallest of `ratios` with a real gain of at least half a percent; None if there is none.
        ends_at: Largest ratio with a real gain of at least half a percent, by bisection; None if there is none,
            infinite where it never ends.
        costs: Largest real loss at any ratio, as a share; 0 without one.
    """

    state: Hypothesis
    ratios: tuple[float, ...]
    gains: tuple[Estimate, ...]
    begins_at: float | None
    ends_at: float | None
    costs: float


def find_break_evens(
    runner: Trials,
    of: Candidate,
    over: Candidate,
    load: Load,
    states: Sequence[Hypothesis],
    layers: int,
    seeds: Sequence[int],
) -> list[BreakEven]:
    """Scale all compute times and find where the gain of `of` over `over` ends.

    Args:
        runner: Runs trials.
        of: The one that may gain.
        over: The other.
        load: The user's windows.
        states: What may be true of the machine.
        layers: MoE layers of a step.
        seeds: At least two.
    """

    def trials(state: Hypothesis, ratio: float) -> tuple[Trial, Trial]:
        both = (trial_of(candidate, state, layers, COARSE_SLICES) for candidate in (of, over))
        first, second = (replace(trial, window_factor=ratio / load.ratio) for trial in both)
        return first, second

    def gain(state: Hypothesis, ratio: float) -> Estimate:
        first, second = trials(state, ratio)
        return paired_gain(runner.times(first, seeds), runner.times(second, seeds))

    def run(places: Iterable[tuple[Hypothesis, float]]) -> None:
        runner.run(dict.fromkeys((trial for place in places for trial in trials(*place)), seeds))

    run((state, ratio) for state in states for ratio in RATIOS)
    gains = {state: tuple(gain(state, ratio) for ratio in RATIOS) for state in states}
    real = {state: [place for place, one in enumerate(of_state) if _pays(one)] for state, of_state in gains.items()}
    ends = {s: (RATIOS[at[-1]], RATIOS[at[-1] + 1]) for s, at in real.items() if at and at[-1] + 1 < len(RATIOS)}
    for _ in range(_HALVINGS):
        middles = {state: math.sqrt(low * high) for state, (low, high) in ends.items()}
        run(middles.items())
        for state, middle in middles.items():
            low, high = ends[state]
            ends[state] = (middle, high) if _pays(gain(state, middle)) else (low, middle)
    return [
        BreakEven(
            state=state,
            ratios=RATIOS,
            gains=gains[state],
            begins_at=RATIOS[real[state][0]] if real[state] else None,
            ends_at=ends.get(state, (math.inf,))[0] if real[state] else None,
            costs=max((-one.mean for one in gains[state] if one.excludes_zero and one.mean < 0), default=0.0),
        )
        for state in states
    ]


def _pays(gain: Estimate) -> bool:
    return gain.mean >= ALIKE and gain.excludes_zero
