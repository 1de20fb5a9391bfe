"""One measurement of one engine, in a process of its own: seconds, largest memory, and answers."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from benchmarks.speed.cases import OPTIONS, RATE, constants
from benchmarks.speed.plain_simpy import ends_s
from benchmarks.speed.simgrid_run import SimGridRun, run_simgrid
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.compiled.run import run_to_the_end
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.simulation import execution_order
from dwdp_sim.plan.program import Program

SIMULATE, LOOP, SIMPY, SIMGRID, PLAIN = "simulate()", "compiled loop", "SimPy engine", "SimGrid C++", "plain SimPy"
ENGINES = (LOOP, SIMULATE, SIMGRID, SIMPY, PLAIN)
REPEATS = (3, 9)  # at least, and at most
ENOUGH_S = 0.25  # of all repetitions: then there are no more than the least
LONG_S = 2.0  # of one repetition: then it is the only one
MOST_SLICES = {SIMGRID: 40_000, SIMPY: 800, PLAIN: 450}  # of all ranks: those of a layer would take minutes

Found = TypeVar("Found")


@dataclass(frozen=True)
class Measured:
    """What a process found.

    Attributes:
        seconds: Wall time of each repetition.
        peak_bytes: Most memory of the process, its modules included.
        ends_s: When each rank ended in the simulation, shape (ranks,).
    """

    seconds: list[float]
    peak_bytes: int
    ends_s: Floats

    @property
    def least_s(self) -> float:
        """Of the fastest repetition."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """How much longer the median of the repetitions took than the fastest, as a fraction."""
        return float(np.median(self.seconds)) / self.least_s - 1.0


def alone(work: Callable[..., Found], *args: object) -> Found:
    """Do `work` in a new process, which has loaded the engines and done nothing else.

    It is forked from a server that has only loaded them, so that its memory holds nothing of other measurements.

    Raises:
        EOFError: The process died.
        Exception: What `work` raised.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.speed.loaded"])
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(writer, work, args), daemon=True)
    child.start()
    writer.close()  # so that a child that has died is the end of the pipe
    try:
        found = reader.recv()
    finally:
        child.join()
    if isinstance(found, Exception):
        raise found
    return cast(Found, found)


def _answer(writer: Connection, work: Callable[..., object], args: Sequence[object]) -> None:
    try:
        writer.send(work(*args))
    except Exception as error:  # whoever has asked raises it
        writer.send(error)


def measure(engine: str, program: Program, binary: Path | None = None) -> Measured:
    """Run an engine on a program some times, in this process.

    Args:
        engine: One of `ENGINES`.
        program: On the crossbar.
        binary: SimGrid's program.
    """
    if engine == SIMGRID:
        assert binary is not None
        runs: list[SimGridRun] = []
        while goes_on([run.wall_s for run in runs]):
            runs.append(run_simgrid(binary, program))
        return Measured([run.wall_s for run in runs], max(run.peak_bytes for run in runs), runs[0].ends_s)
    run = _run_of(engine, program)
    seconds: list[float] = []
    while goes_on(seconds):
        elapsed_s, ends = run()
        seconds.append(elapsed_s)
    return Measured(seconds, peak_bytes(), ends)


def peak_bytes() -> int:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def goes_on(seconds: list[float]) -> bool:
    """Whether to repeat a measurement once more."""
    least, most = REPEATS
    if not seconds:
        return True
    return seconds[0] < LONG_S and (len(seconds) < least or (len(seconds) < most and sum(seconds) < ENOUGH_S))


def _run_of(engine: str, program: Program) -> Callable[[], tuple[float, Floats]]:
    """A function that runs the engine once, and returns seconds and the end of each rank."""
    if engine == PLAIN:
        starts_s = program.stream_start_s.tolist()
        slices = [list(zip(s.src.tolist(), s.bytes.tolist(), strict=True)) for s in program.streams]  # type: ignore[union-attr]
        return partial(_timed, lambda: np.array(ends_s(RATE, starts_s, slices)))
    if engine == LOOP:
        return partial(_loop, program)
    name, taken = "simpy" if engine == SIMPY else "compiled", constants(program)
    return partial(_timed, lambda: _rank_ends(program, simulate(program, taken, OPTIONS, engine=name).copy_end_s))


def _timed(work: Callable[[], Floats]) -> tuple[float, Floats]:
    began = time.perf_counter()
    ends = work()
    return time.perf_counter() - began, ends


def _loop(program: Program) -> tuple[float, Floats]:
    """The compiled loop, without tables and timeline."""
    taken = constants(program)
    state = build_state(program, execution_order(program, taken, OPTIONS, 0), taken, OPTIONS)
    began = time.perf_counter()
    run_to_the_end(state, lambda finished: None)
    elapsed_s = time.perf_counter() - began
    return elapsed_s, _rank_ends(program, state.copy_end_s)


def _rank_ends(program: Program, copy_end_s: Floats) -> Floats:
    ends = program.stream_start_s.copy()
    np.maximum.at(ends, program.call_stream[program.copy_call], copy_end_s)
    return ends
