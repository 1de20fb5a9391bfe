"""What is not known about a machine: rules nobody has measured, assumed incast, intervals of fitted constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwdp_sim.cluster import Cluster
from dwdp_sim.constant import Constant
from dwdp_sim.fabric_constants import REFILLS
from dwdp_sim.options import FabricOptions

_PLACES = (1, 2, 3)
_INCAST = ("incast_factor_2", "incast_factor_3", "incast_factor_4_up")


@dataclass(frozen=True)
class State:
    """One way in which the machine may really be; unset values are as configured.

    Attributes:
        in_flight_sources: Copies of a batch in flight at once.
        refill: Which copy takes a free place.
        incast: `off`: several readers of a source lose nothing.
        sample: Number of a draw from the intervals of fitted constants.
    """

    in_flight_sources: int | None = None
    refill: str | None = None
    incast: str | None = None
    sample: int | None = None

    @property
    def name(self) -> str:
        """In words."""
        parts = []
        if self.in_flight_sources is not None:
            refill = f", refill {self.refill}" if self.in_flight_sources > 1 else ""
            parts.append(f"in_flight_sources {self.in_flight_sources}{refill}")
        if self.incast is not None:
            parts.append(f"incast {self.incast}")
        if self.sample is not None:
            parts.append(f"constants drawn from their intervals, {self.sample + 1}")
        return "; ".join(parts) or "as configured"

    def machine(self, cluster: Cluster, options: FabricOptions, seed: int) -> tuple[Cluster, FabricOptions]:
        """The cluster and the options if the machine is like this.

        Args:
            cluster: As configured.
            options: As configured.
            seed: Of the draws.
        """
        constants = dict(cluster.constants)
        if self.sample is not None:
            constants = _drawn(constants, np.random.default_rng([seed, 2, self.sample]))
        for name in ("in_flight_sources", "refill"):
            if getattr(self, name) is not None:
                constants[name] = replace(constants[name], value=getattr(self, name))
        return replace(cluster, constants=constants), replace(options, incast=self.incast or options.incast)


AS_CONFIGURED = State()


def possible_states(
    cluster: Cluster, options: FabricOptions, ranks: int, samples: int = 0, used: Collection[str] = ()
) -> list[State]:
    """All that may be, what is configured first.

    Every unmeasured rule stands with incast as configured and, where its factors are assumed, without; draws from
    intervals stand with the configured rules.

    Args:
        cluster: Whose constants say what they are known from.
        options: As configured.
        ranks: Ranks of the group; with two nobody shares a source.
        samples: Draws, where constants that are used have intervals.
        used: Names of the constants that the comparison uses.
    """
    rules = [AS_CONFIGURED, *_other_rules(cluster)] if ranks > 2 else [AS_CONFIGURED]
    incast = [None, "off"] if options.incast != "off" and _incast_is_assumed(cluster, ranks) else [None]
    crossed = [replace(rule, incast=kind) for kind in incast for rule in rules]
    drawn = any(cluster.constants[name].interval is not None for name in used)
    return crossed + [State(sample=number) for number in range(samples if drawn else 0)]


def _other_rules(cluster: Cluster) -> list[State]:
    """In-flight rules other than the configured one, where that is assumed."""
    configured = [cluster.constants.get(name) for name in ("in_flight_sources", "refill")]
    if all(constant is None or constant.provenance != "assumed" for constant in configured):
        return []
    places, refill = (constant.value if constant else None for constant in configured)
    rules = {(k, rule if k > 1 else "oldest") for k in _PLACES for rule in REFILLS}
    return [State(k, rule) for k, rule in sorted(rules) if k != places or (k > 1 and rule != refill)]


def _incast_is_assumed(cluster: Cluster, ranks: int) -> bool:
    factors = [cluster.constants.get(name) for name in _INCAST[: max(ranks - 2, 0)]]
    return any(factor is not None and factor.provenance == "assumed" for factor in factors)


def _drawn(constants: Mapping[str, Constant], random: np.random.Generator) -> dict[str, Constant]:
    """Each constant with an interval at a place in it; those with equal intervals were fitted as one, at the same."""
    shares: dict[str, float] = {}
    drawn = {}
    for name, constant in constants.items():
        share = shares.setdefault(repr(constant.interval), float(random.uniform()))
        drawn[name] = replace(constant, value=_between(constant.value, constant.interval, share))
    return drawn


def _between(value: Any, interval: Any, share: float) -> Any:
    """`value` with every part that has an interval [low, high] moved to low + share · (high − low)."""
    if interval is None:
        return value
    if isinstance(interval, Mapping):
        if isinstance(value, Mapping):
            return {key: _between(part, interval.get(key), share) for key, part in value.items()}
        return [[size, _between(part, interval.get(size), share)] for size, part in value]  # a table by bytes
    low, high = interval
    return low + share * (high - low)
