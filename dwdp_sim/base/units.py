"""Read sizes such as ``2MiB`` and times such as ``10s``, format readable figures; all in between is in SI units."""

from __future__ import annotations

import math
import re

from dwdp_sim.base.errors import ConfigError

_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_SECONDS_PER_UNIT = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_MOST_SECONDS = 7 * 86400.0
_MOST_BYTES = 2**50  # so that sums fit in 64 bits
_BYTES_PER_UNIT = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_bytes(value: object, key: str) -> int:
    """Read a size.

    Args:
        value: A whole number of bytes, or text such as ``2MiB``, ``1.5 GB``, ``4096``.
        key: The configuration key, for the message.

    Raises:
        ConfigError: Not a size, not a whole number of bytes, below one byte or above one PiB.
    """
    allowed = "a size from one byte to 1024 TiB is wanted, such as 2097152 or 2MiB (B, kB, MB, GB, KiB, MiB, GiB)"
    match = None if isinstance(value, bool) else _NUMBER_AND_UNIT.fullmatch(str(value))
    if match is None or match[2].lower() not in _BYTES_PER_UNIT:
        raise ConfigError(key, value, allowed)
    size = float(match[1]) * _BYTES_PER_UNIT[match[2].lower()]
    if not 1 <= size <= _MOST_BYTES or size != int(size):
        raise ConfigError(key, value, allowed)
    return int(size)


def parse_slice(value: object, key: str) -> int | None:
    """Read a slice size: as `parse_bytes`, or None for whole pulls.

    Raises:
        ConfigError: As `parse_bytes`.
    """
    return None if value is None else parse_bytes(value, key)


def parse_seconds(value: object, key: str) -> float:
    """Read a length of time; the answer is in seconds.

    Args:
        value: A number with its unit as text, such as ``500ms``, ``10s``, ``1.5 min`` or ``1h``.
        key: The configuration key, for the message.

    Raises:
        ConfigError: Not a number with such a unit, or more than a week.
    """
    match = None if isinstance(value, bool) else _NUMBER_AND_UNIT.fullmatch(str(value))
    seconds = None if match is None else float(match[1]) * _SECONDS_PER_UNIT.get(match[2].lower(), math.inf)
    if seconds is None or not seconds <= _MOST_SECONDS:
        raise ConfigError(key, value, "a time of at most a week with its unit is wanted, as 500ms, 10s, 2min or 1h")
    return seconds


def format_bytes(size: float) -> str:
    """Format bytes in decimal units with three or four significant figures: ``4.756 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:.0f} B"


def format_slice(size: int | None) -> str:
    """Format a slice size, in binary units if exact: ``2 MiB``; None, which cuts nothing, is ``whole pulls``."""
    if size is None:
        return "whole pulls"
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale and size % scale == 0:
            return f"{size // scale} {unit}"
    return f"{size} B"


def format_seconds(seconds: float) -> str:
    """Format a time with four significant figures in the unit that suits it: ``6.213 ms``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.4g} {unit}"
    return f"{seconds / 1e-9:.4g} ns" if seconds else "0"


def format_percent(share: float, *, digits: int = 1, signed: bool = False) -> str:
    """Format a share: ``1.2 %``; one that rounds to zero has no sign."""
    text = f"{100 * share:{'+' if signed else ''}.{digits}f}"
    return f"{text.lstrip('+-') if not float(text) else text.replace('-', '−')} %"
