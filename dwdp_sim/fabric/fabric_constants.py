"""Take from a cluster the constants that one program needs, and check each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.issue_costs import IssueCosts
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.program_needs import ProgramNeeds
from dwdp_sim.plan.program import Program

REFILLS = ("oldest", "any", "bytes")
ALL_SOURCES = "all"
NO_LIMIT = 1 << 30
HOST_BATCH_RETURNS = ("issued", "arrived")
_CONSTANTS = "cluster.constants"

GapTable = tuple[tuple[float, float], ...]


def gap_in(table: GapTable, size: int) -> float:
    """Gap in seconds before a copy of `size` bytes: linear in log(bytes) between the table's rows, flat outside."""
    return float(np.interp(math.log(size), [math.log(row[0]) for row in table], [row[1] for row in table]))


@dataclass(frozen=True)
class LinkTiming:
    """Time of a class of copies beside the bytes: a fixed part a call and a gap before each further single copy."""

    fixed_s: float
    gap_s: GapTable

    def gap(self, size: int) -> float:
        """Gap in seconds before a copy of `size` bytes."""
        return gap_in(self.gap_s, size)


@dataclass(frozen=True)
class FabricConstants:
    """The numbers that one run uses. What a run does not use is zero or empty here and was never asked for.

    Attributes:
        rates: Bytes per second of `egress`, `ingress`, `pair`, `push` (a pair, pushed), `host_in`, `host_out`, `local`.
        incast: Factors on a source's egress while its bytes go to 1, 2, 3 and ≥ 4 GPUs, by the kind of the copies.
        both_ways_egress: Factor on a GPU's egress while its ingress moves bytes, by the kind of the latter.
        both_ways_ingress: Factor on a GPU's ingress while its egress moves bytes.
        both_ways_gap_factor: How much slower a gap goes by while the GPU's opposite direction moves bytes, at least 1.
        timing: Fixed part and gaps by link kind: `peer`, `host` or `local`.
        in_flight_sources: Copies of a batch in flight at once; `NO_LIMIT` for as many as there are sources.
        refill: Which copy takes a free place: the `oldest`, or the oldest of `any` source not being read. With `bytes`
            it is not copies that are counted: the batch is requested in order, `in_flight_bytes` ahead of what arrives.
        in_flight_bytes: Bytes that are requested and have not arrived, at most (`refill=bytes`).
        batch_engines: Engines that share a batch by source, 1 or 2.
        turn_gap_s: Seconds before a copy that goes over another link, or in another direction, than the one before it
            in the same batch, by its bytes.
        issue_async_s, issue_batch_s, issue_slice_s: Host seconds for a single call, a batch call, and each copy in it.
        barrier_s: Seconds from the last rank's arrival at a barrier until the waiting copies may move.
        swap_probability: Chance that a copy of a batch swaps with its neighbour (`batch_order=swapped`).
        event_s: Seconds that a stream takes to go on behind an event of another stream (forward steps only).
        host_batch_waits: Whether a batch from host memory, issued on an idle stream, returns only when it has arrived.
        used: Names of the constants that were asked for.
        assumed: Those of them that are assumed.
    """

    rates: Mapping[str, float]
    incast: Mapping[str, tuple[float, ...]]
    both_ways_egress: Mapping[str, float]
    both_ways_ingress: Mapping[str, float]
    both_ways_gap_factor: float
    timing: Mapping[str, LinkTiming]
    in_flight_sources: int
    refill: str
    in_flight_bytes: float
    batch_engines: int
    turn_gap_s: GapTable
    issue_async_s: float
    issue_batch_s: float
    issue_slice_s: float
    barrier_s: float
    swap_probability: float
    event_s: float
    host_batch_waits: bool
    used: tuple[str, ...]
    assumed: tuple[str, ...]

    @cached_property
    def issue_costs(self) -> IssueCosts:
        """What driver calls cost the host."""
        return IssueCosts(self.issue_async_s, self.issue_batch_s, self.issue_slice_s)


def constants_for(
    cluster: Cluster, program: Program, options: FabricOptions, *, in_steps: bool = False
) -> FabricConstants:
    """Take from `cluster` just the constants that running `program` needs.

    Args:
        cluster: Where they are.
        program: What is run.
        options: The model's alternatives.
        in_steps: Whether the program is the prefetch of forward steps, in which streams wait for one another's events.

    Raises:
        ConfigError: One of them is missing or out of range.
    """
    return constants_needed(cluster, ProgramNeeds.of(program), options, in_steps=in_steps)


