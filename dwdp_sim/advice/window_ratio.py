"""Measure how long the user's compute windows are relative to the prefetch, and how unequal the ranks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.scenario import draw


@dataclass(frozen=True)
class Load:
    """Compute windows and the prefetch that they have to hide.

    Attributes:
        window_s: Mean compute time of a MoE layer.
        before_share: Part of it before it waits for its experts.
        prefetch_s: Time of a layer's prefetch that shares no link: bytes over the busiest one.
        cv: Coefficient of variation of the steps' compute, over ranks and steps.
    """

    window_s: float
    before_share: float
    prefetch_s: float
    cv: float

    @property
    def ratio(self) -> float:
        """r: window ÷ uncontended prefetch."""
        return self.window_s / self.prefetch_s


def measure_load(baseline: Baseline, strategy: Strategy, seeds: Sequence[int]) -> Load:
    """Measure the windows that the seeds draw.

    Args:
        baseline: The user's configuration.
        strategy: Any of its implementation: all pull the same bytes.
        seeds: What the search uses.
    """
    scenario = baseline.scenario(Trial(strategy))
    drawn = [draw(scenario, seed).windows for seed in seeds]
    layers_s = np.array([w.before_s + w.moe_s for w in drawn])
    steps_s = layers_s.sum(axis=3)
    before_s = np.array([w.before_s for w in drawn])
    return Load(
        window_s=float(layers_s.mean()),
        before_share=float(before_s.sum() / layers_s.sum()) if layers_s.any() else 0.5,
        prefetch_s=lower_bound_s(scenario.program, scenario.constants),
        cv=float(steps_s.std() / steps_s.mean()) if steps_s.any() else 0.0,
    )
