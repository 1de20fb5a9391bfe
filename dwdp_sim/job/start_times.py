"""When the ranks of a layer start: one list of starts for each draw."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.schema import WorkloadConfig
from dwdp_sim.plan.program import LATEST_START_S, LONGEST_SPREAD_S, check_spread

STARTS = ("random", "offsets", "lockstep", "file")
MOST_DRAWS = 10_000


def check_starts(workload: WorkloadConfig) -> None:
    """Refuse what the kind of workload does not have, and offsets that nothing reads.

    Raises:
        ConfigError: Such a value is given.
    """
    if not 1 <= workload.draws <= MOST_DRAWS:
        raise ConfigError("workload.draws", workload.draws, f"from 1 to {MOST_DRAWS} draws are wanted")
    if workload.start not in STARTS:
        raise ConfigError("workload.start", workload.start, f"allowed: {', '.join(STARTS)}")
    if workload.start == "file" and workload.kind != "replay":
        raise ConfigError("workload.start", "file", "only workload=replay has starts in a file")
    if workload.kind == "replay" and workload.start not in ("file", "random"):
        allowed = "allowed for a replay: file (as the program says), random (later by up to max_phase_s)"
        raise ConfigError("workload.start", workload.start, allowed)
    if workload.offsets_s and (workload.kind, workload.start) != ("layer", "offsets"):
        raise ConfigError("workload.offsets_s", workload.offsets_s, "only workload.start=offsets of a layer reads them")


def draw_starts_s(workload: WorkloadConfig, size: int, seed: int) -> list[list[float]]:
    """When each rank's clock starts, in seconds, for each draw; a single draw where nothing is random.

    Draw i depends on `seed` + i alone, so that strategies are compared on the same starts.

    Args:
        workload: Says how.
        size: Ranks.
        seed: Of the first draw.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    match workload.start:
        case "lockstep" | "file":
            return [[0.0] * size]
        case "offsets":
            if len(workload.offsets_s) != size or not all(0 <= s <= LATEST_START_S for s in workload.offsets_s):
                allowed = f"{size} seconds from 0 to {LATEST_START_S:g} are wanted, one a rank"
                raise ConfigError("workload.offsets_s", workload.offsets_s, allowed)
            check_spread("workload.offsets_s", workload.offsets_s)
            return [list(workload.offsets_s)]
        case _:
            if not 0 < workload.max_phase_s <= LONGEST_SPREAD_S:
                allowed = f"seconds above zero and up to {LONGEST_SPREAD_S:g} are wanted"
                raise ConfigError("workload.max_phase_s", workload.max_phase_s, allowed)
            seeds = range(seed, seed + workload.draws)
            return [np.random.default_rng(s).uniform(0.0, workload.max_phase_s, size).tolist() for s in seeds]
