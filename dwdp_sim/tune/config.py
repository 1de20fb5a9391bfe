"""What `dwdp-tune` reads besides everything that `dwdp-sim` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from dwdp_sim.config import SimConfig


@dataclass
class TuneConfig:
    """What is searched, and how long."""

    trials: int = 80
    """Combinations to try; all of them where there are no more than that."""
    objective: str = "mean"
    """What is made small: mean (prefetch latency, or the step with workload=iteration), slowest (rank) or worst
    (the mean under the least favourable hypothesis)."""
    strategies: list[str] = field(
        default_factory=lambda: ["default", "ring", "batched", "batched_per_round", "paced_rounds", "waves"]
    )
    """Strategies to try, by their files' names."""
    slice_bytes: list[Any] = field(
        default_factory=lambda: ["256KiB", "512KiB", "1MiB", "2MiB", "4MiB", "8MiB", "16MiB", "32MiB", None]
    )
    """Slices to try where the strategy cuts; null: whole pulls."""
    wave_copies: list[int] = field(default_factory=lambda: [4, 8, 16, 32])
    """Copies of a wave to try (waves)."""


@dataclass
class TuneTree(SimConfig):
    """Everything `dwdp-tune` reads."""

    tune: TuneConfig = field(default_factory=TuneConfig)


def register_tune_schemas() -> None:
    """Make the schema known to Hydra under the name that `conf/tune.yaml` lists first."""
    ConfigStore.instance().store(name="tune_schema", node=TuneTree)
