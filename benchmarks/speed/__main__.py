"""Speed and memory of the engines, beside SimGrid's C++ and a plain SimPy script, on the same programs.

    python -m benchmarks.speed          a few cases, a table on the screen: under a minute (make benchmark)
    python -m benchmarks.speed all      every case, growth and profiles, into docs/data/speed.json, its picture and the
                                        pages' figures: minutes, on a machine that does nothing else (make speed)

Every measurement is a process of its own. Answers are compared in the same run: SimPy's and the compiled engine's to
the last bit, the others' to 1e-9; out of step over the first slices of each rank, since later the order of slices
hangs on the last bit of a time. Without `g++` and SimGrid (Debian: libsimgrid-dev) its column is empty, and `all` is
refused.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.speed.cases import USUAL_SLICE_BYTES, Case, all_cases
from benchmarks.speed.engines import alone, peak_bytes
from benchmarks.speed.picture import draw_speed
from benchmarks.speed.results import everything, measure_case
from benchmarks.speed.simgrid_run import build_simgrid
from benchmarks.speed.table import growths, memory, profiles, speeds
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows

ROOT = Path(__file__).resolve().parents[2]
DATA, PICTURE = ROOT / "docs/data/speed.json", ROOT / "docs/images/speed.png"
QUICK_RANKS = (4, 8, 72)


def main(arguments: list[str]) -> None:
    """Measure, and print tables."""
    if arguments not in ([], ["all"]):
        sys.exit(f"arguments={' '.join(arguments)}: allowed: none, or all")
    began = time.perf_counter()
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory() as folder:
        binary = build_simgrid(Path(folder))
        alone(peak_bytes)  # the engine is loaded, or compiled
        console.print(f"SimGrid's program and the engine were there after {time.perf_counter() - began:.1f} s")
        if arguments:
            _all(binary, console)
        else:
            cases = [Case(ranks, USUAL_SLICE_BYTES, pace) for ranks in QUICK_RANKS for pace in (True, False)]
            console.print(speeds([row for case in cases for row in measure_case(case, binary)]))
    console.print(f"all of it took {time.perf_counter() - began:.0f} s")


def _all(binary: Path | None, console: Console) -> None:
    if binary is None:
        sys.exit("all: needs g++ and SimGrid (Debian: libsimgrid-dev), since pages show how it compares")
    content = everything(all_cases(), binary, console.print)
    for table in (speeds(content["rows"]), growths(content["growth"]), profiles(content["profiles"])):
        console.print(table)
    console.print(memory(content["rows"], content["idle_bytes"]))
    text = json_rows(content)
    write_whole(DATA, lambda path: path.write_text(text, encoding="utf-8"))
    write_whole(PICTURE, lambda path: draw_speed(path, content))
    subprocess.run([sys.executable, "docs/figures/render.py"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
