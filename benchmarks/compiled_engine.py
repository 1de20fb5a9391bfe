"""Speed of the compiled engine beside SimPy's and SimGrid's C++, on the same programs, one after another in one run.

DeepSeek-R1 NVFP4 in slices of 2 MiB over a crossbar of equal links without losses, two slices in flight, ranks in step
and out of step. Answers are compared: with SimPy's to the last bit, with SimGrid's to 1e-9. The latter where the
order of events does not hang on the last bit, that is over all slices in step, and over the first few out of step.
The compiled engine's rate is given for its loop, as SimGrid's is for `run()`, and for the whole call of `simulate`.
`make benchmark` runs it; without `g++` and SimGrid (Debian: libsimgrid-dev) their column is empty.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.compiled.run import run_to_the_end
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import FabricConstants, constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.simulation import execution_order
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.plan.program import Program, program_from_plan
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import constant_windows

RATE = 400e9  # bytes per second of every link
SCALE = RATE / 1e6  # SimGrid's steps of 1e-12 s are too coarse for such links: it is given slower ones
REPEATS = 9
PLACEMENTS = {4: (64, 64), 8: (32, 32), 72: (43, 3)}  # experts held and pulled from each peer
SIMPY_MOST = 25_000  # slices; more take minutes
FIRST_SLICES = 6  # of each rank, before a run out of step is chaotic
CONSTANTS = {
    "egress_bytes_per_s": RATE, "ingress_bytes_per_s": RATE, "pair_bytes_per_s": RATE, "peer_fixed_s": 0.0,
    "peer_gap_s": [[1, 0.0]], "in_flight_sources": 2, "refill": "oldest", "batch_engines": 1, "event_s": 1e-6,
}  # fmt: skip
OPTIONS = FabricOptions(incast="off", both_ways=False)
MODEL = MoEModel("deepseek_r1", 7168, 2048, 256, 8, 61, 58, "nvfp4")


def layer(ranks: int, *, in_step: bool) -> Program:
    """The prefetch of one layer."""
    starts = np.zeros(ranks) if in_step else np.random.default_rng(1).uniform(0.0, 1e-3, ranks)
    plan = build_plan(MODEL, Placement.create(256, ranks, *PLACEMENTS[ranks]), Strategy(BATCHED))
    return program_from_plan(plan, start_s=(starts - starts.min()).tolist())


def constants(program: Program, *, in_steps: bool = False) -> FabricConstants:
    found = {name: Constant(value, "", "assumed", "") for name, value in CONSTANTS.items()}
    return constants_for(Cluster("benchmark", "", 72, "ipc", "peer", found), program, OPTIONS, in_steps=in_steps)


def first_slices(program: Program, count: int) -> Program:
    """The first slices of every rank."""
    streams = [
        replace(s, src=s.src[:count], bytes=s.bytes[:count], dst=s.dst[:count], call_copies=np.array([count]))
        for s in program.streams
        if not isinstance(s.src, int) and not isinstance(s.bytes, int) and not isinstance(s.dst, int)
    ]
    return Program.build(program.num_gpus, streams)


def ends_s(program: Program, engine: str) -> Floats:
    return program.stream_start_s + simulate(program, constants(program), OPTIONS, engine=engine).stream_elapsed_s


def least_s(program: Program, engine: str, repeats: int) -> float:
    """Wall time of the fastest of some runs."""
    taken, times = constants(program), []
    for _ in range(repeats):
        began = time.perf_counter()
        simulate(program, taken, OPTIONS, engine=engine)
        times.append(time.perf_counter() - began)
    return min(times)


def least_loop_s(program: Program, repeats: int) -> float:
    """Wall time of the fastest of some runs of the compiled loop, without tables and timeline."""
    taken, times = constants(program), []
    order = execution_order(program, taken, OPTIONS, 0)
    for _ in range(repeats):
        state = build_state(program, order, taken, OPTIONS)
        began = time.perf_counter()
        run_to_the_end(state, lambda finished: None)
        times.append(time.perf_counter() - began)
    return min(times)


def simgrid(binary: Path, program: Program) -> tuple[float, Floats]:
    """Wall time of SimGrid's run, and when each rank ended."""
    lines = [f"{len(program.stream_gpu)} {RATE / SCALE!r}"]
    for s in program.streams:
        sources, sizes = np.broadcast_arrays(s.src, s.bytes)
        lines.append(f"{s.start_s * SCALE!r} {len(sources)}")
        lines += [f"{source} {size}" for source, size in zip(sources.tolist(), sizes.tolist(), strict=True)]
    command = [str(binary), "--log=root.thresh:critical"]
    said = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    wall_s, *ends = map(float, said.split())
    return wall_s, np.array(ends) / SCALE


