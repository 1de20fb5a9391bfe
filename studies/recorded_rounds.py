"""Recorded measurements of one kind of machine as banks of noise, from which rounds that never ran are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.rows.file import read_measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.validation.recorded_noise import deviations_of, what_ran
from dwdp_sim.base.arrays import Floats

ROOT = Path(__file__).resolve().parents[1]
Random = np.random.Generator


@dataclass(frozen=True)
class Noise:
    """How the logarithm of a case's time varies.

    Attributes:
        between: Deviations of whole measurements from their mean, by measurement and stream.
        within: Deviations of single runs from their median, by stream and run.
    """

    between: Floats
    within: Floats

    def medians(self, rounds: int, random: Random) -> Floats:
        """Deviations of the medians of so many rounds, shape (rounds, streams); a round's streams go together."""
        moved = self.between[random.integers(len(self.between), size=rounds)]
        picked = random.integers(self.within.shape[1], size=(rounds, self.within.shape[1]))
        medians: Floats = moved + np.median(self.within[:, picked], axis=2).T
        return medians


class Bank:
    """Recorded measurements of one kind of machine, by what ran."""

    def __init__(self, names: Sequence[str]) -> None:
        self.recordings = {name: read_recording(str(ROOT / f"measurements/{name}.json")) for name in names}
        self._rows: dict[bytes, list[RecordedRow]] = {}
        self._runs: dict[tuple[str, str], Any] = {}
        for name, recording in self.recordings.items():
            for row in recording.rows:
                self._rows.setdefault(what_ran(row), []).append(row)
            for raw in read_measurement_file(recording.path).rows:
                self._runs[name, raw["case"]] = raw.get("device_us_runs")

    def measurements(self, row: RecordedRow) -> list[RecordedRow]:
        """All measurements of what the row measured."""
        return [one for one in self._rows[what_ran(row)] if len(one.host_s) == len(row.host_s)]

    def noise(self, name: str, row: RecordedRow) -> Noise:
        """Of the device times of a row of that file."""
        runs = np.array(self._runs[name, row.case])
        return Noise(deviations_of(self.measurements(row)), np.log(runs / np.median(runs, axis=1, keepdims=True)))

    def host_noise(self, row: RecordedRow) -> Floats:
        """Deviations of its host times, by measurement and stream."""
        logs = np.log([one.host_s for one in self.measurements(row)])
        found: Floats = (logs - logs.mean(axis=0)) * math.sqrt(len(logs) / (len(logs) - 1))
        return found
