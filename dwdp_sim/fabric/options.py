"""Choices between alternatives of the contention model."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError, check_choice

SHARINGS = ("fair", "equal", "fifo")
INCASTS = ("always", "demand", "off")
BATCH_ORDERS = ("kept", "swapped", "random")


@dataclass(frozen=True)
class FabricOptions:
    """Choices between alternatives of the contention model; measurements decide which one is right.

    Attributes:
        sharing: `fair` (max-min), `equal` (max-min, but the copies that one engine has in flight are equally fast) or
            `fifo` (a source serves one copy at a time in the order of arrival).
        incast: `always` (any second reader costs), `demand` (only where demand exceeds the source), `off`.
        both_ways: Whether a GPU's two directions disturb each other.
        batch_order: Order inside a batch: `kept`, `swapped` (neighbours, now and then) or `random`.
        measured: Names of those of the above that have been measured on this machine; no range questions them.
    """

    sharing: str = "fair"
    incast: str = "always"
    both_ways: bool = True
    batch_order: str = "kept"
    measured: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in (("sharing", SHARINGS), ("incast", INCASTS), ("batch_order", BATCH_ORDERS)):
            check_choice(f"fabric.{name}", getattr(self, name), allowed)
        object.__setattr__(self, "measured", tuple(self.measured))
        unknown = sorted(set(self.measured) - {"sharing"})
        if unknown:
            raise ConfigError("fabric.measured", unknown[0], "allowed: sharing")
