"""What a change of direction inside a batch costs, and what a change of stream costs a copy engine: one GPU, host link.

A batch of 64 MiB to the GPU and 64 MiB from it, slice by slice in turn, or all of one direction first; two streams that
take turns against one. Times lie between two events behind a copy that lasts until every call has been made.

    python studies/turns.py expect measurements/predictions/h100_x1_turns.json
    python studies/turns.py measure measurements/h100_x1_turns.json      (needs one GPU, half a minute)
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.issue import prepare_calls
from dwdp_hw.executors.layout import RankCopies
from dwdp_hw.group.faults import Whereabouts
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER
from dwdp_sim.plan.program import HOST, Program, ProgramStream

KIB, MIB = 2**10, 2**20
EACH_WAY = 64 * MIB
SLICES = tuple(64 * KIB * 2**power for power in range(10))  # 64 KiB to 32 MiB
TRAIN_SLICES = (256 * KIB, 1 * MIB, 4 * MIB)
TRAIN_COPIES = 32
BLOCKER = 4096 * MIB  # some 80 ms on the host link
WARMUPS, REPEATS, ROUNDS = 2, 7, 3


@dataclass(frozen=True)
class Case:
    """One order of copies; `into` says of each whether its bytes go into the GPU.

    Attributes:
        name: With the size of a slice.
        slice_bytes: Of each copy.
        into: Direction of each copy, stream by stream.
        streams: Streams that share the copies evenly.
        issue: `copy_plan.BATCH` or `copy_plan.ASYNC`.
    """

    name: str
    slice_bytes: int
    into: tuple[bool, ...]
    streams: int = 1
    issue: int = BATCH

    def program(self) -> Program:
        """As the simulator runs it."""
        count = len(self.into) // self.streams
        calls = np.ones(count, dtype=np.int64) if self.issue == ASYNC else np.array([count])
        ways = np.reshape(self.into, (self.streams, count))
        streams = [
            ProgramStream(0, np.where(into, HOST, 0), np.where(into, 0, HOST), self.slice_bytes, calls, self.issue)
            for into in ways
        ]
        return Program.build(1, streams)


def cases() -> Iterator[Case]:
    """Alternating and sorted batches of every size, then trains on one stream and on two."""
    for size in SLICES:
        each = EACH_WAY // size
        yield Case(f"alternating_{size}", size, (True, False) * each)
        yield Case(f"sorted_{size}", size, (True,) * each + (False,) * each)
    for size in TRAIN_SLICES:
        for streams in (1, 2, 4):
            yield Case(f"train_{size}_streams_{streams}", size, (True,) * TRAIN_COPIES, streams, ASYNC)


def expected_s(case: Case, cluster: Cluster) -> float:
    """Seconds from the first stream's start to the last copy's end."""
    program = case.program()
    timeline = simulate(program, constants_for(cluster, program, FabricOptions()))
    return float(timeline.copy_end_s.max())


class Bench:
    """Pinned host memory and device memory of one GPU, and the cases' calls on them."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._host = int(gpu.call(gpu.runtime.cudaMallocHost, BLOCKER))
        self._device = gpu.allocate(BLOCKER)
        self._streams = [gpu.stream() for _ in range(4)]
        self.late, self.issue_s = 0, 0.0

    def once_s(self, case: Case) -> float:
        """Run a case once behind a copy that outlasts the issuing; seconds between the events around it."""
        gpu, first = self._gpu, self._streams[0]
        begin, end = gpu.event(), gpu.event()
        calls = [self._calls(case, number) for number in range(case.streams)]
        kind = gpu.runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        gpu.call(gpu.runtime.cudaMemcpyAsync, self._device, self._host, BLOCKER, kind, int(first.handle))
        gpu.record(begin, first)
        for stream in self._streams[1 : case.streams]:
            gpu.hold(stream, begin)
        began = time.perf_counter()
        for own in calls:
            for call in own:
                call()
        self.issue_s = max(self.issue_s, time.perf_counter() - began)
        late = bool(begin.is_done)
        for stream in self._streams[1 : case.streams]:
            done = gpu.event()
            gpu.record(done, stream)
            gpu.hold(first, done)
        gpu.record(end, first)
        gpu.wait_event(end, case.name)
        self.late += late
        return gpu.between_s(begin, end)

    def _calls(self, case: Case, stream: int) -> list[Any]:
        count = len(case.into) // case.streams
        offset = (stream * count + np.arange(count)) * case.slice_bytes
        into = np.array(case.into[:count])
        home = np.where(into, 0, np.int64(self._host - self._device))  # host addresses, as offsets from the GPU's
        calls = count if case.issue == ASYNC else 1
        copies = RankCopies(
            peer=np.where(into, 0, 1),
            src=offset,
            dst=offset + home,
            size=np.full(count, case.slice_bytes),
            call_first=np.linspace(0, count, calls + 1).astype(np.int64),
            call_issue=np.full(calls, case.issue),
            call_barrier=np.full(calls, NO_BARRIER),
        )
        bases = {0: self._host, 1: self._device}
        return prepare_calls(self._gpu, copies, bases, self._device, self._streams[stream], "arrays")


def measure() -> dict[str, Any]:
    """Every case, in rounds, so that a stretch in which the machine is slow shows as spread."""
    gpu = Gpu(0, Whereabouts(0), wait_s=20.0)
    bench = Bench(gpu)
    random = np.random.default_rng(0)
    found: dict[str, list[float]] = {case.name: [] for case in cases()}
    late, issue_s = dict.fromkeys(found, 0), dict.fromkeys(found, 0.0)
    for number in range(ROUNDS):
        ordered = list(cases())
        for place in random.permutation(len(ordered)):
            case = ordered[place]
            bench.late, bench.issue_s = 0, 0.0
            for repeat in range(WARMUPS + REPEATS):
                elapsed_s = bench.once_s(case)
                if repeat >= WARMUPS:
                    found[case.name].append(elapsed_s)
            late[case.name] += bench.late
            issue_s[case.name] = max(issue_s.get(case.name, 0.0), bench.issue_s)
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
    rows = [
        {
            "case": name,
            "median_us": _us(statistics.median(times)),
            "mean_us": _us(statistics.mean(times)),
            "min_us": _us(min(times)),
            "max_us": _us(max(times)),
            "runs": len(times),
            "late": late[name],
            "issue_us": _us(issue_s[name]),
        }
        for name, times in found.items()
    ]
    machine = {"gpu": gpu.name, "driver": gpu.versions.driver, "cuda_bindings": gpu.versions.bindings}
    method = (
        f"between two events behind a copy of {BLOCKER // MIB} MiB; {ROUNDS} rounds of {REPEATS} runs in random order"
    )
    return {"machine": machine, "method": method, "rows": rows}


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def main() -> None:
    """Write what is expected, or what was measured."""
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "expect":
        cluster = read_cluster("h100_x1_host")
        rows = [{"case": case.name, "expected_us": round(expected_s(case, cluster) * 1e6, 2)} for case in cases()]
        content: dict[str, Any] = {"cluster": cluster.name, "rows": rows}
    else:
        content = measure()
    write_whole(path, lambda temporary: temporary.write_text(json_rows(content), encoding="utf-8"))


if __name__ == "__main__":
    main()
