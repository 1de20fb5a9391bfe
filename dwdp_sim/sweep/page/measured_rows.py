"""Match measured rows with the jobs of a sweep that predict the same copies on the same cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from msgspec import Meta, Struct

from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.job.config_files import config_dir

_NAME = "validation.json"
_KEY = "--measured"

_Seconds = Annotated[float, Meta(gt=0, le=1e6)]
_Number = Annotated[int, Meta(ge=1, le=2**53)]


class _Row(Struct):
    """What is used of a rank in a validation; it says more."""

    case: Name
    strategy: Name
    issue_mode: Name
    ranks: _Number
    bytes: _Number
    slice_bytes: _Number
    measured_s: _Seconds
    measured_min_s: _Seconds
    measured_max_s: _Seconds
    stable: bool
    measure: str = "layer"
    file: str = ""


class _File(Struct):
    rows: list[_Row]
    cluster: Name | None = None


_MOST_SKEW_S = 2e-6  # between ranks that one gate releases


@dataclass(frozen=True)
class Measured:
    """A measured case: means over its ranks.

    Attributes:
        source: The file of rows, or the folder of the validation.
        case: Its name there.
        cluster: Where it was measured; None if the file does not say.
        strategy, issue_mode, ranks, bytes, slice_bytes: What was copied; bytes of one rank, and its largest copy.
        median_s, low_s, high_s: Of the repetitions.
        stable: Whether the measurement repeats well enough to count.
    """

    source: str
    case: str
    cluster: str | None
    strategy: str
    issue_mode: str
    ranks: int
    bytes: int
    slice_bytes: int
    median_s: float
    low_s: float
    high_s: float
    stable: bool


@dataclass(frozen=True)
class Match:
    """A job (its index among the finished ones) and a measurement of the same copies."""

    line: int
    measured: Measured
    predicted_s: float

    @property
    def error(self) -> float:
        """Predicted ÷ measured − 1."""
        return self.predicted_s / self.measured.median_s - 1


def shipped() -> list[Measured]:
    """Return the measurements of the source tree, which docs/figures/measured_cases.py reduces; none in a wheel."""
    path = config_dir().parent / "measurements" / "cases.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Measured(**json.loads(line)) for line in lines]


def read_measured(paths: Iterable[Path]) -> list[Measured]:
    """Cases of `validation.json` files as `dwdp-hw mode=validate` writes them; a folder stands for the file in it.

    Raises:
        ConfigError: One is no such file.
    """
    return [case for path in paths for case in _cases(path / _NAME if path.is_dir() else path)]


def _cases(path: Path) -> list[Measured]:
    file = convert(read_json(str(path), _KEY), _File, str(path), _KEY)
    ranks: dict[tuple[str, str], list[_Row]] = {}
    for row in (row for row in file.rows if row.measure == "layer"):
        ranks.setdefault((row.file, row.case), []).append(row)
    return [_case(path.parent.name, file.cluster, rows) for rows in ranks.values()]


def _case(source: str, cluster: str | None, rows: Sequence[_Row]) -> Measured:
    first = rows[0]
    return Measured(
        source=source,
        case=first.case,
        cluster=cluster,
        strategy=first.strategy,
        issue_mode=first.issue_mode,
        ranks=first.ranks,
        bytes=first.bytes,
        slice_bytes=first.slice_bytes,
        median_s=float(np.mean([row.measured_s for row in rows])),
        low_s=float(np.mean([row.measured_min_s for row in rows])),
        high_s=float(np.mean([row.measured_max_s for row in rows])),
        stable=all(row.stable for row in rows),
    )


def match(jobs: pd.DataFrame, measured: Sequence[Measured]) -> list[Match]:
    """Return pairs of a job and a case with equal cluster, strategy, issue mode, ranks, bytes of a rank and slices.

    A file that does not say its cluster fits all. Of jobs, those count whose ranks one gate could have released.
    """
    cases: dict[tuple[object, ...], list[Measured]] = {}
    for case in measured:
        cases.setdefault((case.strategy, case.issue_mode, case.ranks, case.bytes), []).append(case)
    keys = ["strategy", "issue_mode", "dwdp_size", "pulled_bytes"]
    together = (jobs["start"] == "lockstep") | ((jobs["start"] == "random") & (jobs["max_phase_s"] <= _MOST_SKEW_S))
    layers = jobs[(jobs["workload"] == "layer") & together]
    found = []
    others = ["cluster", "slice_bytes", "prefetch_latency_mean_s"]
    for line, *key, cluster, slice_bytes, predicted_s in layers[[*keys, *others]].itertuples():
        for case in cases.get(tuple(key), ()):
            if case.cluster in (None, cluster) and (pd.isna(slice_bytes) or int(slice_bytes) == case.slice_bytes):
                found.append(Match(int(line), case, float(predicted_s)))
    return found


def errors(matches: Sequence[Match]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return absolute errors over stable measurements; jobs with the same prediction of one measurement count once."""
    pairs = {(one.measured, one.predicted_s): abs(one.error) for one in matches if one.measured.stable}
    return np.array(list(pairs.values()))
