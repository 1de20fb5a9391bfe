"""Turn recorded rows into numbers with noise, and predict the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dwdp_hw.rows.host_costs import measured_host_s, predicted_host_s
from dwdp_hw.rows.predict import PreparedRow
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.rows.stability import between_rounds, error_of_median
from dwdp_sim.base.arrays import Bools, Floats, Ints
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

_RANGE_TO_SIGMA = 2.5  # the range of five to seven normal draws, in standard deviations
_FIXED_S = 1.5e-6  # scatter of the fixed part of a copy between rounds (docs/checking.md: 1 to 2 µs)
_FLOOR = 0.003  # relative; nothing is trusted better than this
HOST_SIGMA = 0.3  # noise of host times: processes issue at two speeds, a factor of two apart
_HOST_SHARE = 0.2  # share of the host in a device time that includes it, if its own was not recorded
PREDICTIONS = 100  # of each row that a fit makes, at least

Told = Callable[[], None]
"""Called whenever a row has been predicted."""


def nobody() -> None:
    """Stand in for a `Told` where nobody wants to know."""


class Observations:
    """Measured times as logarithms with their noise, and the prediction of the same.

    Args:
        rows: Measured.
        options: The model's alternatives.
        told: Called whenever a row has been predicted.

    Attributes:
        measured: Logarithms of device times and of usable host times, in seconds.
        sigma: Noise of each, relative.
        device: Whether it is a device time.
        row: Number of the row that each is of.
    """

    def __init__(self, rows: Sequence[RecordedRow], options: FabricOptions, told: Told = nobody) -> None:
        self._told = told
        copies = PREDICTIONS * sum(len(row.program.copy_bytes) for row in rows)
        self._rows = [PreparedRow(row, options, copies=copies) for row in rows]
        self._hosts = [row.program if measured_host_s(row) else None for row in rows]
        logs: list[float] = []
        sigmas: list[float] = []
        device: list[bool] = []
        numbers: list[int] = []
        for number, row in enumerate(rows):
            logs += np.log(row.median_s).tolist()
            sigmas += [relative_noise(row, stream) for stream in range(len(row.median_s))]
            device += [True] * len(row.median_s)
            host = measured_host_s(row)
            logs += [float(np.log(seconds)) for seconds in host]
            sigmas += [HOST_SIGMA] * len(host)
            device += [False] * len(host)
            numbers += [number] * (len(row.median_s) + len(host))
        self.measured: Floats = np.array(logs)
        self.sigma: Floats = np.array(sigmas)
        self.device: Bools = np.array(device)
        self.row: Ints = np.array(numbers)

    def predicted(self, cluster: Cluster) -> Floats:
        """Logarithms of the predicted times, in the order of `measured`."""
        found: list[float] = []
        for row, issued in zip(self._rows, self._hosts, strict=True):
            found += row.draws_s(cluster).mean(axis=0).tolist()
            if issued is not None:
                found += predicted_host_s(issued, cluster)
            self._told()
        logs: Floats = np.log(found)
        return logs

    def residuals(self, cluster: Cluster) -> Floats:
        """(predicted − measured) in units of noise."""
        scaled: Floats = (self.predicted(cluster) - self.measured) / self.sigma
        return scaled


def relative_noise(row: RecordedRow, stream: int) -> float:
    """Standard deviation of a device time, relative: its own spread, and its host's where that is in the figure."""
    spread = spread_of(row, stream) / row.median_s[stream]
    return float(np.linalg.norm([spread, _FLOOR, HOST_SIGMA * _host_share(row, stream)]))


def spread_of(row: RecordedRow, stream: int) -> float:
    """Standard error of a device time as the row itself shows it, in seconds.

    A few rounds may lie close together by chance, which would make a short row worth more than any: at least the
    scatter of the fixed part counts.
    """
    if not row.rounds_s:
        return (row.max_s[stream] - row.min_s[stream]) / _RANGE_TO_SIGMA
    medians_s = row.rounds_s[stream]
    return error_of_median(max(between_rounds(medians_s), _FIXED_S), len(medians_s))


def spread_noise(median_s: float, min_s: float, max_s: float) -> float:
    """Standard deviation of a time without the host's part, relative: by the range of its runs."""
    return float(np.linalg.norm([(max_s - min_s) / _RANGE_TO_SIGMA / median_s, _FLOOR]))


def _host_share(row: RecordedRow, stream: int) -> float:
    """How much of a device time is the host's."""
    if row.queued:
        return 0.0
    host = measured_host_s(row)
    return host[stream] / row.median_s[stream] if host else _HOST_SHARE
