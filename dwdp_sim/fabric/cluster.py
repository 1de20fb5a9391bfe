"""A cluster: GPUs of one kind, how they are connected, and the constants that describe their speed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.base.units import parse_bytes
from dwdp_sim.fabric.constant import (
    LONGEST_S,
    PROVENANCES,
    Constant,
    check_interval,
    read_by_kind,
    read_gap_table,
    read_number,
)
from dwdp_sim.plan.endpoints import HOMES

MOST_GPUS = 100_000  # of a cluster; tables of a program have a row for each
MAPPINGS = ("ipc", "vmm_fd", "vmm_fabric")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_USES = ("all", "design", "steps")
LINK_RATES = {f"{name}_bytes_per_s" for name in ("egress", "ingress", "pair", "push", "host_in", "host_out")}
"""Constants that are rates of links between GPUs or to the host."""
MOST_LINK_RATE = 10.0


@dataclass(frozen=True)
class Cluster:
    """What the contention model knows of a machine: its size, its mappings and its constants.

    Attributes:
        name: The name users select it by.
        description: One line for people.
        gpu: Kind of its GPUs, as in `compute.ComputeConfig.gpu`; empty if unknown.
        num_gpus: GPUs that can pull from one another.
        mapping: How peer memory is mapped; rates differ by it.
        home: Where the peers' experts are: `peer`, `host` or `local`.
        constants: By name.
        fitted_on: Files of recorded rows that constants were fitted on: `file`, `sha256`, and `use` (`all` rows, or
            those of the `design`, or nothing but the waits in forward `steps`). Where the rows are those of a bundle,
            `bundle` is its SHA-256.
    """

    name: str
    description: str
    num_gpus: int
    mapping: str
    home: str
    constants: Mapping[str, Constant] = field(repr=False)
    fitted_on: tuple[Mapping[str, str], ...] = ()
    gpu: str = ""

    def __post_init__(self) -> None:
        if not self.name.isprintable():
            raise ConfigError("cluster.name", self.name, "printable text on one line is wanted")
        if not 1 <= self.num_gpus <= MOST_GPUS:
            raise ConfigError("cluster.num_gpus", self.num_gpus, f"must be from 1 to {MOST_GPUS}")
        check_choice("cluster.mapping", self.mapping, MAPPINGS)
        check_choice("cluster.home", self.home, HOMES)
        for name, constant in self.constants.items():
            key = f"cluster.constants.{name}"
            check_choice(f"{key}.provenance", constant.provenance, PROVENANCES)
            check_interval(key, constant.value, constant.interval)
        for place, entry in enumerate(self.fitted_on):
            key = f"cluster.fitted_on[{place}]"
            check_choice(f"{key}.use", entry.get("use", "missing"), _USES)
            for name in ("sha256", *({"bundle"} & set(entry))):
                said = entry.get(name, "missing")
                if not _SHA256.fullmatch(said):
                    raise ConfigError(f"{key}.{name}", said, "a SHA-256 of 64 hex digits is wanted")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ConfigError(_value_key("gpu_memory_bytes"), self.memory_bytes, "at least one byte is wanted")

    @property
    def bundles(self) -> tuple[str, ...]:
        """SHA-256 of each bundle whose rows constants were fitted on, without repeats."""
        return tuple(dict.fromkeys(entry["bundle"] for entry in self.fitted_on if "bundle" in entry))

    @property
    def memory_bytes(self) -> float | None:
        """Bytes of a GPU's memory; None if the cluster does not say.

        Raises:
            ConfigError: It is not a number.
        """
        said = self.constants.get("gpu_memory_bytes")
        return None if said is None or said.value is None else self.number("gpu_memory_bytes")

    def with_values(self, values: Mapping[str, Any]) -> Cluster:
        """Return the same cluster with other values of some of its constants; units, sources and intervals stay.

        Raises:
            ConfigError: It has no such constant.
        """
        constants = dict(self.constants)
        for name, value in values.items():
            if name not in constants:
                raise ConfigError(f"cluster.constants.{name}", "missing", f"cluster {self.name} has no such constant")
            constants[name] = replace(constants[name], value=value)
        return replace(self, constants=constants)

    def with_link_rate(self, share: float) -> Cluster:
        """Return the same cluster with faster or slower links: their rates and intervals times `share`.

        The new rates are assumed, wherever the old ones come from, and its name says so. Memory inside a GPU stays as
        fast as it is.

        Raises:
            ConfigError: The share is not above 0 and at most `MOST_LINK_RATE`.
        """
        if not 0 < share <= MOST_LINK_RATE:
            allowed = f"a share above 0 and at most {MOST_LINK_RATE} is wanted, as 0.97 for links that are 3 % slower"
            raise ConfigError("cluster.link_rate", share, allowed)
        if share == 1:
            return self
        constants = dict(self.constants)
        for name in LINK_RATES & set(constants):
            old = constants[name]
            source = f"{share:g} × ({old.provenance}) {old.source}"
            value, interval = _times(old.value, share), _times(old.interval, share)
            constants[name] = replace(old, value=value, interval=interval, provenance="assumed", source=source)
        return replace(self, name=f"{self.name} with links × {share:g}", constants=constants)

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
        return read_number(_value_key(name), self.value(name), minimum, maximum)

    def seconds(self, name: str) -> float:
        """The constant as seconds, from 0 to `constant.LONGEST_S`."""
        return self.number(name, maximum=LONGEST_S)

    def rate(self, name: str) -> float:
        """The constant as a rate in bytes per second, above zero."""
        return self.number(name, minimum=1.0)

    def size(self, name: str) -> float:
        """The constant as bytes, at least 1: a number, or text such as `2MiB`."""
        value = self.value(name)
        return self.number(name, minimum=1.0) if not isinstance(value, str) else parse_bytes(value, _value_key(name))

    def whole(self, name: str) -> int:
        """The constant as a whole number, at least 1."""
        value = self.number(name, minimum=1)
        if value != int(value):
            raise ConfigError(_value_key(name), value, "a whole number is wanted")
        return int(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """The constant as one of some words."""
        value = self.value(name)
        check_choice(_value_key(name), value, allowed)
        return str(value)

    def gap_table(self, name: str) -> tuple[tuple[float, float], ...]:
        """The constant as a table of (bytes, seconds) with rising sizes."""
        return read_gap_table(_value_key(name), self.value(name))

    def by_kind(self, name: str) -> dict[str, float]:
        """The constant as factors in (0, 1] for `pull` and `push`."""
        return read_by_kind(_value_key(name), self.value(name))


def _times(value: Any, share: float) -> Any:
    """A number, or every number of a list or mapping, times `share`; anything else is left for whoever reads it."""
    match value:
        case bool():
            return value
        case int() | float():
            return value * share
        case list() | tuple():
            return [_times(each, share) for each in value]
        case Mapping():
            return {key: _times(each, share) for key, each in value.items()}
    return value


def _value_key(name: str) -> str:
    return f"cluster.constants.{name}.value"
