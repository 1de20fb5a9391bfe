"""Recorded rows as numbers with noise, and what the simulator says of the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dwdp_hw.check.predict import predict
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.plan import ASYNC, BATCH
from dwdp_sim.program import Program
from dwdp_sim.recorded import RecordedRow
from dwdp_sim.simulate import Floats

_RANGE_TO_SIGMA = 2.5  # the range of five to seven normal draws, in standard deviations
_FLOOR = 0.003  # relative; nothing is trusted better than this
_FLOOR_WITH_HOST = 0.05  # ranks of one machine differ by as much in host time
_HOST_SIGMA = 0.3
_MOST_CALLS = 500  # a longer train fills the stream's queue, and its host time is the device's


class Observations:
    """Measured times as logarithms with their noise, and the prediction of the same.

    Attributes:
        measured: Logarithms of device times and of usable host times, in seconds.
        sigma: Noise of each, relative.
        device: Whether it is a device time.
        row_of: Number of the row it belongs to.
    """

    def __init__(self, rows: Sequence[RecordedRow], options: FabricOptions) -> None:
        self._rows, self._options = rows, options
        logs: list[float] = []
        sigmas: list[float] = []
        device: list[bool] = []
        row_of: list[int] = []
        for number, row in enumerate(rows):
            for median, low, high in zip(row.median_s, row.min_s, row.max_s, strict=True):
                logs.append(np.log(median))
                sigmas.append(
                    np.hypot((high - low) / _RANGE_TO_SIGMA / median, _FLOOR if row.queued else _FLOOR_WITH_HOST)
                )
                device.append(True)
                row_of.append(number)
            for host in _usable_host_s(row):
                logs.append(np.log(host))
                sigmas.append(_HOST_SIGMA)
                device.append(False)
                row_of.append(number)
        self.measured: Floats = np.array(logs)
        self.sigma: Floats = np.array(sigmas)
        self.device: NDArray[np.bool_] = np.array(device)
        self.row_of: NDArray[np.int64] = np.array(row_of)

    def predicted(self, cluster: Cluster) -> Floats:
        """Logarithms of the predicted times, in the order of `measured`."""
        found: list[float] = []
        for row in self._rows:
            found += predict(row, cluster, self._options).mean_s.tolist()
            if _usable_host_s(row):
                found += _host_s(row.program, cluster)
        logs: Floats = np.log(found)
        return logs

    def residuals(self, cluster: Cluster) -> Floats:
        """(predicted − measured) in units of noise."""
        scaled: Floats = (self.predicted(cluster) - self.measured) / self.sigma
        return scaled


def _usable_host_s(row: RecordedRow) -> tuple[float, ...]:
    """Host times that are the host's: not of calls that waited in a full queue, nor of batches behind a gate, which
    cost the host up to twice as much as batches that start at once."""
    calls = np.bincount(row.program.call_stream)
    gated_batch = row.queued and bool(np.any(row.program.call_issue == BATCH))
    return () if gated_batch or calls.max() > _MOST_CALLS else row.host_s


def _host_s(program: Program, cluster: Cluster) -> list[float]:
    """Predicted host time of each stream's calls."""
    asynchronous, batch, piece = (cluster.number(name) for name in ("issue_async_s", "issue_batch_s", "issue_slice_s"))
    cost = np.where(program.call_issue == ASYNC, asynchronous, batch + piece * np.diff(program.call_first_copy))
    totals = np.zeros(len(program.stream_gpu))
    np.add.at(totals, program.call_stream, cost)
    return [float(total) for total in totals]
