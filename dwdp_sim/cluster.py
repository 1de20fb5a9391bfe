"""Clusters: every constant of the contention model with its unit, its direction and where it came from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dwdp_sim.errors import ConfigError
from dwdp_sim.plan import ASYNC
from dwdp_sim.program import HOMES, HOST, Program, batch_spans_sources
from dwdp_sim.sharing import INCASTS, SHARINGS

PROVENANCES = ("measured", "public", "vendor", "assumed")
MAPPINGS = ("ipc", "vmm_fd", "vmm_fabric")
REFILLS = ("oldest", "any")
BATCH_ORDERS = ("kept", "swapped", "random")
LINK_KINDS = ("peer", "host", "local")


@dataclass(frozen=True)
class Constant:
    """One constant of a cluster.

    Attributes:
        value: A number; a table [[bytes, seconds], …]; or a mapping by peer-memory mapping or by kind of copy.
        unit: SI unit.
        provenance: `measured`, `public` (somebody's published measurement), `vendor` (data sheet) or `assumed`.
        source: Which rows, which publication, or why this assumption.
        direction: For rates and factors: which way the bytes go.
        interval: 95 % interval of the value, where it was fitted; shaped as the value, with [low, high] for a number.
    """

    value: Any
    unit: str
    provenance: str
    source: str
    direction: str = ""
    interval: Any = None


@dataclass(frozen=True)
class Cluster:
    """A machine as the contention model sees it.

    Attributes:
        name: The name users select it by.
        description: One line for people.
        num_gpus: GPUs that can pull from one another.
        mapping: How peer memory is mapped; rates differ by it.
        home: Where the peers' experts are: `peer`, `host` or `local`.
        constants: By name.
        fitted_on: Files of recorded rows that constants were fitted on: `file`, `sha256`, and `use` (`all` rows, or
            those of the `design`).
    """

    name: str
    description: str
    num_gpus: int
    mapping: str
    home: str
    constants: Mapping[str, Constant] = field(repr=False)
    fitted_on: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.num_gpus < 1:
            raise ConfigError("cluster.num_gpus", self.num_gpus, "must be at least 1")
        if self.mapping not in MAPPINGS:
            raise ConfigError("cluster.mapping", self.mapping, f"allowed: {', '.join(MAPPINGS)}")
        if self.home not in HOMES:
            raise ConfigError("cluster.home", self.home, f"allowed: {', '.join(HOMES)}")
        for name, constant in self.constants.items():
            if constant.provenance not in PROVENANCES:
                key = f"cluster.constants.{name}.provenance"
                raise ConfigError(key, constant.provenance, f"allowed: {', '.join(PROVENANCES)}")

    def value(self, name: str) -> Any:
        """The constant's value, chosen by mapping where it depends on that.

        Raises:
            ConfigError: The cluster does not have it. There are no defaults.
        """
        key = f"cluster.constants.{name}"
        if name not in self.constants or self.constants[name].value is None:
            raise ConfigError(
                key,
                "missing",
                f"cluster {self.name} has no such constant and this run needs it; add "
                "value, unit, provenance and source",
            )
        value = self.constants[name].value
        if isinstance(value, Mapping) and set(value) <= set(MAPPINGS):
            if self.mapping not in value:
                raise ConfigError(
                    f"{key}.value", "missing", f"no value for cluster.mapping={self.mapping}; known: {', '.join(value)}"
                )
            value = value[self.mapping]
        return value

    def number(self, name: str, *, minimum: float = 0.0, maximum: float = math.inf) -> float:
        """The constant as a finite number within bounds.

        Raises:
            ConfigError: Missing, not a number, or out of bounds.
        """
        value = self.value(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or not (minimum <= value <= maximum)
        ):
            bounds = f"a number from {minimum:g} to {maximum:g}" if maximum < math.inf else f"a number ≥ {minimum:g}"
            raise ConfigError(f"cluster.constants.{name}.value", value, f"{bounds} is wanted")
        return float(value)

    def rate(self, name: str) -> float:
        """The constant as a rate in bytes per second, above zero."""
        return self.number(name, minimum=1.0)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """The constant as one of some words."""
        value = self.value(name)
        if value not in allowed:
            raise ConfigError(f"cluster.constants.{name}.value", value, f"allowed: {', '.join(allowed)}")
        return str(value)

    def gap_table(self, name: str) -> tuple[tuple[float, float], ...]:
        """The constant as a table of (bytes, seconds) with rising sizes."""
        value = self.value(name)
        try:
            table = tuple((float(size), float(gap)) for size, gap in value)
        except (TypeError, ValueError):
            table = ()
        sizes = [size for size, _ in table]
        if (
            not table
            or sizes != sorted(set(sizes))
            or sizes[0] < 1
            or not all(math.isfinite(size) and 0 <= gap < math.inf for size, gap in table)
        ):
            raise ConfigError(
                f"cluster.constants.{name}.value",
                value,
                "a table [[bytes, seconds], …] with rising sizes and gaps ≥ 0 is wanted",
            )
        return table

    def by_kind(self, name: str) -> dict[str, float]:
        """The constant as factors in (0, 1] for `pull` and `push`."""
        value = self.value(name)
        if (
            not isinstance(value, Mapping)
            or set(value) != {"pull", "push"}
            or not all(isinstance(f, int | float) and 0 < f <= 1 for f in value.values())
        ):
            raise ConfigError(
                f"cluster.constants.{name}.value", value, "{pull: factor, push: factor} in (0, 1] is wanted"
            )
        return {kind: float(factor) for kind, factor in value.items()}


@dataclass(frozen=True)
class FabricOptions:
    """Alternatives of the model, to be chosen by data.

    Attributes:
        sharing: `fair` (max-min) or `fifo` (a source serves one copy at a time in the order of arrival).
        incast: `always` (any second reader costs), `demand` (only where demand exceeds the source), `off`.
        both_ways: Whether a GPU's two directions disturb each other.
        batch_order: Order inside a batch: `kept`, `swapped` (neighbours, now and then) or `random`.
    """

    sharing: str = "fair"
    incast: str = "always"
    both_ways: bool = True
    batch_order: str = "kept"

    def __post_init__(self) -> None:
        for name, allowed in (("sharing", SHARINGS), ("incast", INCASTS), ("batch_order", BATCH_ORDERS)):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"fabric.{name}", getattr(self, name), f"allowed: {', '.join(allowed)}")


@dataclass(frozen=True)
class LinkTiming:
    """Time of a class of copies beside the bytes: a fixed part a call and a gap before each further single copy."""

    fixed_s: float
    gap_s: tuple[tuple[float, float], ...]

    def gap(self, size: int) -> float:
        """Gap in seconds before a copy of `size` bytes: linear in log(bytes) between the table's rows, flat outside."""
        table = self.gap_s
        return float(np.interp(math.log(size), [math.log(row[0]) for row in table], [row[1] for row in table]))


@dataclass(frozen=True)
class FabricConstants:
    """The numbers that one run uses. What a run does not use is zero or empty here and was never asked for.

    Attributes:
        rates: Bytes per second of `egress`, `ingress`, `pair`, `host_in`, `host_out`, `local`.
        incast: Factor on a source's egress for 1, 2, 3 and ≥ 4 readers.
        both_ways_egress: Factor on a GPU's egress while its ingress moves bytes, by the kind of the latter.
        both_ways_ingress: Factor on a GPU's ingress while its egress moves bytes.
        both_ways_gap_factor: How much slower a gap goes by while the GPU's opposite direction moves bytes, at least 1.
        timing: Fixed part and gaps by link kind (`LINK_KINDS`).
        in_flight_sources: Copies of a batch in flight at once.
        refill: Which copy takes a free place: the `oldest`, or the oldest of `any` source not being read.
        issue_async_s, issue_batch_s, issue_slice_s: Host seconds for a single call, a batch call, and each copy in it.
        barrier_s: Seconds from the last rank's arrival at a barrier until the waiting copies may move.
        swap_probability: Chance that a copy of a batch swaps with its neighbour (`batch_order=swapped`).
        used: Names of the constants that were asked for.
        assumed: Those of them that are assumed.
    """

    rates: Mapping[str, float]
    incast: tuple[float, float, float, float]
    both_ways_egress: Mapping[str, float]
    both_ways_ingress: Mapping[str, float]
    both_ways_gap_factor: float
    timing: Mapping[str, LinkTiming]
    in_flight_sources: int
    refill: str
    issue_async_s: float
    issue_batch_s: float
    issue_slice_s: float
    barrier_s: float
    swap_probability: float
    used: tuple[str, ...]
    assumed: tuple[str, ...]


def constants_for(cluster: Cluster, program: Program, options: FabricOptions) -> FabricConstants:
    """Take from `cluster` just the constants that running `program` needs.

    Raises:
        ConfigError: One of them is missing or out of range.
    """
    asked = _Asked(cluster)
    src, dst = program.copy_src, program.copy_dst
    between = (src != dst) & (src != HOST) & (dst != HOST)
    kinds = {
        "peer": bool(between.any()),
        "host": bool(((src == HOST) | (dst == HOST)).any()),
        "local": bool((src == dst).any()),
    }
    rates: dict[str, float] = {}
    if kinds["peer"]:
        rates |= {name: asked.rate(f"{name}_bytes_per_s") for name in ("egress", "ingress", "pair")}
    rates |= {
        name: asked.rate(f"{name}_bytes_per_s")
        for name, wanted in (
            ("host_in", (src == HOST).any()),
            ("host_out", (dst == HOST).any()),
            ("local", kinds["local"]),
        )
        if wanted
    }
    timing = {
        kind: LinkTiming(asked.number(f"{kind}_fixed_s"), asked.gap_table(f"{kind}_gap_s"))
        for kind, wanted in kinds.items()
        if wanted
    }
    pairs = {(int(s), int(d)) for s, d in zip(src[between], dst[between], strict=True)}
    readers = max(Counter(source for source, _ in pairs).values(), default=0)
    both = options.both_ways and bool({s for s, _ in pairs} & {d for _, d in pairs})
    batches = batch_spans_sources(program)
    singles = bool((program.call_issue == ASYNC).any())
    issued = not program.stream_queued.all()
    swapped = options.batch_order == "swapped"
    return FabricConstants(
        rates=rates,
        incast=_incast(asked, readers if options.incast != "off" else 1),
        both_ways_egress=asked.by_kind("both_ways_egress") if both else {"pull": 1.0, "push": 1.0},
        both_ways_ingress=asked.by_kind("both_ways_ingress") if both else {"pull": 1.0, "push": 1.0},
        both_ways_gap_factor=asked.number("both_ways_gap_factor", minimum=1.0) if both and singles else 1.0,
        timing=timing,
        in_flight_sources=asked.whole("in_flight_sources") if batches else 1,
        refill=asked.choice("refill", REFILLS) if batches else "oldest",
        issue_async_s=asked.number("issue_async_s") if issued else 0.0,
        issue_batch_s=asked.number("issue_batch_s") if issued else 0.0,
        issue_slice_s=asked.number("issue_slice_s") if issued else 0.0,
        barrier_s=asked.number("barrier_s") if (program.call_barrier >= 0).any() else 0.0,
        swap_probability=asked.number("swap_probability", maximum=1.0) if swapped else 0.0,
        used=tuple(sorted(asked.names)),
        assumed=tuple(sorted(n for n in asked.names if cluster.constants[n].provenance == "assumed")),
    )


def _incast(asked: _Asked, readers: int) -> tuple[float, float, float, float]:
    """γ for 1, 2, 3 and ≥ 4 readers; only as many as can occur are asked for, the rest repeat the last."""
    factors = [1.0]
    for name in ("incast_factor_2", "incast_factor_3", "incast_factor_4_up")[: max(readers - 1, 0)]:
        factors.append(asked.number(name, minimum=1e-6, maximum=1.0))
    factors += [factors[-1]] * (4 - len(factors))
    return factors[0], factors[1], factors[2], factors[3]


class _Asked:
    """A cluster that notes which constants were asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.names: set[str] = set()

    def number(self, name: str, *, minimum: float = 0.0, maximum: float = math.inf) -> float:
        self.names.add(name)
        return self._cluster.number(name, minimum=minimum, maximum=maximum)

    def rate(self, name: str) -> float:
        self.names.add(name)
        return self._cluster.rate(name)

    def whole(self, name: str) -> int:
        value = self.number(name, minimum=1)
        if value != int(value):
            raise ConfigError(f"cluster.constants.{name}.value", value, "a whole number is wanted")
        return int(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        self.names.add(name)
        return self._cluster.choice(name, allowed)

    def gap_table(self, name: str) -> tuple[tuple[float, float], ...]:
        self.names.add(name)
        return self._cluster.gap_table(name)

    def by_kind(self, name: str) -> dict[str, float]:
        self.names.add(name)
        return self._cluster.by_kind(name)
