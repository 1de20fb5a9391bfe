"""How the pages write numbers. Every function takes fractions or SI units and returns the text of a figure."""

from __future__ import annotations

from collections.abc import Iterable


def percent(value: float, digits: int = 1) -> str:
    """A fraction in per cent, as `2.6 %`."""
    return f"{100 * value:.{digits}f} %"


def percents(values: Iterable[float], digits: int = 1) -> str:
    """The lowest and the highest of fractions in per cent, as `2.6–3.3 %`."""
    return f"{between((100 * value for value in values), digits)} %"


def between(values: Iterable[float], digits: int) -> str:
    """The lowest and the highest value, as `0.51–1.10`; one number if both are written alike."""
    found = list(values)
    low, high = f"{min(found):.{digits}f}", f"{max(found):.{digits}f}"
    return low if low == high else f"{low}–{high}"


def cells(*texts: str) -> str:
    """Neighbouring cells of a table row, for a figure that begins in the first and ends in the last."""
    return " | ".join(texts)
