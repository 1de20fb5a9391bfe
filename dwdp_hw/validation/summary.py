"""Summarize the errors of many rows; queued rows, rows with host time and steps are never mixed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from dwdp_hw.validation.comparison import ValidationRow
from dwdp_sim.base.units import format_percent, format_slice

_SIZES = ((10e6, "below 10 MB"), (100e6, "10 to 100 MB"), (1e9, "100 MB to 1 GB"), (float("inf"), "1 GB and more"))


percent = partial(format_percent, digits=2)  # errors of hundredths of a percent are told apart here


@dataclass(frozen=True)
class Summary:
    """The errors of the rows of one mode that count.

    Attributes:
        n: Figures, one a rank.
        p95_abs_error, median_abs_error, max_abs_error: Of the absolute error.
        bias: Mean signed error.
        covered: Share whose measured time lies within the predicted range.
        p95_outside, max_outside: Of the distance from the predicted range, 0 within it.
        median_width: Of the predicted range, as a part of the prediction.
    """

    n: int
    p95_abs_error: float
    median_abs_error: float
    max_abs_error: float
    bias: float
    covered: float
    p95_outside: float
    max_outside: float
    median_width: float


def summarize(rows: Iterable[ValidationRow], mode: str) -> Summary | None:
    """Summarize the rows of one mode that count; None if there are none."""
    counted = [row for row in rows if row.counts and row.mode == mode]
    if not counted:
        return None
    error = np.array([row.error for row in counted])
    outside = np.abs([row.outside for row in counted])
    return Summary(
        n=len(counted),
        p95_abs_error=float(np.percentile(np.abs(error), 95)),
        median_abs_error=float(np.median(np.abs(error))),
        max_abs_error=float(np.abs(error).max()),
        bias=float(error.mean()),
        covered=float(np.mean(outside == 0.0)),
        p95_outside=float(np.percentile(outside, 95)),
        max_outside=float(outside.max()),
        median_width=float(np.median([row.width for row in counted])),
    )


def groups_of(rows: Iterable[ValidationRow]) -> dict[str, list[ValidationRow]]:
    """Group rows by strategy, by size, by number of ranks and by mapping."""
    groups: dict[str, list[ValidationRow]] = {}
    for row in rows:
        size = next(name for limit, name in _SIZES if row.bytes < limit)
        for name in (
            f"strategy {row.strategy}",
            f"total {size}",
            f"largest copy up to {format_slice(1 << (row.slice_bytes - 1).bit_length())}",
            f"{row.ranks} {'rank' if row.ranks == 1 else 'ranks'}",
            f"mapping {row.mapping or 'not recorded'}",
        ):
            groups.setdefault(name, []).append(row)
    return dict(sorted(groups.items()))
