"""Predict recorded copies and write the outcome to docs/data/validations.json: with the shipped constants, and with
those of a live calibration, refitted to its rows.

Run: make figures (a minute). Each outcome names the files that it came from with their sha256, so that a test sees
at once when rows or constants have moved; `make long-test` predicts everything anew. Forward steps are left out: their
figures in docs/iteration.md have a test of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from rows import CAMPAIGNS, ROOT

from dwdp_hw.calibration.calibrate import calibrate, fitted_rows
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import AS_ISSUED, QUEUED
from dwdp_hw.validation.summary import Summary, summarize
from dwdp_hw.validation.validate import validate
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster

OUT = ROOT / "docs/data/validations.json"
SETS: Mapping[str, tuple[str, ...]] = {
    "processes": tuple(f"h200_x2_validation_{number}" for number in (1, 2, 3, 4)),
    "live": ("h200_x2_live_validation",),
    **{name.removeprefix("h200_x2_"): (name,) for name in CAMPAIGNS},
    "ipc": ("h200_x2_ipc",),
    "h100_live": ("h100_x1_live_validation",),
    "h100_host": ("h100_x1_host_experts",),
    "h200_refitted": ("h200_x2_live_validation",),
    "h100_refitted": ("h100_x1_live_validation",),
}
"""Files of rows that are judged together, by the name of the outcome."""
REFITTED: Mapping[str, str] = {
    "h200_refitted": "h200_x2_live_calibration",
    "h100_refitted": "h100_x1_live_calibration",
}
"""The rows that the constants are fitted to before they predict; all other outcomes are of the shipped constants."""
_MODES = (QUEUED, AS_ISSUED)
_WORST = 4


def main() -> None:
    """Write the outcome of every set."""
    OUT.write_text(json_rows({name: outcome(name) for name in SETS}), encoding="utf-8")


def sources(name: str) -> dict[str, str]:
    """The files that a set's outcome depends on, with the sha256 of their contents."""
    rows = [REFITTED[name], *SETS[name]] if name in REFITTED else SETS[name]
    paths = [f"conf/cluster/{_machine(name)}.yaml", *(f"measurements/{file}.json" for file in rows)]
    return {path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in paths}


def outcome(name: str) -> dict[str, Any]:
    """What a validation says of a set, in fractions.

    Returns:
        `sources`; the verdict; the summary of either issue mode, and of the rows as issued that were not handed over as
        Python lists; the widest predicted range; the cases with the largest errors; the errors of trains that did not
        fit their queue; the pairs of strategies that the measurement tells apart, and in how many of them the
        prediction was right.
    """
    cluster = read_cluster(_machine(name))
    if name in REFITTED:
        cluster = calibrate([_copies(REFITTED[name])], cluster, FabricOptions(), name=name, use="all").cluster
    recordings = [_copies(file) for file in SETS[name]]
    found = validate(recordings, cluster, FabricOptions(), fitted_rows(recordings, cluster), Bars())
    arrays = [row for row in found.rows if not row.case.endswith("_lists")]
    counted = {mode: [row for row in found.rows if row.counts and row.mode == mode] for mode in _MODES}
    worst = sorted(counted[QUEUED], key=lambda row: -abs(row.error))[:_WORST]
    beyond = {(each.path, row.case) for each in recordings for row in each.rows if row.beyond_queue}
    decided = [ranking for ranking in found.rankings if ranking.decided]
    return {
        "sources": sources(name),
        "verdict": found.verdict,
        **{mode: _plain(summarize(found.rows, mode)) for mode in _MODES},
        "as_issued_from_arrays": _plain(summarize(arrays, AS_ISSUED)),
        "widest": round(max(row.width for row in counted[AS_ISSUED]), 6),
        "worst": [[row.case, round(row.error, 6)] for row in worst],
        "beyond_queue": [round(row.error, 6) for row in found.rows if (row.file, row.case) in beyond],
        "pairs": len(decided),
        "pairs_right": sum(ranking.right for ranking in decided),
    }


def _machine(name: str) -> str:
    """The shipped cluster of the machine on which a set was recorded."""
    return "h100_x1_host" if name.startswith("h100") else "h200_x2"


def _copies(file: str) -> Recording:
    """The rows of a file that time copies."""
    return replace(read_recording(str(ROOT / f"measurements/{file}.json")), steps=())


def _plain(summary: Summary | None) -> dict[str, float] | None:
    """Rounded, so that the file is the same on every machine."""
    return None if summary is None else {key: round(value, 6) for key, value in asdict(summary).items()}


if __name__ == "__main__":
    main()
