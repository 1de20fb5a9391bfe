"""When the ranks of a layer start."""

from __future__ import annotations

import numpy as np

from dwdp_sim.config import WorkloadConfig
from dwdp_sim.errors import ConfigError

STARTS = ("lockstep", "offsets", "random")
LATEST_START_S = 1e6  # so late, times are still known to 0.1 ns


def check_offsets(workload: WorkloadConfig) -> None:
    """Refuse offsets that nothing reads.

    Raises:
        ConfigError: There are some, and the ranks start otherwise.
    """
    if workload.offsets_s and (workload.kind, workload.start) != ("layer", "offsets"):
        raise ConfigError("workload.offsets_s", workload.offsets_s, "only workload.start=offsets of a layer reads them")


def rank_starts_s(workload: WorkloadConfig, size: int, seed: int) -> list[float]:
    """When each rank's clock starts, in seconds.

    Args:
        workload: Says how.
        size: Ranks.
        seed: Of random starts.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    match workload.start:
        case "lockstep":
            return [0.0] * size
        case "offsets":
            if len(workload.offsets_s) != size or not all(0 <= s <= LATEST_START_S for s in workload.offsets_s):
                allowed = f"{size} seconds from 0 to {LATEST_START_S:g} are wanted, one a rank"
                raise ConfigError("workload.offsets_s", workload.offsets_s, allowed)
            return list(workload.offsets_s)
        case "random":
            if not 0 < workload.max_phase_s <= LATEST_START_S:
                allowed = f"seconds above zero and up to {LATEST_START_S:g} are wanted"
                raise ConfigError("workload.max_phase_s", workload.max_phase_s, allowed)
            return [float(s) for s in np.random.default_rng(seed).uniform(0.0, workload.max_phase_s, size)]
        case unknown:
            raise ConfigError("workload.start", unknown, f"allowed: {', '.join(STARTS)}")
