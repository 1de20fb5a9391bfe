"""Does the CPU itself change speed while copies are issued? `python benchmarks/host_speed.py OUT.json`, on GPUs.

One process a GPU, as in a measurement. Each alternates, many times a second, between a fixed piece of Python that
touches no GPU and one batch of 512 copies of 64 KiB from pinned host memory, issued on an idle stream, and notes what
each cost.
"""

from __future__ import annotations

import multiprocessing
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu, count_gpus
from dwdp_hw.executors.cuda.issue import prepare_calls
from dwdp_hw.executors.layout import RankCopies
from dwdp_hw.group.faults import Whereabouts
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.plan.copy_plan import BATCH

SAMPLES = 300
PAUSE_S = 0.05
STEPS = 20_000
COPIES, SIZE = 512, 64 << 10


def python_step_ns() -> float:
    total, begin = 0, time.perf_counter_ns()
    for number in range(STEPS):
        total += number
    return (time.perf_counter_ns() - begin) / STEPS


def samples(ordinal: int) -> dict[str, Any]:
    gpu = Gpu(ordinal, Whereabouts(ordinal), 30.0)
    stream = gpu.stream()
    device = gpu.allocate(COPIES * SIZE)
    host = int(gpu.call(gpu.runtime.cudaMallocHost, COPIES * SIZE))
    offsets = np.arange(COPIES, dtype=np.int64) * SIZE
    zeros = np.zeros(COPIES, np.int64)
    copies = RankCopies(
        zeros, offsets, offsets, np.full(COPIES, SIZE), np.array([0, COPIES]), np.array([BATCH]), np.array([-1])
    )
    (issue,) = prepare_calls(gpu, copies, {0: host}, device, stream, "arrays")
    for _ in range(10):
        issue()
        gpu.finish(stream, "warming up")
    found: dict[str, Any] = {"gpu": ordinal, "at_s": [], "python_step_ns": [], "issue_ns_a_slice": []}
    start = time.perf_counter()
    for _ in range(SAMPLES):
        step_ns = python_step_ns()
        begin = time.perf_counter_ns()
        issue()
        issued_ns = time.perf_counter_ns() - begin
        gpu.finish(stream, "a batch")
        found["at_s"].append(round(time.perf_counter() - start, 3))
        found["python_step_ns"].append(round(step_ns, 1))
        found["issue_ns_a_slice"].append(round(issued_ns / COPIES, 1))
        time.sleep(PAUSE_S)
    return found | {"name": gpu.name}


def main() -> None:
    gpus = count_gpus()
    with multiprocessing.get_context("spawn").Pool(gpus) as pool:
        series = pool.map(samples, range(gpus), chunksize=1)
    steps = np.concatenate([s["python_step_ns"] for s in series])
    issued = np.concatenate([s["issue_ns_a_slice"] for s in series])
    for name, values in (("a Python step", steps), ("a slice", issued)):
        shown = ", ".join(f"{value:.0f}" for value in np.percentile(values, [0, 5, 25, 50, 75, 95, 100]))
        sys.stdout.write(f"{name}, ns (0, 5, 25, 50, 75, 95, 100 %): {shown}\n")
    sys.stdout.write(f"correlation of the two: {np.corrcoef(steps, issued)[0, 1]:.2f}\n")
    machine = {"gpus": gpus, "gpu": series[0]["name"], "python": platform.python_version()}
    method = " ".join((__doc__ or "").split("\n\n")[-1].split())
    text = json_rows({"machine": machine, "method": method, "series": series})
    Path(sys.argv[1]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
