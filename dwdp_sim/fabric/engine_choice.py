"""Choose between the readable engine on SimPy and the compiled one; their answers are the same."""

from __future__ import annotations

import functools
import sys
from importlib.util import find_spec

import numpy as np

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.program import Program

ENGINES = ("auto", "simpy", "compiled")
MANY_COPIES = 50_000
"""Copies from which on the compiled engine is worth while: SimPy needs a quarter of a second or more for them. The
other is compiled once on a machine, in ten seconds and more, and then loaded in a twentieth of a second."""


def takes_compiled(engine: str, copies: int, objection: str) -> bool:
    """Whether the compiled engine runs this.

    Args:
        engine: `simpy`, `compiled`, or `auto`: compiled where it can and where there is enough to do.
        copies: How many copies will be simulated.
        objection: Why the compiled engine cannot do it; empty if it can.

    Raises:
        ConfigError: There is no such engine, or the compiled one is asked for and cannot run this.
    """
    check_choice("engine", engine, ENGINES)
    if engine == "compiled":
        if objection:
            raise ConfigError("engine", engine, f"{objection}; engine=simpy can")
        if missing := missing_for_compiled():
            raise ConfigError("engine", engine, f"{missing}; engine=simpy does without")
        return True
    return engine == "auto" and not objection and copies >= MANY_COPIES and not missing_for_compiled()


def takes_many_compiled(engine: str) -> bool:
    """Whether the compiled engine runs a job of so many simulations that it is worth while, wherever it can.

    Args:
        engine: As of `takes_compiled`.

    Raises:
        ConfigError: There is no such engine, or the compiled one is asked for and cannot be had.
    """
    return takes_compiled(engine, MANY_COPIES, "")


def missing_for_compiled() -> str:
    """Return why this machine cannot have the compiled engine; empty if it can."""
    return cannot_load() if find_spec("numba") else "needs the package numba, which is not installed"


@functools.cache
def cannot_load() -> str:
    """Load the compiled engine, or compile it at its first start; return why it cannot be had, empty if it can.

    The reason is said on standard error as well, since everything then takes longer.
    """
    try:
        from dwdp_sim.fabric.compiled.run import load_loop  # noqa: PLC0415 - imports LLVM

        load_loop()
    except Exception as error:  # of numba, LLVM or the folder of compiled code: the answers are the same without
        said = f"cannot be compiled here ({type(error).__name__}: {' '.join(str(error).splitlines()[:1])})"
        sys.stderr.write(f"The simulator's engine {said}; the one on SimPy goes on, more slowly.\n")
        return said
    return ""


def engine_lacking() -> dict[str, str]:
    """Return what a result says where the compiled engine cannot be had and SimPy ran instead; else nothing."""
    why = "" if find_spec("numba") and not cannot_load.cache_info().currsize else missing_for_compiled()
    return {"engine_lacking": why} if why else {}


def objection_to(program: Program) -> str:
    """Return why the compiled engine cannot run `program`; empty if it can."""
    if (np.diff(program.call_first_copy) < 1).any() or (np.diff(program.call_stream) < 0).any():
        return "wants calls stream by stream, each with copies"
    return ""
