"""Forward steps that were measured on hardware: what was copied, how long each layer computed, how long it all took."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.errors import ConfigError
from dwdp_sim.program import Program
from dwdp_sim.recorded import row_from_dict
from dwdp_sim.windows import StepWindows


@dataclass(frozen=True)
class RecordedSteps:
    """One measured step of a pipeline of layers.

    Attributes:
        case: Its name.
        strategy: Strategy of the copies.
        mapping: How peer memory was mapped.
        program: The prefetch of one layer.
        windows: Compute time of each layer as it was measured; all of it needs the layer's experts.
        step_s: Median time of the step on each rank, in seconds.
        waits_s: Time for which the layers of each rank waited in all: for their launch or their experts.
        copy_bound: Whether some layer's prefetch takes longer than its compute.
        stable: Whether the row may be compared with anything.
    """

    case: str
    strategy: str
    mapping: str
    program: Program
    windows: StepWindows
    step_s: tuple[float, ...]
    waits_s: tuple[float, ...]
    copy_bound: bool
    stable: bool


def read_recorded_steps(path: str) -> tuple[RecordedSteps, ...]:
    """The pipelines in a file of recorded rows (docs/hardware.md describes the fields).

    Raises:
        ConfigError: Not such a file.
    """
    try:
        content = json.loads(Path(path).read_bytes())
        gpus = int(content["machine"]["gpus"])
        rows = [row for row in content["rows"] if row.get("measure") == "pipeline"]
        return tuple(_steps(row, gpus, path) for row in rows)
    except ConfigError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(getattr(error, "strerror", None) or f"{type(error).__name__} {error}")
        raise ConfigError("rows", path, f"not a file of recorded rows: {reason}") from error


def _steps(row: dict[str, Any], gpus: int, path: str) -> RecordedSteps:
    layer = row_from_dict(row, gpus, path)
    times = {
        name: np.array([[one[name] for one in rank] for rank in row["layer_us"]]) * 1e-6
        for name in ("wait", "compute", "copy")
    }
    moe_s = times["compute"][:, None, :]
    ranks = len(moe_s)
    return RecordedSteps(
        case=layer.case,
        strategy=layer.strategy,
        mapping=str(row["mapping"]),
        program=layer.program,
        windows=StepWindows(np.zeros((ranks, 1)), np.zeros_like(moe_s), moe_s, np.zeros((ranks, 1), dtype=np.int64)),
        step_s=layer.median_s,
        waits_s=tuple(times["wait"].sum(axis=1).tolist()),
        copy_bound=bool(np.any(times["copy"].mean(axis=1) > times["compute"].mean(axis=1))),
        stable=layer.unstable is None,
    )
