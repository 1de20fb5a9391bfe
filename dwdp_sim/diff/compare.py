"""Compare two sides figure by figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.diff.side import Figure, Reader, Side

_SCHEMA = 1
_CHANCE = 0.05  # of calling something moved where nothing has
_ROUNDING = 1e-9  # relative; what the last bits of a sum may differ by


@dataclass(frozen=True)
class Change:
    """A figure that both sides have.

    Attributes:
        name, unit: Of the figure.
        first, second: Its value on either side.
        noise: The largest difference that noise explains, in the figure's unit; None of words.
        moved: Whether they differ by more.
    """

    name: str
    unit: str
    first: float | str
    second: float | str
    noise: float | None
    moved: bool

    @property
    def relative(self) -> float | None:
        """second ÷ first − 1; None of words and where the first is 0."""
        if isinstance(self.first, str) or isinstance(self.second, str) or not self.first:
            return None
        return self.second / self.first - 1


@dataclass(frozen=True)
class Diff:
    """What two sides have in common, and what not.

    Attributes:
        first, second: Paths of the sides.
        kind: What they are.
        settings: What was run or described otherwise: name, and both values; empty text where one side has none.
        changes: Every figure that both have, the largest beyond noise first.
        only_first, only_second: Figures that one side alone has; they are not judged.
    """

    first: str
    second: str
    kind: str
    settings: list[tuple[str, str, str]]
    changes: list[Change]
    only_first: list[str]
    only_second: list[str]

    @property
    def moved(self) -> list[Change]:
        """What changed by more than noise."""
        return [change for change in self.changes if change.moved]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "schema": _SCHEMA,
            "kind": self.kind,
            "first": self.first,
            "second": self.second,
            "moved": len(self.moved),
            "settings": [dict(zip(("name", "first", "second"), line, strict=True)) for line in self.settings],
            "figures": [{**asdict(change), "relative": change.relative} for change in self.changes],
            "only_first": self.only_first,
            "only_second": self.only_second,
        }


def read_side(path: str, readers: Sequence[Reader]) -> Side:
    """What stands at `path`, as the first reader that knows its kind has it.

    Raises:
        ConfigError: No reader knows it, or it is damaged.
    """
    for reader in readers:
        side = reader(path)
        if side is not None:
            return side
    allowed = (
        "a results folder, a run's folder, a file of measured rows, a bundle, or a cluster (name or YAML) is wanted"
    )
    raise ConfigError("diff", path, allowed)


def compare(first: Side, second: Side) -> Diff:
    """Compare every figure that both sides have.

    A difference is beyond noise if it exceeds √(h₁² + h₂²), h being half of either side's interval on the side of the
    other value. The intervals are those of 1 − 0.05/n for n figures (Bonferroni), so that two sides that differ by
    noise alone show something moved once in twenty.

    Raises:
        ConfigError: They are of different kinds, or have no figure in common.
    """
    if first.kind != second.kind:
        raise ConfigError("diff", second.path, f"is one of the {second.kind}, but {first.path} of the {first.kind}")
    common = [name for name in first.figures if name in second.figures]
    if not common:
        raise ConfigError("diff", second.path, f"has no figure that {first.path} has, too")
    wider = _wider(sum(not isinstance(first.figures[name].value, str) for name in common))
    changes = [_change(name, first.figures[name], second.figures[name], wider) for name in common]
    names = sorted({*first.settings, *second.settings})
    settings = [(name, first.settings.get(name, ""), second.settings.get(name, "")) for name in names]
    return Diff(
        first=first.path,
        second=second.path,
        kind=first.kind,
        settings=[line for line in settings if line[1] != line[2]],
        changes=sorted(changes, key=_order),
        only_first=[name for name in first.figures if name not in second.figures],
        only_second=[name for name in second.figures if name not in first.figures],
    )


def _wider(count: int) -> float:
    """By how much intervals of 95 % grow where `count` figures are asked at once."""
    normal = NormalDist()
    return normal.inv_cdf(1 - _CHANCE / 2 / max(count, 1)) / normal.inv_cdf(1 - _CHANCE / 2)


def _change(name: str, first: Figure, second: Figure, wider: float) -> Change:
    if isinstance(first.value, str) or isinstance(second.value, str):
        return Change(name, first.unit, first.value, second.value, None, first.value != second.value)
    rises = second.value > first.value
    halves = (first.above, second.below) if rises else (first.below, second.above)
    noise = wider * math.hypot(*halves)
    rounding = _ROUNDING * max(abs(first.value), abs(second.value))
    moved = abs(second.value - first.value) > max(noise, rounding)
    return Change(name, first.unit, first.value, second.value, noise, moved)


def _order(change: Change) -> tuple[bool, float, str]:
    """What moved comes first, the largest relative change of it before the others."""
    relative = change.relative
    return not change.moved, -abs(math.inf if relative is None and change.moved else relative or 0.0), change.name
