"""Measure every case with every engine, compare their answers, and return rows."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simpy_engine import count_events
from benchmarks.speed.cases import OPTIONS, RANKS, USUAL_SLICE_BYTES, Case, at_most, constants, first_slices, layer
from benchmarks.speed.engines import (
    ENGINES,
    LOOP,
    MOST_SLICES,
    PLAIN,
    SIMGRID,
    SIMPY,
    SIMULATE,
    Measured,
    alone,
    measure,
    peak_bytes,
)
from benchmarks.speed.growth import with_layers, with_ranks, with_slices
from benchmarks.speed.phases import modules, phases
from benchmarks.speed.simgrid_run import simgrid_version
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.program import Program

FORMAT = 1
ANSWERS_AGREE = 1e-9
CHECKED_SLICES = 20  # of each rank out of step, before the order of slices hangs on the last bit of a time
COUNTED_SLICES = 6  # of each rank, while SimPy's events are counted
# By ranks, in step and out of step: a change that makes the engine faster by simulating something else is noticed.
SIMPY_EVENTS = {2: (21, 29), 4: (32, 58), 8: (60, 116), 16: (116, 231), 36: (256, 518), 72: (508, 1040)}
PROFILED_RANKS = (4, 72)
MOST_RANKS_OF_ALL_SIZES = 8


def measure_case(case: Case, binary: Path | None) -> list[dict[str, Any]]:
    """A row for each engine; one after another, so that all have the same machine.

    Raises:
        AssertionError: Their answers differ, or a layer has another number of slices or SimPy another number of events.
    """
    whole = layer(case)
    if case.slice_bytes == USUAL_SLICE_BYTES:
        events = alone(simpy_events, first_slices(whole, COUNTED_SLICES))
        expected = SIMPY_EVENTS[case.ranks][not case.in_step]
        assert events == expected, f"{case}: {events} events of SimPy, not {expected}"
    engines = engines_of(case, binary)
    programs = {engine: at_most(whole, MOST_SLICES.get(engine, case.slices)) for engine in engines}
    found = {engine: alone(measure, engine, programs[engine], binary) for engine in engines}
    alone(check, case, programs, found, binary)
    return [_row(case, engine, len(programs[engine].copy_bytes), found[engine]) for engine in engines]


def engines_of(case: Case, binary: Path | None) -> list[str]:
    """Which engines run a case: all, but SimPy's not many ranks with other slices than usual.

    The first slices of a layer are nearly the same simulation whatever their size, on another clock.
    """
    left_out = {SIMGRID} if binary is None else set()
    if case.slice_bytes != USUAL_SLICE_BYTES and case.ranks > MOST_RANKS_OF_ALL_SIZES:
        left_out |= {SIMPY, PLAIN}
    return [engine for engine in ENGINES if engine not in left_out]


def _row(case: Case, engine: str, slices: int, found: Measured) -> dict[str, Any]:
    return {
        "ranks": case.ranks,
        "slice_bytes": case.slice_bytes,
        "in_step": case.in_step,
        "engine": engine,
        "slices": slices,
        "of_slices": case.slices,
        "seconds": found.least_s,
        "spread": found.spread,
        "repetitions": len(found.seconds),
        "peak_bytes": found.peak_bytes,
    }


def simpy_events(program: Program) -> int:
    """SimPy events of the engine on SimPy."""
    taken = constants(program)
    return count_events(lambda: simulate(program, taken, OPTIONS, engine="simpy"))


def check(case: Case, programs: Mapping[str, Program], found: Mapping[str, Measured], binary: Path | None) -> None:
    """Compare answers: of our engines to the last bit, of others to `ANSWERS_AGREE`."""
    np.testing.assert_array_equal(found[LOOP].ends_s, found[SIMULATE].ends_s)
    if SIMPY in found:
        np.testing.assert_array_equal(found[SIMPY].ends_s, measure(SIMULATE, programs[SIMPY]).ends_s)
    for engine in {PLAIN, SIMGRID} & set(found):
        program, theirs = programs[engine], found[engine]
        if not case.in_step and len(program.copy_bytes) > CHECKED_SLICES * case.ranks:
            program = first_slices(program, CHECKED_SLICES)
            theirs = measure(engine, program, binary)
        ours = measure(SIMULATE, program)
        np.testing.assert_allclose(theirs.ends_s, ours.ends_s, rtol=ANSWERS_AGREE, err_msg=f"{case}, {engine}")


def idle_bytes(binary: Path) -> dict[str, int]:
    """Memory of the processes with all that they load and nothing to simulate, Python's and SimGrid's."""
    smallest = first_slices(layer(Case(min(RANKS), USUAL_SLICE_BYTES, in_step=True)), 1)
    return {"Python": alone(peak_bytes), SIMGRID: measure(SIMGRID, smallest, binary).peak_bytes}


def everything(cases: Sequence[Case], binary: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """All that `docs/data/speed.json` holds.

    Args:
        cases: Which to measure.
        binary: SimGrid's program.
        tell: Called with what is measured next.
    """
    machine = {**this_machine(), "simgrid": simgrid_version(binary)}
    rows = []
    for case in cases:
        tell(f"{case.ranks} ranks, {case.slice_bytes >> 10} KiB, {case.pace}")
        rows += measure_case(case, binary)
    growth = []
    for engine in (LOOP, SIMGRID, SIMPY, PLAIN):
        tell(f"growth of {engine}")
        growth += [with_slices(engine, binary), with_ranks(engine, binary)]
    tell("forward steps")
    growth += [with_layers(ranks) for ranks in PROFILED_RANKS]
    tell("profiles")
    profiles = [alone(of, ranks) for of in (modules, phases) for ranks in PROFILED_RANKS]
    return {
        "format": FORMAT,
        "machine": machine,
        "idle_bytes": idle_bytes(binary),
        "rows": rows,
        "growth": growth,
        "profiles": profiles,
    }


def this_machine() -> dict[str, Any]:
    """What the figures depend on, and how busy it was."""
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "cpu": next((line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")), "unknown"),
        "cores": usable_cores(),
        "load_before": round(os.getloadavg()[0], 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numba", "numpy", "simpy")},
    }
