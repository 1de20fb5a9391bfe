"""Draw when the ranks of a layer start: one list of starts for each draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.program import LATEST_START_S, LONGEST_SPREAD_S, check_spread

STARTS = ("random", "offsets", "lockstep", "file")
MOST_DRAWS = 10_000


@dataclass(frozen=True)
class Starts:
    """The way in which starts of a layer's ranks, or of a program's streams, are drawn.

    Attributes:
        kind: `random` (each at random within `max_phase_s`), `offsets`, `lockstep` (all at once: a singular case), or
            `file` (as a program says; for a replay only).
        draws: Starts that are drawn where they are random.
        max_phase_s: Ranks start within so many seconds (`random`).
        offsets_s: Start of each rank in seconds (`offsets`).

    Raises:
        ConfigError: Too few or too many draws, or an unknown kind.
    """

    kind: str = "random"
    draws: int = 8
    max_phase_s: float = 1.6e-6
    offsets_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.draws <= MOST_DRAWS:
            raise ConfigError("workload.draws", self.draws, f"from 1 to {MOST_DRAWS} draws are wanted")
        check_choice("workload.start", self.kind, STARTS)

    def draw_s(self, size: int, seed: int) -> list[list[float]]:
        """Return when each stream starts, in seconds, for each draw; a single draw if nothing is random.

        Draw i depends on `seed` + i alone, so that strategies are compared on the same starts.

        Args:
            size: Ranks or streams.
            seed: Of the first draw.

        Raises:
            ConfigError: The offsets or the phase cannot be used.
        """
        match self.kind:
            case "lockstep" | "file":
                return [[0.0] * size]
            case "offsets":
                if len(self.offsets_s) != size or not all(0 <= s <= LATEST_START_S for s in self.offsets_s):
                    allowed = f"{size} seconds from 0 to {LATEST_START_S:g} are wanted, one a rank"
                    raise ConfigError("workload.offsets_s", list(self.offsets_s), allowed)
                check_spread("workload.offsets_s", self.offsets_s)
                return [list(self.offsets_s)]
            case _:
                if not 0 < self.max_phase_s <= LONGEST_SPREAD_S:
                    allowed = f"seconds above zero and up to {LONGEST_SPREAD_S:g} are wanted"
                    raise ConfigError("workload.max_phase_s", self.max_phase_s, allowed)
                seeds = range(seed, seed + self.draws)
                return [np.random.default_rng(s).uniform(0.0, self.max_phase_s, size).tolist() for s in seeds]
