"""How far a case's time moves between two runs on one kind of machine, as far as the recorded rows show it.

A row that was measured in one round says nothing of it itself. Cases that stand in several files of `measurements/`, or
several times in one, do: their deviations give the noise of a row, and how often one was far off. `python -m
dwdp_hw.validation.recorded_noise` derives both anew into the file beside this module, from which they are read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import betaincinv

from dwdp_hw.rows.recording import Recording, in_one_process, read_recording
from dwdp_hw.rows.row import RecordedRow, link_of
from dwdp_hw.rows.stability import SMALLEST_SPREAD_S
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows

FILE = Path(__file__).with_name("recorded_noise.json")
_FAR = 4.0  # standard deviations of ordinary noise beyond which a time was far off
_SURE = 0.95  # confidence of the upper bound of how often
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Noise:
    """What repeated cases say of one kind of link on one kind of machine.

    Attributes:
        gpu: The machine's GPU.
        link: `peer`, `host` or `local`.
        cases: Cases that were measured several times.
        repeats: Measurements beyond the first of each.
        sigma: Standard deviation of a row's time between runs, relative, from the median absolute deviation.
        far: Measurements further off than four of these and than 2 µs.
        doubt: Upper bound, at 95 % (Clopper and Pearson), of the chance that one measurement is far off.
    """

    gpu: str
    link: str
    cases: int
    repeats: int
    sigma: float
    far: int
    doubt: float


def noise_of(recordings: Iterable[Recording]) -> list[Noise]:
    """Derive the noise from every case that was measured several times; rows with host time are left out.

    What rows with host time differ by beyond their link is their hosts' speed, which predictions cover by a range.
    """
    groups: dict[tuple[str, str], dict[bytes, list[RecordedRow]]] = {}
    for recording in recordings:
        for row in recording.rows:
            if row.queued and row.unstable is None:
                kind = str(recording.machine.get("gpu")), link_of(row.program)
                groups.setdefault(kind, {}).setdefault(what_ran(row), []).append(row)
    found = []
    for (gpu, link), cases in sorted(groups.items()):
        repeated = [rows for rows in cases.values() if len(rows) > 1]
        if repeated:
            found.append(_noise(gpu, link, repeated))
    return found


def _noise(gpu: str, link: str, cases: Sequence[Sequence[RecordedRow]]) -> Noise:
    deviations = [deviations_of(rows) for rows in cases]
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(np.concatenate([one.ravel() for one in deviations]))))
    off_s = [np.abs(one) * np.array(rows[0].median_s) for one, rows in zip(deviations, cases, strict=True)]
    far = sum(
        int(np.any((np.abs(one) > _FAR * sigma) & (own > SMALLEST_SPREAD_S), axis=1).sum())
        for one, own in zip(deviations, off_s, strict=True)
    )
    repeats = sum(len(rows) - 1 for rows in cases)
    doubt = float(betaincinv(far + 1, max(repeats - far, 1), _SURE))
    return Noise(gpu, link, len(cases), repeats, round(sigma, 6), far, round(doubt, 6))


def deviations_of(rows: Sequence[RecordedRow]) -> Floats:
    """log(time ÷ mean) of each measurement of one case, as from a mean that is known, shape (measurements, streams)."""
    logs = np.log([row.median_s for row in rows])
    found: Floats = (logs - logs.mean(axis=0)) * math.sqrt(len(rows) / (len(rows) - 1))
    return found


def what_ran(row: RecordedRow) -> bytes:
    """A digest of the row's program; peer memory mapped in another way is another case."""
    values = (getattr(row.program, field.name) for field in fields(row.program))
    columns = [value for value in values if isinstance(value, np.ndarray)]
    mapping = row.mapping if link_of(row.program) == "peer" else None
    content = b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
    return hashlib.sha256(content + repr((row.program.num_gpus, mapping)).encode()).digest()


@cache
def recorded_noise() -> tuple[Noise, ...]:
    """What the rows of `measurements/` say."""
    return tuple(Noise(**line) for line in json.loads(FILE.read_text(encoding="utf-8"))["noise"])


def noise_for(machine: Mapping[str, object], link: str) -> Noise:
    """The noise of a machine's link; of one never measured twice the largest of the same kind of link elsewhere."""
    known = [noise for noise in recorded_noise() if noise.link == link] or recorded_noise()
    own = [noise for noise in known if noise.gpu == machine.get("gpu")]
    return max(own or known, key=lambda noise: noise.sigma)


def text(folder: Path) -> str:
    """The content of the file, from all rows of timed copies in a folder."""
    recordings = []
    for path in sorted(folder.glob("*.json")):
        try:
            recordings.append(read_recording(str(path)))
        except ConfigError:  # other files of measurements: kernels, bands
            continue
    found = noise_of(recording for recording in recordings if not in_one_process(recording))
    return json_rows({"noise": [asdict(noise) for noise in found]})


def main() -> None:
    """Derive the file anew."""
    content = text(Path("measurements"))
    write_whole(FILE, lambda path: path.write_text(content, encoding="utf-8"))


if __name__ == "__main__":
    run_command(main)
