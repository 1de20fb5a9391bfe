"""One side of a comparison: its figures, and how far noise alone may move each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure that can be compared with that of another side.

    Attributes:
        value: A number, or a word such as the name of a rule, which has no noise.
        unit: Of the number; SI.
        below, above: How far below and above the value a 95 % interval reaches, in the same unit; 0 where it is exact
            or nothing is known of its noise.
    """

    value: float | str
    unit: str = ""
    below: float = 0.0
    above: float = 0.0


@dataclass(frozen=True)
class Side:
    """One of the two things that are compared.

    Attributes:
        path: As the user named it.
        kind: What it is, in the plural: sides of different kinds are not compared.
        settings: What was run or described; differences are shown and not judged.
        figures: By name.
    """

    path: str
    kind: str
    settings: Mapping[str, str]
    figures: Mapping[str, Figure]


Reader = Callable[[str], Side | None]
"""Reads the side at a path; None if it is of another kind. What is wrong with one of its kind is a `ConfigError`."""
