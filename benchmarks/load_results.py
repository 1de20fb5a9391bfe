"""How long 10,000 finished jobs take to read, one file each from a cold disk and merged, and to draw; asserts limits.

python benchmarks/load_results.py [FOLDER]
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import hydra
from omegaconf import OmegaConf

from dwdp_sim.job.build import build_run
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.schema import SimConfig, register_schemas
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.compact import compact
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, result_rows, write_rows

JOBS, RANKS = 10_000, 4
OVERRIDES = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB")
MOST_BYTES = 1e9
MOST_S = {"one file a job, cold": 30.0, "merged, cold": 5.0, "report": 15.0}
READ = "from dwdp_sim.sweep.query import load_results; frame = load_results(sys.argv[1])"


def write(folder: Folder) -> None:
    """The rows of one real job under 10,000 names and seeds."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = cast(SimConfig, OmegaConf.to_object(hydra.compose("config", list(OVERRIDES))))
    checked = build_run(config, OVERRIDES)
    summary = summarize_run(checked)
    for number in range(JOBS):
        name = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        asked = Asked(name, name, (*OVERRIDES, f"seed={number}"), config)
        one = replace(checked, config=checked.config | {"seed": number})
        write_rows(folder.rows(name), result_rows(asked, one, summary, Run("written", datetime.now(UTC), 0.01)))


def forget(folder: Folder) -> None:
    """Tell the kernel to drop the files from its cache."""
    for path in folder.finished_files():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def measure(folder: Folder, what: str) -> None:
    """Read everything in a fresh process; print and assert time, memory and number of rows."""
    forget(folder)
    code = f"import resource, sys, time; began = time.perf_counter()\n{READ}\n" + (
        "print(len(frame), frame.job.nunique(), time.perf_counter() - began, time.process_time(), "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder.path)], capture_output=True, text=True, check=True)
    rows, jobs, seconds, cpu, most = done.stdout.split()
    print(f"{what}: {jobs} jobs, {rows} rows in {float(seconds):.1f} s with imports ({float(cpu):.1f} s of CPU),")
    print(f"    {int(most) / 1e6:.0f} MB at most")
    assert (int(jobs), int(rows)) == (JOBS, JOBS * RANKS)
    assert float(seconds) <= MOST_S[what], what
    assert int(most) <= MOST_BYTES, what


def draw(folder: Folder) -> None:
    """Write the page in a fresh process; print and assert time and memory."""
    forget(folder)
    page = folder.path / "report.html"
    code = "import resource, sys; from dwdp_sim.report_app import main; sys.argv[0] = 'dwdp-report'; main()\n" + (
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    began = time.perf_counter()
    command = [sys.executable, "-c", code, "page", str(folder.path)]
    most = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
    seconds = time.perf_counter() - began
    print(f"report: {page.stat().st_size / 1e6:.1f} MB in {seconds:.1f} s with imports, {most / 1e6:.0f} MB at most")
    assert seconds <= MOST_S["report"]
    assert most <= MOST_BYTES


def main() -> None:
    """Write, read, merge, read again, draw."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as path:
        folder = Folder(Path(path))
        began = time.perf_counter()
        write(folder)
        size = sum(file.stat().st_size for file in folder.finished_files())
        print(f"wrote {JOBS} files, {size / 1e6:.0f} MB, in {time.perf_counter() - began:.1f} s")
        measure(folder, "one file a job, cold")
        began = time.perf_counter()
        compact(folder.path)
        size = sum(file.stat().st_size for file in folder.finished_files())
        print(f"merged into {size / 1e6:.1f} MB in {time.perf_counter() - began:.1f} s")
        measure(folder, "merged, cold")
        draw(folder)


if __name__ == "__main__":
    main()
