"""The regression gate: every recorded row's error stays in the band that is committed beside the rows.

`python -m dwdp_hw.validation.gate` fails and prints what moved; `--accept` writes the present errors as the new bands,
for a change that is meant to move them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from dwdp_hw.rows.predict import predict_mean_s
from dwdp_hw.rows.predict_steps import predict_steps
from dwdp_hw.rows.recording import read_recording
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster

BAND = 0.005  # an error may move by this much either way
BANDS_FILE = "bands.json"

Errors = dict[str, float]


class Band(TypedDict):
    """What the present model errs by on one file of rows."""

    cluster: Name
    errors: Errors


def read_bands(path: str) -> dict[str, Band]:
    """The bands by the name of their file of rows.

    Raises:
        ConfigError: Not a file of bands.
    """
    return convert(read_json(path, "bands"), dict[str, Band], path, "bands")


def errors_of(path: Path, cluster: str) -> Errors:
    """predicted ÷ measured − 1 of every stable row and step of a file, by case and rank."""
    constants, options = read_cluster(cluster), FabricOptions()
    recording = read_recording(str(path))
    rows = [(r.case, r.median_s, predict_mean_s(r, constants, options)) for r in recording.rows if not r.unstable]
    rows += [(s.case, s.step_s, predict_steps(s, constants, options).mean_s) for s in recording.steps if not s.unstable]
    return {
        f"{case}#{rank}": round(float(predicted) / measured - 1, 5)
        for case, measured_s, predicted_s in rows
        for rank, (measured, predicted) in enumerate(zip(measured_s, predicted_s, strict=True))
    }


def moved(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return lines that name each case that left its band, appeared or disappeared."""
    lines = [f"{name}: error {before[name]:+.2%} is now {now[name]:+.2%}" for name in before.keys() & now.keys()
             if abs(now[name] - before[name]) > BAND]  # fmt: skip
    lines += [f"{name}: is no longer predicted" for name in before.keys() - now.keys()]
    lines += [f"{name}: has no band; accept it" for name in now.keys() - before.keys()]
    return sorted(lines)


def main() -> None:
    """Compare every file that has bands; exit code 1 where something moved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("measurements"), help="folder with rows and bands")
    parser.add_argument("--accept", action="store_true", help="write the present errors as the new bands")
    arguments = parser.parse_args()
    path = arguments.folder / BANDS_FILE
    failures = 0
    try:
        bands = read_bands(str(path))
        found = {name: errors_of(arguments.folder / name, entry["cluster"]) for name, entry in bands.items()}
    except ConfigError as error:
        stop(error)
    for name, entry in bands.items():
        now = found[name]
        lines = [] if arguments.accept else moved(entry["errors"], now)
        failures += len(lines)
        entry["errors"] = now
        sys.stdout.write(f"{name} on {entry['cluster']}: {len(now)} figures, {len(lines)} moved\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
    if arguments.accept:
        text = json_rows(bands, levels=3)
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    run_command(main)
