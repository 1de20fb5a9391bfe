"""The measured cases that a sweep's report lays beside its jobs: `measurements/cases.jsonl`, from the recorded rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dwdp_hw.rows.recording import read_recording
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.sweep.page.measured_rows import Measured

MEASUREMENTS = Path(__file__).resolve().parents[2] / "measurements"
CASES = MEASUREMENTS / "cases.jsonl"


def text() -> str:
    """One case a line, of each file on the cluster that `measurements/bands.json` names."""
    bands = json.loads((MEASUREMENTS / "bands.json").read_text(encoding="utf-8"))
    cases = [case for name, entry in bands.items() for case in _cases(MEASUREMENTS / name, entry["cluster"])]
    return "".join(json.dumps(asdict(case)) + "\n" for case in cases)


def _cases(path: Path, cluster: str) -> Iterator[Measured]:
    for row in read_recording(str(path)).rows:
        first = row.program.copy_bytes[row.program.call_stream[row.program.copy_call] == 0]
        median_s, low_s, high_s = (float(np.mean(times)) for times in (row.median_s, row.min_s, row.max_s))
        yield Measured(
            source=path.stem,
            case=row.case,
            cluster=cluster,
            strategy=row.strategy,
            issue_mode="queued" if row.queued else "as_issued",
            ranks=len(row.median_s),
            bytes=int(first.sum()),
            slice_bytes=int(first.max()),
            median_s=median_s,
            low_s=low_s,
            high_s=high_s,
            stable=row.unstable is None,
        )


if __name__ == "__main__":
    write_whole(CASES, lambda path: path.write_text(text(), encoding="utf-8"))
