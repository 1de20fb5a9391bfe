"""What is made small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwdp_sim.errors import ConfigError
from dwdp_sim.sweep.columns import find
from dwdp_sim.tune.config import TuneTree

# Where a summary has it, by workload.
_PATHS = {
    "layer": {"mean": "prefetch_latency_s.mean", "slowest": "prefetch_latency_s.max", "worst": "range_s.mean.1"},
    "iteration": {"mean": "figures.iteration_s.mean", "worst": "range_s.iteration_s.1"},
}


def check_objective(config: TuneTree) -> None:
    """Refuse a workload or an objective that there is not.

    Raises:
        ConfigError: As it says.
    """
    kind, objective = config.workload.kind, config.tune.objective
    if kind not in _PATHS:
        raise ConfigError("workload.kind", kind, f"allowed: {', '.join(_PATHS)}")
    if objective not in _PATHS[kind]:
        raise ConfigError("tune.objective", objective, f"allowed with workload={kind}: {', '.join(_PATHS[kind])}")


def value_s(summary: Mapping[str, Any], config: TuneTree) -> float:
    """The objective's value in seconds; where there is no range the worst is the mean."""
    paths = _PATHS[config.workload.kind]
    value = find(summary, paths[config.tune.objective])
    return float(find(summary, paths["mean"]) if value is None else value)
