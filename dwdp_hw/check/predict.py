"""What the simulator says about a recorded row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dwdp_hw.check.host_costs import at_bound
from dwdp_sim.cluster import Cluster
from dwdp_sim.fabric_constants import constants_for
from dwdp_sim.options import FabricOptions
from dwdp_sim.plan import ASYNC
from dwdp_sim.program import Program
from dwdp_sim.recorded_row import RecordedRow
from dwdp_sim.simulate import Floats, simulate

UNKNOWN_SKEWS_S = (0.0, 5e-6, 10e-6, 15e-6, 20e-6)


@dataclass(frozen=True)
class Prediction:
    """Seconds for each stream of a row.

    Attributes:
        mean_s: At the constants' values, the mean over start skews that were not recorded.
        low_s, high_s: Range over those skews and, where the host's time is in the figure, over the range of its costs.
    """

    mean_s: Floats
    low_s: Floats
    high_s: Floats


def predict(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Prediction:
    """Simulate a row's program on `cluster`, with the range of what the row does not say.

    Raises:
        ConfigError: The cluster lacks a constant that the row needs.
    """
    runs = _elapsed_s(row, cluster, options, seed)
    bounds = [] if row.queued else [_elapsed_s(row, at_bound(cluster, bound), options, seed) for bound in (0, 1)]
    possible = np.concatenate([runs, *bounds])
    return Prediction(runs.mean(axis=0), possible.min(axis=0), possible.max(axis=0))


def predict_mean_s(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Floats:
    """`predict(…).mean_s` alone, which takes a third of the time."""
    mean_s: Floats = _elapsed_s(row, cluster, options, seed).mean(axis=0)
    return mean_s


def _elapsed_s(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int) -> Floats:
    """Seconds of each stream for each possible start skew, shape (skews, streams)."""
    if row.mapping is not None:
        cluster = replace(cluster, mapping=row.mapping)
    constants = constants_for(cluster, row.program, options)
    runs = [
        simulate(_skewed(row.program, skew), constants, options, seed=seed).stream_elapsed_s for skew in _skews(row)
    ]
    return np.array(runs)


def _skews(row: RecordedRow) -> tuple[float, ...]:
    """Where several streams of single copies share links, their phase matters: the recorded skew, or all plausible."""
    trains = row.program.call_stream[row.program.call_issue == ASYNC]
    if len(np.unique(trains)) < 2 or not row.queued:
        return (0.0,)
    return UNKNOWN_SKEWS_S if row.skew_s is None else (row.skew_s,)


def _skewed(program: Program, skew_s: float) -> Program:
    """The program with every stream but the first starting later."""
    later = np.arange(len(program.stream_start_s)) > 0
    return replace(program, stream_start_s=program.stream_start_s + later * skew_s)
