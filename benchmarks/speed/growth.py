"""How the time of a run grows with slices, ranks and layers: exponents of power laws."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.cases import MIB, OPTIONS, RANKS, USUAL_SLICE_BYTES, Case, constants, first_slices, layer
from benchmarks.speed.engines import LOOP, PLAIN, SIMGRID, SIMPY, alone, goes_on, measure, peak_bytes
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import constant_windows

LAYERS = (1, 4, 16, 58)
# Slices of each rank, where slices grow and where ranks do: from some milliseconds to about a second.
SLICES_A_RANK = {
    LOOP: (250, 1000, 4000, 16000),
    SIMGRID: (250, 500, 1000, 2000),
    SIMPY: (25, 50, 100, 200),
    PLAIN: (25, 50, 100, 200),
}
THE_SAME_A_RANK = {LOOP: 1000, SIMGRID: 100, SIMPY: 8, PLAIN: 6}
RANKS_OF_SLICES = 8


@dataclass(frozen=True)
class PowerLaw:
    """time = c · size^exponent, fitted to logarithms.

    Attributes:
        exponent: 1 where twice the size takes twice the time.
        off: How far the farthest measured time lies from the fit, as a fraction.
    """

    exponent: float
    off: float


def fit_power(sizes: Sequence[float], seconds: Sequence[float]) -> PowerLaw:
    """Fit a power law.

    Args:
        sizes: Of two runs or more, not all the same.
        seconds: Time of each.
    """
    x, y = np.log(sizes), np.log(seconds)
    exponent, constant = np.polyfit(x, y, 1)
    return PowerLaw(float(exponent), float(np.expm1(np.abs(y - exponent * x - constant).max())))


def growth_row(engine: str, of: str, sizes: Sequence[int], seconds: Sequence[float], **more: Any) -> dict[str, Any]:
    """A row of the results: what was measured, and its fit."""
    law = fit_power(sizes, seconds)
    fitted = {"exponent": law.exponent, "off": law.off}
    return {"engine": engine, "of": of, **more, "sizes": list(sizes), "seconds": list(seconds), **fitted}


def with_slices(engine: str, binary: Path | None) -> dict[str, Any]:
    """The time of more and more slices of the same ranks, out of step."""
    whole = layer(Case(RANKS_OF_SLICES, MIB // 4, in_step=False))
    programs = [first_slices(whole, count) for count in SLICES_A_RANK[engine]]
    seconds = [alone(measure, engine, program, binary).least_s for program in programs]
    sizes = [len(program.copy_bytes) for program in programs]
    return growth_row(engine, "slices", sizes, seconds, ranks=RANKS_OF_SLICES)


def with_ranks(engine: str, binary: Path | None) -> dict[str, Any]:
    """The time of more and more ranks, out of step, with as many slices each."""
    count, ranks = THE_SAME_A_RANK[engine], [ranks for ranks in RANKS if ranks > 2]  # two do not contend
    layers = [first_slices(layer(Case(size, USUAL_SLICE_BYTES, in_step=False)), count) for size in ranks]
    seconds = [alone(measure, engine, program, binary).least_s for program in layers]
    return growth_row(engine, "ranks", ranks, seconds, slices_a_rank=count)


def with_layers(ranks: int) -> dict[str, Any]:
    """Time and memory of forward steps of more and more layers, in the compiled engine, with ranks that drift."""
    runs = [alone(step, ranks, layers) for layers in LAYERS]
    seconds, peaks = [run[0] for run in runs], [run[1] for run in runs]
    return growth_row("compiled step", "layers", LAYERS, seconds, ranks=ranks, peak_bytes=peaks)


def step(ranks: int, layers: int) -> tuple[float, int]:
    """Seconds of a forward step, of the fastest repetition, and most memory of this process."""
    program = layer(Case(ranks, USUAL_SLICE_BYTES, in_step=True))
    drift = np.random.default_rng(2)
    windows = constant_windows(6e-3, 0.5, (ranks, 1, layers), lead_s=2e-3)
    windows = replace(windows, moe_s=windows.moe_s * drift.uniform(0.9, 1.1, windows.moe_s.shape))
    starts_s, taken = drift.uniform(0.0, 5e-3, ranks), constants(program, in_steps=True)
    seconds: list[float] = []
    while goes_on(seconds):
        began = time.perf_counter()
        simulate_steps(program, windows, taken, OPTIONS, Pace(), start_s=starts_s, engine="compiled")
        seconds.append(time.perf_counter() - began)
    return min(seconds), peak_bytes()
