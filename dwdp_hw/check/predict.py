"""What the simulator says about a recorded row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dwdp_sim.cluster import Cluster
from dwdp_sim.fabric_constants import constants_for
from dwdp_sim.options import FabricOptions
from dwdp_sim.plan import ASYNC
from dwdp_sim.program import Program
from dwdp_sim.recorded import RecordedRow
from dwdp_sim.simulate import Floats, simulate

UNKNOWN_SKEWS_S = (0.0, 5e-6, 10e-6, 15e-6, 20e-6)


@dataclass(frozen=True)
class Prediction:
    """Seconds for each stream of a row: the mean, and the range over unknown start skews (equal where none matters)."""

    mean_s: Floats
    low_s: Floats
    high_s: Floats


def predict(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Prediction:
    """Simulate a row's program on `cluster`.

    Where several streams of single copies share links, their phase matters: if the row recorded the skew between the
    starts, that is used, otherwise the mean and the range over `UNKNOWN_SKEWS_S`.

    Raises:
        ConfigError: The cluster lacks a constant that the row needs.
    """
    constants = constants_for(cluster, row.program, options)
    runs = [
        simulate(_skewed(row.program, skew), constants, options, seed=seed).stream_elapsed_s for skew in _skews(row)
    ]
    elapsed = np.array(runs)
    return Prediction(elapsed.mean(axis=0), elapsed.min(axis=0), elapsed.max(axis=0))


def _skews(row: RecordedRow) -> tuple[float, ...]:
    trains = row.program.call_stream[row.program.call_issue == ASYNC]
    if len(np.unique(trains)) < 2 or not row.queued:
        return (0.0,)
    return UNKNOWN_SKEWS_S if row.skew_s is None else (row.skew_s,)


def _skewed(program: Program, skew_s: float) -> Program:
    """The program with every stream but the first starting later."""
    later = np.arange(len(program.stream_start_s)) > 0
    return replace(program, stream_start_s=program.stream_start_s + later * skew_s)
