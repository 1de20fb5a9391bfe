"""Forward steps that were measured on hardware: what was copied, how long each layer computed, how long it all took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwdp_hw.rows.row import refusal, row_from_dict
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.windows import StepWindows

_SPANS: tuple[Literal["wait", "compute", "copy", "copy_begin"], ...] = ("wait", "compute", "copy", "copy_begin")


@dataclass(frozen=True)
class RecordedSteps:
    """One measured step of a pipeline of layers.

    Attributes:
        case: Its name.
        strategy: Strategy of the copies.
        mapping: How peer memory was mapped, one of `cluster.MAPPINGS`; None if not recorded.
        program: The prefetch of one layer.
        windows: Compute time of each layer as it was measured, before it waited for its experts and with them.
        step_s: Median time of the step on each rank, in seconds.
        min_s, max_s: Its spread.
        waits_s: Seconds that each layer waited for its experts, from the end of what it or the layer before computed
            (or from the start), shape (ranks, layers).
        late_s: Seconds from then to the arrival of the layer's last byte, below zero where it had arrived, same shape.
        copy_bound: Whether some layer's prefetch takes longer than its compute.
        unstable: Why the row must not be compared with anything; None if it may.
    """

    case: str
    strategy: str
    mapping: str | None
    program: Program
    windows: StepWindows
    step_s: tuple[float, ...]
    min_s: tuple[float, ...]
    max_s: tuple[float, ...]
    waits_s: Floats
    late_s: Floats
    copy_bound: bool
    unstable: str | None


def steps_from_dict(row: MeasuredRow, gpus: int, path: str) -> RecordedSteps:
    """One pipeline of the file `path`, whose machine has `gpus` GPUs.

    Raises:
        ConfigError: Its times do not fit its streams, or its layers one another.
    """
    layer = row_from_dict(row, gpus, path)
    spans = row.get("layer_us") or []
    if len(spans) != len(layer.median_s) or {len(rank) for rank in spans} != {row.get("layers", len(spans[0]))} - {0}:
        raise refusal(row, path, f"layer_us has not one entry for each of {len(layer.median_s)} streams and each layer")
    wait_s, compute_s, copy_s, copy_begin_s = (
        np.array([[times[name] for times in rank] for rank in spans]) * 1e-6 for name in _SPANS
    )
    ranks = len(compute_s)
    nothing = np.zeros((ranks, 1))
    before_s = np.array([[times.get("before", 0.0) for times in rank] for rank in spans]) * 1e-6
    ready_s = np.cumsum(before_s + wait_s + compute_s, axis=1) - wait_s - compute_s
    return RecordedSteps(
        case=layer.case,
        strategy=layer.strategy,
        mapping=layer.mapping,
        program=layer.program,
        windows=StepWindows(
            lead_s=nothing,
            before_s=before_s[:, None, :],
            moe_s=compute_s[:, None, :],
            tokens=nothing.astype(np.int64),
        ),
        step_s=layer.median_s,
        min_s=layer.min_s,
        max_s=layer.max_s,
        waits_s=wait_s,
        late_s=copy_begin_s + copy_s - ready_s,
        copy_bound=bool(np.any(copy_s.mean(axis=1) > (before_s + compute_s).mean(axis=1))),
        unstable=layer.unstable,
    )
