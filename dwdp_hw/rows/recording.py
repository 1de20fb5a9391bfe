"""Read files of recorded rows: timed copies, and forward steps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dwdp_hw.cases.case import MEASURES
from dwdp_hw.rows.file import read_measurement_file
from dwdp_hw.rows.relative_costs import RelativeCosts, relative_costs_from_dict
from dwdp_hw.rows.row import RecordedRow, row_from_dict
from dwdp_hw.rows.schema import MOST_GPUS, NOT_RUN, WARNINGS, MeasuredRow
from dwdp_hw.rows.steps import RecordedSteps, steps_from_dict
from dwdp_sim.base.errors import ConfigError, check_choice

_ALIKE = ("gpu", "gpus", "driver")  # what two machines must have in common for their rows to be pooled
_ONE_PROCESS = re.compile(r"one process\b(?! (per|a|for each)\b)")


@dataclass(frozen=True)
class Recording:
    """A file of rows.

    Attributes:
        path: Where it was read.
        sha256: Of the file.
        machine: Its description; rows are pooled only where GPU, count and driver agree.
        mapping: How peer memory was mapped and by how many processes, in words; a row may say it for itself.
        rows: Rows that time copies.
        steps: Rows that time forward steps.
        relative: Rows that time the issuing of copies beside the yardstick.
        failed: Cases of which a rank failed, and how; not those that a time limit left out.
    """

    path: str
    sha256: str
    machine: Mapping[str, Any]
    mapping: str
    rows: tuple[RecordedRow, ...]
    steps: tuple[RecordedSteps, ...] = ()
    failed: tuple[str, ...] = ()
    relative: tuple[RelativeCosts, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What NVML said against the machine while these rows were measured."""
        return [str(text) for text in self.machine.get(WARNINGS) or ()]


def read_recording(path: str) -> Recording:
    """Read a file of measured rows (`schema.MeasuredRow`).

    Raises:
        ConfigError: Not such a file, or of a format from the future.
    """
    file = read_measurement_file(path)
    gpus = file.machine.get("gpus")
    if type(gpus) is not int or not 1 <= gpus <= MOST_GPUS:
        raise ConfigError("rows", path, f"machine.gpus is {gpus}; a whole number from 1 to {MOST_GPUS} is wanted")
    for row in file.rows:
        check_choice(f"{path}: case {row['case']}: measure", row["measure"], MEASURES)
    rows = tuple(row_from_dict(row, gpus, path) for row in file.rows if _times_copies(row))
    steps = tuple(steps_from_dict(row, gpus, path) for row in file.rows if row["measure"] == "pipeline")
    failed = tuple(f"{one['case']}: {one['why']}" for one in file.failed if not one["why"].startswith(NOT_RUN))
    relative = tuple(relative_costs_from_dict(row, path) for row in file.rows if row["measure"] == "relative_cost")
    return Recording(path, file.sha256, file.machine, file.mapping, rows, steps, failed, relative)


def pool(recordings: Sequence[Recording]) -> tuple[RecordedRow, ...]:
    """Return the rows of timed copies in several files of one kind of machine.

    Raises:
        ConfigError: Their machines differ in what decides a copy's time, or one process held several GPUs.
    """
    first = recordings[0]
    for recording in recordings:
        for key in _ALIKE:
            said, wanted = (one.machine.get(key, "not recorded") for one in (recording, first))
            if said != wanted:
                raise ConfigError("rows", recording.path, f"{key} is {said}, but {wanted} in {first.path}")
        if in_one_process(recording):
            raise ConfigError(
                "rows",
                recording.path,
                "one process held all GPUs: then copies run one after another, with gaps of 8 to 12 µs; rows of one "
                "process a GPU are wanted",
            )
    return tuple(row for recording in recordings for row in recording.rows)


def in_one_process(recording: Recording) -> bool:
    """Whether one process held all GPUs of a file's machine."""
    return recording.machine["gpus"] > 1 and _ONE_PROCESS.match(recording.mapping) is not None


def _times_copies(row: MeasuredRow) -> bool:
    return row["measure"] == "layer" and bool(row["device_us"])
