"""The part of the configuration tree that only `dwdp-advise` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore

from dwdp_sim.job.schema import SimConfig


@dataclass
class AdviseConfig:
    """The candidates to compare, and the effort to spend on them."""

    within: str | None = None
    """How long it may take from the command's start, such as 10s: the answer then says what it has not looked at. The
    first answer, within seconds, always comes; null: until everything has been compared."""
    show: str = "advice"
    """advice (one screen) or map (a picture of the gain over compute window and variation)."""
    also: str | None = None
    """A strategy of your own that is compared too: a Python file and a StrategyKind's name, as my_strategy.py:name."""
    screen_layers: int = 12
    """MoE layers of a step when all candidates are compared, and in the map."""
    copies: int = 8_000_000
    """Slice transfers that the final comparison may simulate; it takes fewer layers where all would need more."""
    map_ratios: int = 10
    """Lengths of compute in the map."""
    map_variations: int = 5
    """Variations of the ranks' steps in the map."""
    samples: int = 4
    """Draws of fitted constants from their intervals, where the cluster has any."""


@dataclass
class AdviseTree(SimConfig):
    """Everything `dwdp-advise` reads."""

    show: str = "advice"
    """Short for advise.show."""
    advise: AdviseConfig = field(default_factory=AdviseConfig)


def register_advise_schemas() -> None:
    """Make the schema known to Hydra under the name that `conf/advise.yaml` lists first."""
    ConfigStore.instance().store(name="advise_schema", node=AdviseTree)
