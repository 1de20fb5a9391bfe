"""SimGrid's C++ on a crossbar program: built once, a process a run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.speed.cases import RATE
from dwdp_sim.base.arrays import Floats
from dwdp_sim.plan.program import Program

_SCALE = RATE / 1e6  # SimGrid's steps of 1e-12 s are too coarse for such links: it is given slower ones
_QUIET = "--log=root.thresh:critical"


@dataclass(frozen=True)
class SimGridRun:
    """What SimGrid says: wall time of its loop, largest memory of its process, and when each rank ended."""

    wall_s: float
    peak_bytes: int
    ends_s: Floats


def build_simgrid(folder: Path) -> Path | None:
    """SimGrid's program, compiled; None where that is not possible (Debian: g++ and libsimgrid-dev)."""
    if shutil.which("g++") is None:
        return None
    binary, source = folder / "crossbar", Path(__file__).with_name("simgrid_crossbar.cpp")
    command = ["g++", "-O2", "-std=c++17", str(source), "-lsimgrid", "-o", str(binary)]
    return binary if not subprocess.run(command, capture_output=True, check=False).returncode else None


def simgrid_version(binary: Path) -> str:
    """Of the library."""
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("SimGrid version", 1)[1].split()[0].rstrip(".")


def run_simgrid(binary: Path, program: Program) -> SimGridRun:
    """Run a program once."""
    lines = [f"{len(program.stream_gpu)} {RATE / _SCALE!r}"]
    for s in program.streams:
        sources, sizes = np.broadcast_arrays(s.src, s.bytes)
        lines.append(f"{s.start_s * _SCALE!r} {len(sources)}")
        lines += [f"{source} {size}" for source, size in zip(sources.tolist(), sizes.tolist(), strict=True)]
    text = "\n".join(lines)
    said = subprocess.run([str(binary), _QUIET], input=text, capture_output=True, text=True, check=True).stdout
    wall_s, peak_kib, *ends = map(float, said.split())
    return SimGridRun(wall_s, round(peak_kib * 1024), np.array(ends) / _SCALE)
