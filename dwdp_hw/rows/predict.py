"""Predict a recorded row with the simulator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dwdp_hw.cases.start_offsets import AMONG, DRAWS, LATEST_S, drawn_starts_s, repeated_draws_s
from dwdp_hw.rows.host_costs import at_bound
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_needed
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.program_needs import ProgramNeeds
from dwdp_sim.fabric.repeated import RepeatedProgram

_TRIES = 1000  # drawn errors of the clocks


@dataclass(frozen=True)
class Prediction:
    """Seconds for each stream of a row.

    Attributes:
        mean_s: At the constants' values, the mean over draws of the starts.
        low_s, high_s: Range over the draws and, where the host's time is in the figure, over the range of its costs.
    """

    mean_s: Floats
    low_s: Floats
    high_s: Floats


def predict(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Prediction:
    """Simulate a row's program on `cluster`, with the range of what the row does not say.

    Raises:
        ConfigError: The cluster lacks a constant that the row needs.
    """
    clusters = [cluster] if row.queued else [cluster, at_bound(cluster, 0), at_bound(cluster, 1)]
    prepared = PreparedRow(row, options, seed, copies=AMONG * len(clusters) * DRAWS * len(row.program.copy_bytes))
    runs, *bounds = (prepared.draws_s(each) for each in clusters)
    possible = np.concatenate([runs, *bounds])
    return Prediction(runs.mean(axis=0), possible.min(axis=0), possible.max(axis=0))


class PreparedRow:
    """A row that is predicted again and again with other constants; what is asked for twice is simulated once.

    Args:
        row: Measured.
        options: The model's alternatives.
        seed: Of draws.
        copies: How many copies will be simulated in all, about (`RepeatedProgram`).
    """

    def __init__(self, row: RecordedRow, options: FabricOptions, seed: int = 0, *, copies: int) -> None:
        self._mapping, self._options, self._seed = row.mapping, options, seed
        self._starts_s = starts_s(row, options, seed)
        self._needs = ProgramNeeds.of(row.program)
        self._repeated = RepeatedProgram(row.program, options, copies=copies)
        self._known: dict[str, Floats] = {}

    def draws_s(self, cluster: Cluster) -> Floats:
        """Seconds of each stream for each draw of the starts, shape (draws, streams), at the constants' values.

        Raises:
            ConfigError: The cluster lacks a constant that the row needs.
        """
        if self._mapping not in (None, cluster.mapping):
            cluster = replace(cluster, mapping=self._mapping)
        constants = constants_needed(cluster, self._needs, self._options)
        key = repr(constants)
        if key not in self._known:
            self._known[key] = repeated_draws_s(self._repeated, constants, self._starts_s, self._seed)
        return self._known[key]


def predict_draws_s(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Floats:
    """Seconds of each stream for each draw of the starts, shape (draws, streams), at the constants' values."""
    return PreparedRow(row, options, seed, copies=AMONG * DRAWS * len(row.program.copy_bytes)).draws_s(cluster)


def predict_mean_s(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> Floats:
    """Return only `predict(…).mean_s`, which takes a third of the time."""
    mean_s: Floats = predict_draws_s(row, cluster, options, seed).mean(axis=0)
    return mean_s


def starts_s(row: RecordedRow, options: FabricOptions, seed: int = 0) -> Floats:
    """Starts of the streams beyond their planned ones, as far as the row says them; shape (draws, streams).

    Where every rank's start was recorded, each draw is one run's. Where only the spread was, the second of two streams
    is later by it, and more than two are drawn within it; where nothing was, within the largest spread that was
    measured.
    """
    streams = len(row.program.stream_gpu)
    if row.starts_s:
        return _recorded_starts_s(np.array(row.starts_s), row.clock_error_s, seed)
    if row.skew_s is not None and (streams == 2 or row.skew_s == 0.0):
        return np.array([[0.0, *[row.skew_s] * (streams - 1)]])
    drawn = drawn_starts_s(streams, options, seed)
    return drawn if row.skew_s is None else drawn * (row.skew_s / LATEST_S)


def _recorded_starts_s(runs_s: Floats, clock_error_s: float, seed: int) -> Floats:
    """Recorded starts, shape (runs, streams), with an error of every GPU's clock drawn for each draw.

    A clock is wrong by the same in all runs of a row. Of many drawn errors those are kept with which the streams of no
    run start further apart than was ever measured, or as few as possible do.
    """
    errors_s = clock_error_s * np.random.default_rng(seed).uniform(-1, 1, (_TRIES, runs_s.shape[1]))
    widest_s = np.ptp(runs_s + errors_s[:, None], axis=2).max(axis=1)
    likely = np.argsort(np.maximum(widest_s, LATEST_S), kind="stable")
    draws = np.arange(max(DRAWS, len(runs_s)))
    drawn_s = runs_s[draws % len(runs_s)] + errors_s[likely[draws]]
    later_s: Floats = drawn_s - drawn_s.min(axis=1, keepdims=True)
    return later_s