def build_simgrid(folder: Path) -> Path | None:
    """SimGrid's program, compiled; None where that is not possible."""
    if shutil.which("g++") is None:
        return None
    binary, source = folder / "crossbar", Path(__file__).with_name("simgrid_crossbar.cpp")
    command = ["g++", "-O2", "-std=c++17", str(source), "-lsimgrid", "-o", str(binary)]
    return binary if not subprocess.run(command, capture_output=True, check=False).returncode else None


def compare(ranks: int, binary: Path | None, *, in_step: bool) -> None:
    program = layer(ranks, in_step=in_step)
    slices = len(program.copy_bytes)
    short = program if slices <= SIMPY_MOST else first_slices(program, 30)
    np.testing.assert_array_equal(ends_s(short, "compiled"), ends_s(short, "simpy"))
    ours = slices / least_loop_s(program, REPEATS)
    whole = slices / least_s(program, "compiled", REPEATS)
    simpy = len(short.copy_bytes) / least_s(short, "simpy", 1)
    pace = "in step" if in_step else "out of step"
    line = f"{ranks:>5} {pace:<12} {slices:>8,} {simpy:>10,.0f} {whole:>12,.0f} {ours:>12,.0f}"
    if binary is None:
        print(line)
        return
    theirs = slices / min(simgrid(binary, program)[0] for _ in range(3))
    checked = program if in_step else first_slices(program, FIRST_SLICES)
    np.testing.assert_allclose(simgrid(binary, checked)[1], ends_s(checked, "compiled"), rtol=1e-9)
    print(f"{line} {theirs:>12,.0f} {ours / theirs:>6.1f} ×")


def steps(ranks: int) -> None:
    """A forward step of all layers with ranks that drift."""
    program = layer(ranks, in_step=True)
    windows = constant_windows(6e-3, 0.5, (ranks, 1, 58), lead_s=2e-3)
    drift = np.random.default_rng(2)
    windows = replace(windows, moe_s=windows.moe_s * drift.uniform(0.9, 1.1, windows.moe_s.shape))
    began = time.perf_counter()
    simulate_steps(
        program, windows, constants(program, in_steps=True), OPTIONS, Pace(),
        start_s=drift.uniform(0.0, 5e-3, ranks), engine="compiled",
    )  # fmt: skip
    slices = len(program.copy_bytes) * 58
    print(f"step of 58 layers, {ranks} ranks, {slices:,} slices: {time.perf_counter() - began:.2f} s")


def main() -> None:
    began = time.perf_counter()
    simulate(first_slices(layer(4, in_step=True), 1), constants(layer(4, in_step=True)), OPTIONS, engine="compiled")
    print(f"the engine was there after {time.perf_counter() - began:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        binary = build_simgrid(Path(folder))
        print("ranks              slices    SimPy/s  simulate()/s  compiled/s    SimGrid/s")
        for ranks in PLACEMENTS:
            for in_step in (True, False):
                compare(ranks, binary, in_step=in_step)
    for ranks in (4, 72):
        steps(ranks)


if __name__ == "__main__":
    main()