def constants_needed(
    cluster: Cluster, needs: ProgramNeeds, options: FabricOptions, *, in_steps: bool = False
) -> FabricConstants:
    """Take from `cluster` the constants for a program of which is known what it needs; the rest as `constants_for`."""
    asked = _Asked(**vars(cluster))
    rates = {name: asked.rate(f"{name}_bytes_per_s") for name in needs.rates}
    timing = {
        kind: LinkTiming(asked.seconds(f"{kind}_fixed_s"), asked.gap_table(f"{kind}_gap_s")) for kind in needs.kinds
    }
    both = options.both_ways and needs.both_ways
    walk = _walk(asked) if needs.spans_sources else _ANY_WALK
    issued = needs.issued
    swapped = options.batch_order == "swapped"
    from_host = issued and needs.batches and "host_in" in rates
    return FabricConstants(
        rates=rates,
        incast=_incast(asked, needs.readers if options.incast != "off" else 1),
        both_ways_egress=asked.by_kind("both_ways_egress") if both else {"pull": 1.0, "push": 1.0},
        both_ways_ingress=asked.by_kind("both_ways_ingress") if both else {"pull": 1.0, "push": 1.0},
        both_ways_gap_factor=asked.number("both_ways_gap_factor", minimum=1.0) if both and needs.gaps else 1.0,
        timing=timing,
        in_flight_sources=walk.sources,
        refill=walk.refill,
        in_flight_bytes=walk.limit,
        batch_engines=walk.engines,
        turn_gap_s=asked.gap_table("turn_gap_s") if needs.turns else ((1.0, 0.0),),
        issue_async_s=asked.seconds("issue_async_s") if issued else 0.0,
        issue_batch_s=asked.seconds("issue_batch_s") if issued else 0.0,
        issue_slice_s=asked.seconds("issue_slice_s") if issued else 0.0,
        barrier_s=asked.seconds("barrier_s") if needs.barriers else 0.0,
        swap_probability=asked.number("swap_probability", maximum=1.0) if swapped else 0.0,
        event_s=asked.seconds("event_s") if in_steps else 0.0,
        host_batch_waits=asked.choice("host_batch_returns", HOST_BATCH_RETURNS) == "arrived" if from_host else False,
        used=tuple(sorted(asked.names)),
        assumed=tuple(sorted(n for n in asked.names if cluster.constants[n].provenance == "assumed")),
    )


def _incast(asked: _Asked, readers: int) -> dict[str, tuple[float, ...]]:
    """γ for 1, 2, 3 and ≥ 4 readers; only as many as can occur are asked for, the rest repeat the last."""
    factors = [{"pull": 1.0, "push": 1.0}]
    for name in ("incast_factor_2", "incast_factor_3", "incast_factor_4_up")[: max(readers - 1, 0)]:
        factors.append(asked.by_kind(name))
    factors += [factors[-1]] * (4 - len(factors))
    return {kind: tuple(factor[kind] for factor in factors) for kind in ("pull", "push")}


class _Walk(NamedTuple):
    """How an engine walks a batch, as in `FabricConstants`."""

    sources: int
    refill: str
    limit: float
    engines: int


_ANY_WALK = _Walk(1, "oldest", 0.0, 1)  # of a batch from one source they are all alike


def _walk(asked: _Asked) -> _Walk:
    refill, engines = asked.choice("refill", REFILLS), asked.whole("batch_engines")
    if engines > 2:
        raise ConfigError(f"{_CONSTANTS}.batch_engines.value", engines, "1 or 2 is wanted")
    if refill == "bytes":
        if engines == 2:
            raise ConfigError(
                f"{_CONSTANTS}.batch_engines.value", 2, "contradicts refill=bytes, which is of one engine"
            )
        return _Walk(NO_LIMIT, refill, asked.size("in_flight_bytes"), engines)
    every = asked.value("in_flight_sources") == ALL_SOURCES
    sources = NO_LIMIT if every else asked.whole("in_flight_sources")
    return _Walk(sources, "oldest" if sources == 1 else "any" if every else refill, 0.0, engines)


@dataclass(frozen=True)
class _Asked(Cluster):
    """A cluster that notes which constants were asked for."""

    names: set[str] = field(default_factory=set)

    def value(self, name: str) -> Any:
        self.names.add(name)
        return super().value(name)
