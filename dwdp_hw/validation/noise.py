"""What noise may have done to each measured time, from a row's own rounds or, of one round, from recorded rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.stability import error_of_median
from dwdp_hw.validation.comparison import QUEUED, ValidationRow
from dwdp_hw.validation.recorded_noise import noise_for


def with_noise(rows: Sequence[ValidationRow], recordings: Sequence[Recording]) -> list[ValidationRow]:
    """Return the rows with the noise of their measured times.

    The deviation between rounds of one row is known badly from three of them, so all queued rows of a file and a link
    lend theirs: that is the noise of the link, and the larger of both that of the row. A row of one round has the noise
    of recorded rows of its kind, and their doubt.
    """
    machines = {recording.path: recording.machine for recording in recordings}
    pooled = _pooled(rows)
    return [_with_noise(row, pooled, machines[row.file]) for row in rows]


def _pooled(rows: Sequence[ValidationRow]) -> dict[tuple[str, str], float]:
    """The deviation between rounds of each file and link: that of its stable queued rows with rounds."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.rounds > 1 and row.stable and row.mode == QUEUED:
            groups.setdefault((row.file, row.link), []).append(row.between)
    return {key: float(np.sqrt(np.mean(np.square(between)))) for key, between in groups.items()}


def _with_noise(
    row: ValidationRow, pooled: Mapping[tuple[str, str], float], machine: Mapping[str, object]
) -> ValidationRow:
    if row.rounds == 1:
        known = noise_for(machine, row.link)
        return replace(row, noise=known.sigma, link_noise=known.sigma, doubt=known.doubt)
    shared = pooled.get((row.file, row.link), row.between)
    noise, link_noise = (error_of_median(one, row.rounds) for one in (max(row.between, shared), shared))
    return replace(row, noise=noise, link_noise=link_noise, doubt=0.0)
