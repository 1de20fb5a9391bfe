"""Figures that jobs can be compared by, and the parts that a time splits into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_RULES = "the line beside a point: its range over hypotheses"
_INTERVAL = "the line beside a point: its 95 % interval"
_SIGNS = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "bytes": ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "per_s": ((1.0, "1/s"),),
    "share": ((1e-2, "%"),),
    "ratio": ((1.0, ""),),
}
Numbers = list[float | None]


@dataclass(frozen=True)
class Measure:
    """A figure of a job.

    Attributes:
        name: Its column in `SweepJobs.finished`; the suffix is the unit.
        label: For axes and headings, without the unit.
        meaning: One sentence part more.
        low, high: Columns of its range, or empty.
        more: Whether more of it is better.
    """

    name: str
    label: str
    meaning: str = ""
    low: str = ""
    high: str = ""
    more: bool = False

    @property
    def unit(self) -> str:
        """`s`, `bytes`, `per_s`, `share` or `ratio`."""
        if self.name.endswith("_per_s"):
            return "per_s"
        if self.name in ("step_bubble_share", "dep_gain"):
            return "share"
        return next((unit for unit in ("s", "bytes") if self.name.endswith(f"_{unit}")), "ratio")


_MEAN = Measure(
    "prefetch_latency_mean_s", "prefetch latency, mean over ranks", _RULES, "range_mean_low_s", "range_mean_high_s"
)
_STEP = Measure("step_iteration_s", "forward step", _RULES, "step_iteration_low_s", "step_iteration_high_s")
_DEP = Measure(
    "dep_gain", "gain over DEP", f"DEP's time ÷ DWDP's − 1; {_INTERVAL}", "dep_gain_low", "dep_gain_high", more=True
)
_STREAM = Measure("slowest_stream_s", "elapsed, slowest stream", "of a replayed program")

MEASURES = (
    _STEP,
    Measure("step_tokens_per_s", "tokens per second and GPU", more=True),
    Measure("step_bubble_s", "bubbles of a step", "waits for experts"),
    Measure("step_bubble_share", "bubbles, share of a step", "waits for experts ÷ forward step"),
    Measure("step_bubble_p99_s", "bubble of a layer, 99th percentile"),
    Measure("step_compute_s", "compute of a step"),
    Measure("step_launch_wait_s", "waits for launches of a step"),
    Measure("step_prefetch_latency_s", "prefetch latency of a layer in a step"),
    Measure("step_prefetch_latency_p99_s", "prefetch latency of a layer in a step, 99th percentile"),
    Measure("time_to_first_token_s", "time to first token", "mean over requests, without queueing"),
    _DEP,
    _MEAN,
    Measure("prefetch_latency_max_s", "prefetch latency, slowest rank"),
    Measure("over_bound", "mean prefetch latency ÷ lower bound", "1 is the least that the busiest link allows"),
    Measure("slowest_over_bound", "slowest rank's prefetch latency ÷ lower bound"),
    _STREAM,
    Measure("lower_bound_s", "lower bound", "bytes over the busiest link"),
    Measure("experts_memory_bytes", "memory of resident experts", "of a GPU, all MoE layers"),
    Measure("slots_memory_bytes", "memory of the two slots", "of a GPU, for remote experts"),
)

PARTS = {
    "where a forward step goes": {
        "step_compute_s": "compute",
        "step_bubble_s": "bubbles (waits for experts)",
        "step_launch_wait_s": "waits for launches",
    },
    "where a layer's prefetch latency goes, in a step": {
        "step_transfer_s": "transfer",
        "step_contention_s": "contention",
        "step_gap_s": "gaps and fixed parts",
        "step_host_s": "host",
        "step_own_engine_s": "engine busy with an earlier layer",
    },
    "where the prefetch latency goes, mean over ranks": {
        "transfer_s": "transfer",
        "contention_s": "contention",
        "gap_s": "gaps and fixed parts",
        "host_s": "host",
    },
}


@dataclass(frozen=True)
class Scale:
    """The unit in which a column of figures reads best.

    Attributes:
        size: What one of it is in SI units.
        sign: Its sign; empty for a ratio.
    """

    size: float
    sign: str

    def numbers(self, column: pd.Series[float]) -> Numbers:
        """A column's figures in this unit, six significant ones each; None if it has none."""
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan) / self.size
        return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]

    def titled(self, label: str) -> str:
        """A label with the unit."""
        return f"{label} ({self.sign})" if self.sign else label


def scale_of(unit: str, column: pd.Series[float]) -> Scale:
    """The unit in which the middle one of the figures that are not zero has digits before the point.

    Args:
        unit: A `Measure.unit`.
        column: Figures in SI units; NaN where there is none.
    """
    sizes = np.sort(np.abs(pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    middle = float(sizes[len(sizes) // 2]) if len(sizes) else 1.0
    signs = _SIGNS[unit]
    return Scale(*next((sign for sign in signs if middle >= sign[0]), signs[-1]))


def available(jobs: pd.DataFrame) -> list[Measure]:
    """Return the measures that at least one job has."""
    return [measure for measure in MEASURES if measure.name in jobs and jobs[measure.name].notna().any()]


def main_measure(jobs: pd.DataFrame) -> Measure:
    """Return the measure that most jobs have: time of a forward step, prefetch latency or elapsed time of a program."""
    candidates: Sequence[Measure] = (_STEP, _MEAN, _STREAM)
    return max(candidates, key=lambda measure: int(jobs[measure.name].notna().sum()))
