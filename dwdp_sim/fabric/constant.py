"""One constant of a cluster: its value with unit, direction and origin, and the checks of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dwdp_sim.base.errors import ConfigError

LONGEST_S = 1e6  # of one constant: beside more, what differs between copies could not be told
_ROUNDED = 1e-5  # relative; constants are written with six digits
PROVENANCES = ("measured", "public", "vendor", "assumed")


@dataclass(frozen=True)
class Constant:
    """One number, or table of numbers, that describes a cluster, with its unit and where it comes from.

    Attributes:
        value: A number; a table [[bytes, seconds], …]; or a mapping by peer-memory mapping or by kind of copy.
        unit: SI unit.
        provenance: `measured`, `public` (a published measurement), `vendor` (data sheet) or `assumed`.
        source: Which rows, which publication, or why this assumption.
        direction: For rates and factors: which way the bytes go.
        interval: 95 % interval of the value, where it was fitted; shaped as the value, with [low, high] for a number. A
            value outside it was set by hand: the interval says nothing of that one.
    """

    value: Any
    unit: str
    provenance: str
    source: str
    direction: str = ""
    interval: Any = None


@dataclass
class ConstantConfig:
    """A constant as configuration gives it; see `Constant`."""

    value: Any = None
    """A number, a table [[bytes, seconds], …], or a mapping by peer-memory mapping or by kind of copy."""
    unit: str = ""
    """SI unit."""
    provenance: str = "assumed"
    """measured, public, vendor or assumed."""
    source: str = ""
    """Which rows, which publication, or why this assumption."""
    direction: str = ""
    """Which way the bytes go (rates and factors)."""
    interval: Any = None
    """95 % interval of the value, where it was fitted: [low, high], or one for each of its parts. It says nothing of a
    value outside it."""


def read_number(key: str, value: Any, minimum: float = 0.0, maximum: float = math.inf) -> float:
    """A value as a finite number within bounds.

    Raises:
        ConfigError: Not a number, or out of bounds.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not (minimum <= value <= maximum)
    ):
        bounds = f"a number from {minimum:g} to {maximum:g}" if maximum < math.inf else f"a number ≥ {minimum:g}"
        raise ConfigError(key, value, f"{bounds} is wanted")
    return float(value)


def read_gap_table(key: str, value: Any) -> tuple[tuple[float, float], ...]:
    """A value as a table of (bytes, seconds) with rising sizes and gaps up to `LONGEST_S`.

    Raises:
        ConfigError: Not such a table.
    """
    try:
        table = tuple((float(size), float(gap)) for size, gap in value)
    except (TypeError, ValueError):
        table = ()
    sizes = [size for size, _ in table]
    if (
        not table
        or sizes != sorted(set(sizes))
        or sizes[0] < 1
        or not all(math.isfinite(size) and 0 <= gap <= LONGEST_S for size, gap in table)
    ):
        allowed = f"a table [[bytes, seconds], …] with rising sizes and gaps from 0 to {LONGEST_S:g} s is wanted"
        raise ConfigError(key, value, allowed)
    return table


def read_interval(interval: Any, key: Any = None) -> tuple[float, float] | None:
    """Both ends of a constant's interval; None if it has none, or one that is no pair of rising numbers.

    Args:
        interval: Of the whole constant.
        key: A row of a table (bytes) or kind of copy, where the constant holds several numbers.
    """
    ends = interval if key is None else interval.get(key) if isinstance(interval, Mapping) else None
    if not isinstance(ends, list | tuple) or len(ends) != 2 or not all(_is_number(end) for end in ends):
        return None
    return (float(ends[0]), float(ends[1])) if ends[0] <= ends[1] else None


def interval_of(value: Any, interval: Any) -> tuple[float, float] | None:
    """Both ends of a number's interval; None if it has none, or one that is another value's, since it lies outside."""
    ends = read_interval(interval)
    if ends is None or not _is_number(value):
        return None
    return ends if ends[0] * (1 - _ROUNDED) <= value <= ends[1] * (1 + _ROUNDED) else None


def check_interval(key: str, value: Any, interval: Any) -> None:
    """Check a constant's interval, and where there is one, that a list of a value is a table.

    Raises:
        ConfigError: The interval is neither a pair of rising numbers nor a mapping to such pairs, or the list no table.
    """
    if interval is None:
        return
    pairs = list(interval.values()) if isinstance(interval, Mapping) else [interval]
    if any(read_interval(pair) is None for pair in pairs):
        allowed = (
            "[low, high] with finite numbers, low ≤ high, is wanted, or a mapping to such from each part of the value"
        )
        raise ConfigError(f"{key}.interval", interval, allowed)
    if isinstance(value, list | tuple):
        read_gap_table(f"{key}.value", value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_by_kind(key: str, value: Any) -> dict[str, float]:
    """A value as factors in (0, 1] for `pull` and `push`.

    Raises:
        ConfigError: Not both of them, or out of bounds.
    """
    if (
        not isinstance(value, Mapping)
        or set(value) != {"pull", "push"}
        or not all(isinstance(f, int | float) and 0 < f <= 1 for f in value.values())
    ):
        raise ConfigError(key, value, "{pull: factor, push: factor} in (0, 1] is wanted")
    return {kind: float(factor) for kind, factor in value.items()}
