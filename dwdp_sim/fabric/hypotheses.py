"""Hypotheses about what is unmeasured: how the inside of a copy engine and of a source may really work.

With three GPUs and more, it is unpublished how a copy engine walks a batch, how a source serves several readers, or
what they cost it. A hypothesis is a name with the constants and options in which it differs from the configured ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant, interval_of
from dwdp_sim.fabric.fabric_constants import ALL_SOURCES, FabricConstants, constants_needed
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.program_needs import ProgramNeeds
from dwdp_sim.fabric.resources import most_engines_at_a_source
from dwdp_sim.plan.program import Program

INCAST = ("incast_factor_2", "incast_factor_3", "incast_factor_4_up")
BOTH_WAYS = ("both_ways_egress", "both_ways_ingress")
LOW, HIGH = 0, 1
_WALK = ("in_flight_sources", "refill", "in_flight_bytes", "batch_engines")  # constants that say how a batch is walked
_MIB = 2**20

Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Hypothesis:
    """One way in which a machine may really work; whatever it does not set stays as configured.

    Attributes:
        name: In the field's words, such as `2 sources, oldest; fifo`.
        constants: Constants of the cluster by name, with their values.
        options: Options of the fabric by name, with their values.
        bounds: Constants that stand at the `LOW` or `HIGH` end of their interval.
        sample: Number of a draw of every constant from its interval, if it has one.
        compute: Settings of the compute windows, in forward steps; see `window_hypotheses`.
    """

    name: str
    constants: Settings = ()
    options: Settings = ()
    bounds: tuple[tuple[str, int], ...] = ()
    sample: int | None = None
    compute: Settings = ()

    def machine(self, cluster: Cluster, options: FabricOptions, seed: int = 0) -> tuple[Cluster, FabricOptions]:
        """The cluster and the options if the hypothesis holds.

        Args:
            cluster: As configured.
            options: As configured.
            seed: Of the draws (`sample`).
        """
        if self.sample is not None:
            cluster = cluster.with_values(
                _drawn_values(cluster.constants, np.random.default_rng([seed, 2, self.sample]))
            )
        at_ends = {name: _at(cluster.constants[name], float(end)) for name, end in self.bounds}
        named = {name: dict(value) if isinstance(value, tuple) else value for name, value in self.constants}
        return cluster.with_values(at_ends | named), replace(options, **dict(self.options))


AS_CONFIGURED = Hypothesis("as configured")


def without_walk(hypothesis: Hypothesis) -> Hypothesis:
    """Return the hypothesis without the settings that matter only to a batch over several sources."""
    kept = tuple((name, value) for name, value in hypothesis.constants if name not in _WALK)
    options = tuple((n, v) for n, v in hypothesis.options if n != "batch_order" and (n, v) != ("sharing", "equal"))
    return replace(hypothesis, constants=kept, options=options)


def places(sources: int | str, refill: str = "oldest", engines: int = 1) -> Settings:
    """Return the settings of an engine that has `sources` sources of a batch in flight at once."""
    return ("in_flight_sources", sources), ("refill", refill), ("batch_engines", engines)


def byte_window(limit: int) -> Settings:
    """Return the settings of an engine that requests a batch in order, at most `limit` bytes ahead."""
    return ("refill", "bytes"), ("in_flight_bytes", limit), ("batch_engines", 1)


WALKS: Mapping[str, Settings] = {
    "1 source": places(1),
    "2 sources, oldest": places(2),
    "2 sources, any": places(2, "any"),
    "3 sources, oldest": places(3),
    "3 sources, any": places(3, "any"),
    "all sources": places(ALL_SOURCES),
    "two engines": places(1, engines=2),
    "256 KiB ahead": byte_window(_MIB // 4),
    "1 MiB ahead": byte_window(_MIB),
    "4 MiB ahead": byte_window(4 * _MIB),
}
"""How a copy engine may walk a batch."""

SHARINGS: Mapping[str, Settings] = {name: (("sharing", name),) for name in ("fair", "equal")}
"""How a source may serve several readers."""

EXTREME_WALKS = ("1 source; fair", "all sources; fair")
"""The two hypotheses between which the gain of batching is furthest apart."""

FIFO = Hypothesis("fifo sources", options=(("sharing", "fifo"),))
"""A source that serves one copy at a time; excluded: eight H20s that pull in ascending order would be twice as fast."""

SHUFFLED = Hypothesis("random order inside a batch", options=(("batch_order", "random"),))
"""An engine that takes a batch in any order; excluded: 64 GB200s that push rotated batches would be a third slower."""

EXCLUDED = (FIFO, SHUFFLED)
"""In no range: published figures are less than a hundredth as likely under them (docs/hypotheses.md)."""

ARTEFACT_AS_LOSS = Hypothesis(
    "0.858 is a loss",
    constants=tuple(
        (name, (("pull", value), ("push", value))) for name, value in zip(INCAST, (0.929, 0.858, 0.858), strict=True)
    ),
)
"""Takes the published figure of three readers in one process for a loss of the source (docs/nvbandwidth.md says why it
is none); in no range, but named wherever a conclusion would change with it."""


def hypotheses(cluster: Cluster, options: FabricOptions) -> list[Hypothesis]:
    """Return every hypothesis about a machine, the configured one first.

    Every walk of a batch is crossed with every sharing, since two may differ from what is configured at once; incast
    and both-ways losses are varied one at a time. What has been measured is not questioned: constants whose provenance
    says so, and options listed in `FabricOptions.measured`. What public figures exclude (`EXCLUDED`) is left out.
    """
    walks = WALKS if _is_assumed(cluster, ("in_flight_sources", "refill")) else {"": ()}
    sharings = SHARINGS if "sharing" not in options.measured else {"": ()}
    found = [
        Hypothesis("; ".join(filter(None, names)), constants, settings)
        for names, (constants, settings) in zip(
            product(walks, sharings), product(walks.values(), sharings.values()), strict=True
        )
        if constants or settings
    ]
    if options.incast != "off" and _is_assumed(cluster, INCAST):
        found.append(Hypothesis("several readers cost a source", bounds=_ends(cluster, INCAST, LOW)))
    if options.both_ways and _is_assumed(cluster, BOTH_WAYS):
        found.append(Hypothesis("most lost both ways", bounds=_ends(cluster, BOTH_WAYS, LOW)))
        found.append(Hypothesis("least lost both ways", bounds=_ends(cluster, BOTH_WAYS, HIGH)))
    return [AS_CONFIGURED, *(h for h in found if h.bounds or h.constants or h.options)]


def samples(cluster: Cluster, count: int, used: Iterable[str]) -> list[Hypothesis]:
    """Draw the constants from their intervals; empty if none of the used constants has been fitted."""
    fitted = [cluster.constants[name] for name in used]
    if not any(constant.interval is not None and constant.provenance != "assumed" for constant in fitted):
        return []
    return [Hypothesis(f"constants drawn from their intervals, {n + 1}", sample=n) for n in range(count)]


@dataclass(frozen=True)
class Variant:
    """The cluster and options under one hypothesis, or under several that give a program the same times.

    Attributes:
        hypotheses: Their names.
        constants: From the cluster as they have it.
        options: As they have them.
        compute: Settings of the compute windows.
    """

    hypotheses: tuple[str, ...]
    constants: FabricConstants
    options: FabricOptions
    compute: Settings = ()


def variants(
    chosen: Sequence[Hypothesis],
    program: Program,
    cluster: Cluster,
    options: FabricOptions,
    seed: int = 0,
    *,
    in_steps: bool = False,
) -> list[Variant]:
    """Return one variant for each group of hypotheses that give `program` the same times, in their order.

    Args:
        chosen: What may be true.
        program: What runs.
        cluster: As configured.
        options: As configured.
        seed: Of draws of constants.
        in_steps: As in `constants_for`.

    Raises:
        ConfigError: The cluster lacks a constant that the program needs.
    """
    found: dict[object, Variant] = {}
    needs, engines = ProgramNeeds.of(program), most_engines_at_a_source(program)
    for hypothesis in chosen:
        machine, alternatives = hypothesis.machine(cluster, options, seed)
        constants = constants_needed(machine, needs, alternatives, in_steps=in_steps)
        key = _told_apart(constants, alternatives, needs, engines), hypothesis.compute
        known = found.get(key) or Variant((), constants, alternatives, hypothesis.compute)
        found[key] = replace(known, hypotheses=(*known.hypotheses, hypothesis.name))
    return list(found.values())


def distinct(
    chosen: Sequence[Hypothesis], programs: Sequence[Program], cluster: Cluster, options: FabricOptions
) -> list[Hypothesis]:
    """Return the hypotheses in order, without those that give all `programs` the same times as an earlier one."""
    found: dict[object, Hypothesis] = {}
    known = [(ProgramNeeds.of(program), most_engines_at_a_source(program)) for program in programs]
    for hypothesis in chosen:
        machine, alternatives = hypothesis.machine(cluster, options)
        key = tuple(
            _told_apart(constants_needed(machine, needs, alternatives), alternatives, needs, engines)
            for needs, engines in known
        )
        found.setdefault((key, hypothesis.compute), hypothesis)
    return list(found.values())


def _told_apart(constants: FabricConstants, options: FabricOptions, needs: ProgramNeeds, engines: int) -> object:
    """Equal for two machines on which a program with these needs runs alike, `engines` of it at the busiest source."""
    batches = needs.spans_sources
    one_a_rank = not batches or (constants.in_flight_sources == 1 and constants.batch_engines == 1)
    sharing = options.sharing
    if (sharing == "equal" and one_a_rank) or (sharing == "fifo" and engines < 2):
        sharing = "fair"
    same = replace(options, sharing=sharing, batch_order=options.batch_order if batches else "kept", measured=())
    return repr(replace(constants, used=(), assumed=())), same


def _is_assumed(cluster: Cluster, names: Iterable[str]) -> bool:
    """Whether one of the constants is there and assumed."""
    constants = [cluster.constants.get(name) for name in names]
    return any(constant is not None and constant.provenance == "assumed" for constant in constants)


def _ends(cluster: Cluster, names: Iterable[str], end: int) -> tuple[tuple[str, int], ...]:
    return tuple((n, end) for n in names if n in cluster.constants and cluster.constants[n].interval is not None)


def _drawn_values(constants: Mapping[str, Constant], random: np.random.Generator) -> dict[str, Any]:
    """Each constant with an interval at a place in it; those with equal intervals were fitted as one, at the same."""
    shares: dict[str, float] = {}
    return {
        name: _at(constant, shares.setdefault(repr(constant.interval), float(random.uniform())))
        for name, constant in constants.items()
    }


def _at(constant: Constant, share: float) -> Any:
    """The constant's value at a place in its interval, from 0 (its low end) to 1."""
    return _between(constant.value, constant.interval, share)


def _between(value: Any, interval: Any, share: float) -> Any:
    """`value` with every part that lies in its interval [low, high] moved to low + share · (high − low)."""
    parts = interval if isinstance(interval, Mapping) else {}
    if isinstance(value, Mapping):
        return {key: _between(part, parts.get(key), share) for key, part in value.items()}
    if isinstance(value, list | tuple):  # a table by bytes
        return [[size, _between(part, parts.get(size), share)] for size, part in value] if parts else value
    ends = interval_of(value, interval)
    return value if ends is None else ends[0] + share * (ends[1] - ends[0])
