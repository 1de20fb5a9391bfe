"""Where the time of `simulate()` goes: phases of the compiled engine, modules of the one on SimPy."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.speed.cases import OPTIONS, USUAL_SLICE_BYTES, Case, at_most, constants, layer
from benchmarks.speed.engines import MOST_SLICES, SIMPY
from dwdp_sim.fabric.compiled.run import run_program, run_to_the_end
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.program import Program

REPEATS = 3
PHASES = ("before", "tables", "loop", "collecting")
MOST_MODULES = 6


def phases(ranks: int) -> dict[str, Any]:
    """Seconds of each phase a million slices, out of step; of the fastest of some runs."""
    program = layer(Case(ranks, USUAL_SLICE_BYTES, in_step=False))
    runs = [_phases_of(_profiled(program, "compiled")) for _ in range(REPEATS)]
    best = min(runs, key=lambda run: sum(run.values()))
    millions = len(program.copy_bytes) / 1e6
    return {"engine": "compiled", "ranks": ranks, "s_a_million": {name: best[name] / millions for name in PHASES}}


def modules(ranks: int) -> dict[str, Any]:
    """Shares of modules in the time of the engine on SimPy, out of step; the profiler's own time lengthens calls."""
    program = at_most(layer(Case(ranks, USUAL_SLICE_BYTES, in_step=False)), MOST_SLICES[SIMPY])
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own_s, _, _) in _profiled(program, "simpy").stats.items():  # type: ignore[attr-defined]
        path = Path(file)
        spent["simpy" if path.parent.name == "simpy" else path.stem if "dwdp_sim" in path.parts else "Python"] += own_s
    whole = sum(spent.values())
    shares = {name: own_s / whole for name, own_s in spent.most_common(MOST_MODULES)}
    return {"engine": "SimPy", "ranks": ranks, "shares": {**shares, "others": 1.0 - sum(shares.values())}}


def _profiled(program: Program, engine: str) -> pstats.Stats:
    taken, profile = constants(program), cProfile.Profile()
    profile.runcall(simulate, program, taken, OPTIONS, engine=engine)
    return pstats.Stats(profile)


def _phases_of(stats: pstats.Stats) -> dict[str, float]:
    whole, compiled = _seconds_in(stats, simulate), _seconds_in(stats, run_program)
    tables, loop = _seconds_in(stats, build_state), _seconds_in(stats, run_to_the_end)
    return dict(zip(PHASES, (whole - compiled, tables, loop, compiled - tables - loop), strict=True))


def _seconds_in(stats: pstats.Stats, function: Callable[..., object]) -> float:
    """In a function and in what it calls."""
    code = function.__code__  # type: ignore[attr-defined]
    found = stats.stats[code.co_filename, code.co_firstlineno, code.co_name]  # type: ignore[attr-defined]
    return float(found[3])
