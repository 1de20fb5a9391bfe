"""What a search finds, how much it may simulate for it, and which parts of a comparison there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.fabric.hypotheses import Hypothesis

Part = Literal["hypotheses", "candidates", "steps", "turning", "slices", "host", "placements"]
"""What an answer may not have come to yet."""

IN_WORDS: Mapping[Part, str] = {
    "hypotheses": "the other hypotheses",
    "candidates": "other candidates",
    "steps": "more layers and seeds",
    "turning": "where it turns",
    "slices": "slice sizes",
    "host": "the host's time",
    "placements": "other placements",
}


@dataclass(frozen=True)
class Effort:
    """The effort of a search: layers, seeds, copies and draws.

    Attributes:
        screen_layers: MoE layers of a step when all candidates are compared.
        seeds: Seeds of the final comparison, in the state that is configured.
        copies: Slice transfers that the final comparison may take; it simulates fewer layers if all would take more.
        samples: Draws of fitted constants from their intervals, if the cluster has any.
    """

    screen_layers: int = 12
    seeds: tuple[int, ...] = (0, 1, 2)
    copies: int = 8_000_000
    samples: int = 4


@dataclass(frozen=True)
class Row:
    """One candidate of the final comparison.

    Attributes:
        candidate: The strategy, and whether it carries over.
        iteration: Time of a forward step in seconds, as configured.
        gain: How much less time it takes than what the user has, as a share, seed by seed.
        gains: Mean gain in each state of the machine that the final comparison ran.
        changes: What the engine's developers would have to change.
    """

    candidate: Candidate
    iteration: Estimate
    gain: Estimate
    gains: Mapping[Hypothesis, float]
    changes: tuple[str, ...]

    @property
    def gain_range(self) -> tuple[float, float]:
        """Lowest and highest mean gain over all states."""
        return min(self.gains.values()), max(self.gains.values())


@dataclass(frozen=True)
class Screened:
    """One candidate over a few layers of one seed.

    Attributes:
        candidate: The strategy, and whether it carries over.
        gain: Over what the user has, as configured.
        final: Whether it went on, itself or as one that comes to the same simulation.
    """

    candidate: Candidate
    gain: float
    final: bool


@dataclass(frozen=True)
class Findings:
    """The outcome of the search, or what is known before it has ended.

    Attributes:
        rows: The final comparison, or the latest; first what the user has.
        today: The row to choose without changing the engine.
        best: The row to choose if the engine may change.
        screened: Every candidate; none before all of them have been.
        states: What may be true of the machine; the final comparison ran those that turned out to be extreme.
        layers: MoE layers of a step in that comparison.
        of_layers: MoE layers of the model.
        unseen: Those of the states under which nothing has been simulated yet.
        missing: What the search has not come to; nothing once it has ended.
    """

    rows: list[Row]
    today: Row
    best: Row
    screened: list[Screened]
    states: list[Hypothesis]
    layers: int
    of_layers: int
    unseen: tuple[Hypothesis, ...] = ()
    missing: tuple[Part, ...] = ()
