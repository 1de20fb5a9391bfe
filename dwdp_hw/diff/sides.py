"""Read a file of measured rows, or a bundle, as a side of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_hw.bundle.archive import ROWS_OF_A_FOLDER
from dwdp_sim.diff.side import Figure, Side

if TYPE_CHECKING:
    from dwdp_hw.rows.recording import Recording

# The readers are imported when a path is of their kind: help and clusters need neither SciPy nor NumPy.
# ruff: noqa: PLC0415

ROWS, BUNDLES = "files of measured rows", "bundles"
_MACHINE = ("gpu", "gpus", "driver", "cuda_driver", "cuda_runtime")
_HALF_WIDTH = 1.959964  # half of a 95 % interval, in standard deviations


def read_rows_side(path: str) -> Side | None:
    """Measured rows, of a file or a folder of a calibration or validation: medians of each rank of stable cases.

    Raises:
        ConfigError: A file is damaged, or a row contradicts itself.
    """
    found = Path(path)
    files = (
        [file for pattern in ROWS_OF_A_FOLDER for file in sorted(found.glob(pattern))] if found.is_dir() else [found]
    )
    if not files or files[0].suffix != ".json":
        return None
    from dwdp_hw.rows.recording import read_recording

    recordings = [read_recording(str(file)) for file in files]
    return Side(path, ROWS, _settings(recordings[0]), dict(_row_figures(recordings)))


def read_bundle_side(path: str) -> Side | None:
    """A bundle: its rows, and its constants.

    Raises:
        ConfigError: It is damaged, or says more than a bundle may.
    """
    if Path(path).suffix != ".zip":
        return None
    from dwdp_hw.bundle.opened import open_bundle
    from dwdp_sim.diff.clusters import constant_figures

    bundle = open_bundle(path)
    figures = dict(_row_figures(bundle.recordings)) | constant_figures(bundle.cluster)
    return Side(path, BUNDLES, _settings(bundle.recordings[0]), figures)


def _settings(recording: Recording) -> dict[str, str]:
    return {name: str(recording.machine[name]) for name in _MACHINE if name in recording.machine}


def _row_figures(recordings: Sequence[Recording]) -> Iterator[tuple[str, Figure]]:
    """Medians with the noise by which a fit weighs them: the spread of runs, and the host's share.

    Unstable rows are left out, and of several files the first with a case counts.
    """
    from dwdp_hw.calibration.observations import relative_noise, spread_noise
    from dwdp_hw.calibration.relative_costs import UNIT, relative_estimates

    for e in relative_estimates(recordings):
        yield e.parameter.name, Figure(e.value, UNIT, e.value - e.low, e.high - e.value)
    known = set()
    for recording in recordings:
        for row in recording.rows:
            if row.unstable is not None or row.case in known:
                continue
            known.add(row.case)
            for rank, median_s in enumerate(row.median_s):
                half = _HALF_WIDTH * relative_noise(row, rank) * median_s
                yield f"{row.case}, rank {rank}", Figure(median_s, "s", half, half)
        for step in recording.steps:
            if step.unstable is not None or step.case in known:
                continue
            known.add(step.case)
            for rank, median_s in enumerate(step.step_s):
                noise = spread_noise(median_s, step.min_s[rank], step.max_s[rank])
                half = _HALF_WIDTH * noise * median_s
                yield f"{step.case}, rank {rank}", Figure(median_s, "s", half, half)
