"""Interpolate in measured times, and hold what a kernel reaches of its roof where the measurements end.

Inside its rows a time is interpolated linearly in the coordinate, and in its square root along the length of
requests, as the aiconfigurator project does. Outside, the utilisation (roof ÷ time) of the nearest rows is kept and
the roof grows. Every reading says which of these it is, and by what factor it lies beyond the rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Literal, NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.silicon.roofs import Size

How = Literal["measured", "interpolated", "held", "neighbour", "formula"]
HOWS: tuple[How, ...] = (
    "measured",
    "interpolated",
    "held",
    "neighbour",
    "formula",
)  # from the surest to the least sure
_NEAREST = 4
_SQUARE_ROOT_AXIS = 1
_FARTHEST_OCTAVES = 2.0


class Curve(NamedTuple):
    """Measured times along one size.

    Attributes:
        x: The size, ascending, each once.
        seconds: Time at each.
    """

    x: Ints
    seconds: Floats


class Reading(NamedTuple):
    """A time and how it was found.

    Attributes:
        seconds: The time.
        how: Where it comes from.
        outside: Factor by which the question lies beyond the nearest row; 1.0 inside.
        low_s: Least time that the nearest rows give; the time itself inside.
        high_s: Most.
    """

    seconds: float
    how: How
    outside: float
    low_s: float
    high_s: float


def reading(seconds: float, how: How, outside: float = 1.0) -> Reading:
    """A reading without a spread."""
    return Reading(seconds, how, outside, seconds, seconds)


def read_curve(curve: Curve, x: float, roof: Callable[[Size], Floats], ends: int = 1) -> Reading:
    """Time at `x`.

    Args:
        curve: The measured rows.
        x: The size asked for.
        roof: Least seconds at a size.
        ends: Rows at an end whose median utilisation is kept beyond it.
    """
    sizes, seconds = curve
    first, last = int(sizes[0]), int(sizes[-1])
    if not first <= x <= last:
        near = slice(-ends, None) if x > last else slice(0, ends)
        reached = median((roof(sizes[near]) / seconds[near]).tolist())
        return reading(float(roof(x)) / reached, "held", x / last if x > last else first / x)
    right = int(np.searchsorted(sizes, x))
    if sizes[right] == x:
        return reading(float(seconds[right]), "measured")
    share = (x - sizes[right - 1]) / (sizes[right] - sizes[right - 1])
    return reading(float(seconds[right - 1] + (seconds[right] - seconds[right - 1]) * share), "interpolated")


class _Axis(NamedTuple):
    """Measured values of one coordinate, ascending, and what lies at each: the next axis, or seconds."""

    values: list[int]
    nodes: list[_Axis] | list[float]


@dataclass(frozen=True, eq=False)
class Surface:
    """Measured times over heads, length of requests, and batch; not every combination is there.

    Attributes:
        columns: Times along the length by (heads, batch).
    """

    columns: Mapping[tuple[int, int], Curve]

    @cached_property
    def _points(self) -> tuple[Floats, Floats]:
        """All rows: coordinates of shape (rows, 3), ascending, and seconds."""
        rows = [
            (heads, length, batch, seconds)
            for (heads, batch), curve in self.columns.items()
            for length, seconds in zip(curve.x.tolist(), curve.seconds.tolist(), strict=True)
        ]
        table = np.array(sorted(rows), dtype=np.float64)
        return table[:, :3], table[:, 3]

    @cached_property
    def _logs(self) -> Floats:
        return np.log2(self._points[0])

    @cached_property
    def _heads(self) -> _Axis:
        """The rows by heads, then length, then batch."""
        points, seconds = self._points
        return _axis(points.astype(np.int64), seconds)

    def lengths(self) -> list[int]:
        """Every length that has a row, ascending."""
        return [int(length) for length in np.unique(self._points[0][:, 1])]

    def read(self, heads: float, length: float, batch: float, roof: Callable[[Size, Size, Size], Floats]) -> Reading:
        """Time at a point.

        Args:
            heads: Heads of a rank.
            length: Tokens of each request.
            batch: Requests.
            roof: Least seconds at heads, length, batch.
        """
        at = (heads, length, batch)
        inside = _interpolate(self._heads, at, 0, roof)
        return self._hold(at, roof) if inside is None else inside

    def _hold(self, at: tuple[float, float, float], roof: Callable[[Size, Size, Size], Floats]) -> Reading:
        """Mean utilisation of the nearest rows in logarithmic distance; the fifth nearest has weight zero."""
        points, seconds = self._points
        away = np.sqrt(((self._logs - np.log2(np.array(at))) ** 2).sum(axis=1))
        order = np.argsort(away, kind="stable")[: _NEAREST + 1]
        near, away = order[:_NEAREST], away[order]
        reach = float(away[_NEAREST]) if len(away) > _NEAREST else math.inf
        away = away[:_NEAREST]
        if math.isinf(reach):
            weights = 1.0 / (away * away + 1e-12)
        else:
            weights = (np.maximum(reach - away, 0.0) / (reach * away + 1e-12)) ** 2
        if not weights.any():
            weights = np.ones(len(near))
        reached = roof(*points[near].T) / seconds[near]
        bound = float(roof(*at))
        mean = float((weights * reached).sum() / weights.sum())
        return Reading(
            bound / mean, "held", 2.0 ** float(away[0]), bound / float(reached.max()), bound / float(reached.min())
        )


def _axis(points: Ints, seconds: Floats) -> _Axis:
    """Rows of ascending coordinates, shape (rows, axes), as nested axes."""
    values, starts = np.unique(points[:, 0], return_index=True)
    if points.shape[1] == 1:
        return _Axis(values.tolist(), seconds.tolist())
    ends = [*starts[1:], len(points)]
    return _Axis(values.tolist(), [_axis(points[i:j, 1:], seconds[i:j]) for i, j in zip(starts, ends, strict=True)])


def _interpolate(
    node: _Axis | float, at: tuple[float, ...], axis: int, roof: Callable[[Size, Size, Size], Floats]
) -> Reading | None:
    """Time inside the rows by one axis after the other; None if they do not reach that far."""
    if not isinstance(node, _Axis):
        return reading(node, "measured")
    value, (values, nodes) = at[axis], node
    right = bisect_left(values, value)
    if right < len(values) and values[right] == value:
        return _interpolate(nodes[right], at, axis + 1, roof)
    if not 0 < right < len(values):
        return None
    ends = [(values[i], _interpolate(nodes[i], at, axis + 1, roof)) for i in (right - 1, right)]
    found = [(key, end) for key, end in ends if end is not None]
    if len(found) < 2:
        return _scaled(found[0], at, axis, roof) if found else None
    (low, left), (high, other) = found
    share = (value - low) / (high - low)
    if axis == _SQUARE_ROOT_AXIS:
        root = math.sqrt(left.seconds) + (math.sqrt(other.seconds) - math.sqrt(left.seconds)) * share
        seconds = root * root
    else:
        seconds = left.seconds + (other.seconds - left.seconds) * share
    outside = max(left.outside, other.outside)
    return reading(seconds, "held" if outside > 1 else "interpolated", outside)


def _scaled(
    found: tuple[int, Reading], at: tuple[float, ...], axis: int, roof: Callable[[Size, Size, Size], Floats]
) -> Reading:
    """The time on the one side that has rows, carried over with the roof."""
    key, end = found
    beside = list(at)
    beside[axis] = key
    seconds = end.seconds * float(roof(*at)) / float(roof(*beside))
    return reading(seconds, "held", end.outside * max(at[axis] / key, key / at[axis]))


@dataclass(frozen=True, eq=False)
class Sites:
    """Measured products: for each width of the matrix a curve over the rows of activations.

    Attributes:
        curves: By (outputs, inputs), in the order of the table; none below the roof.
        roof: Least seconds of rows, outputs, inputs.
    """

    curves: Mapping[tuple[int, int], Curve]
    roof: Callable[[Size, Size, Size], Floats]

    @cached_property
    def _index(self) -> tuple[Ints, Floats, Ints, Ints]:
        """Widths and their logarithms, each of shape (sites, 2); first and last row count of each."""
        widths = np.array(list(self.curves), dtype=np.int64)
        first = np.array([curve.x[0] for curve in self.curves.values()])
        last = np.array([curve.x[-1] for curve in self.curves.values()])
        return widths, np.log2(widths), first, last

    def read(self, rows: float, site: tuple[int, int]) -> Reading | None:
        """Time of a product; None if no measured one is within two octaves of its widths.

        Args:
            rows: Rows of activations.
            site: Outputs and inputs of the matrix.
        """
        if site in self.curves:
            return self._along(rows, site)
        widths, logs, first, last = self._index
        away = np.hypot(*(logs - np.log2(np.array(site, dtype=np.float64))).T)
        covering = (first <= rows) & (rows <= last)
        order = np.argsort(away, kind="stable")
        order = (order[covering[order]] if covering.any() else order)[:_NEAREST]
        near = order[away[order] <= _FARTHEST_OCTAVES]
        if not len(near):
            return None
        found = [self._along(rows, (outputs, inputs)) for outputs, inputs in widths[near].tolist()]
        reached = self.roof(rows, *widths[near].T) / np.array([one.seconds for one in found])
        weights = 1.0 / (away[near] ** 2 + 1e-12)
        bound = float(self.roof(rows, *site))
        mean = float((weights * reached).sum() / weights.sum())
        outside = max(one.outside for one in found)
        return Reading(bound / mean, "neighbour", outside, bound / float(reached.max()), bound / float(reached.min()))

    def _along(self, rows: float, site: tuple[int, int]) -> Reading:
        return read_curve(self.curves[site], rows, lambda x: self.roof(x, *site), ends=3)
