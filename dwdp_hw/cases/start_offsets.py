"""Draw the starts of ranks that were not recorded, and simulate a program from each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.repeated import RepeatedProgram
from dwdp_sim.job.start_times import Starts
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import StepWindows

DRAWS = 8
AMONG = 100
"""Measured cases that a process predicts, about: together they choose the engine. No count, since a case's last digits
are to depend on the case alone."""
LATEST_S = Starts.max_phase_s
_ENOUGH = 3  # draws, where they agree
_ALIKE = 1e-3  # relative difference of a stream's times from draw to draw that calls for no more draws
_ONE_STEP = Pace(goes_on=False)

Run = Callable[[Floats, int], Floats]
"""From the starts of the streams and a seed to the seconds that each stream takes from its own start."""


def drawn_starts_s(streams: int, options: FabricOptions, seed: int = 0) -> Floats:
    """Draw by how many seconds streams start after their planned starts, shape (draws, streams).

    A single stream needs one draw, unless the order inside its batches is drawn, too.
    """
    draws = DRAWS if streams > 1 or options.batch_order != "kept" else 1
    return np.array(Starts(draws=draws).draw_s(streams, seed))


def program_draws_s(
    program: Program,
    constants: FabricConstants,
    options: FabricOptions,
    starts_s: Floats,
    seed: int = 0,
    windows: StepWindows | None = None,
) -> Floats:
    """Return the simulated seconds of each stream from its own start, for each draw of starts; shape (draws, streams).

    Args:
        program: What runs: once, or as the prefetch of each layer of a forward step.
        constants: For it; with `windows`, those of forward steps.
        options: The model's alternatives.
        starts_s: Starts of the streams beyond their planned ones, shape (draws, streams).
        seed: Of the first draw.
        windows: Compute windows of the forward step that is timed, if it is one.
    """

    if windows is None:
        repeated = RepeatedProgram(program, options, copies=AMONG * len(starts_s) * len(program.copy_bytes))
        return repeated_draws_s(repeated, constants, starts_s, seed)

    def step(later_s: Floats, number: int) -> Floats:
        steps = simulate_steps(
            program, windows, constants, options, _ONE_STEP, start_s=later_s, seed=number, among=AMONG * len(starts_s)
        )
        return np.asarray(steps.step_end_s[:, 0] - later_s)

    return over_starts(step, starts_s, seed)


def repeated_draws_s(repeated: RepeatedProgram, constants: FabricConstants, starts_s: Floats, seed: int = 0) -> Floats:
    """Return what `program_draws_s` does for a program that is run with other constants, too."""

    def once(later_s: Floats, number: int) -> Floats:
        start_s = repeated.program.stream_start_s + later_s
        return repeated.run(constants, start_s, seed=number).stream_elapsed_s

    return over_starts(once, starts_s, seed)


def over_starts(run: Run, starts_s: Floats, seed: int = 0) -> Floats:
    """Return the seconds of each stream for each draw of starts, shape (draws, streams).

    Draws that agree within 0.1 % speak for all: after three of them no more are made.

    Args:
        run: What to do for each draw.
        starts_s: Shape (draws, streams).
        seed: Of the first draw.
    """
    found: list[Floats] = []
    for draw, starts in enumerate(starts_s):
        found.append(run(starts, seed + draw))
        times = np.array(found)
        if len(found) == _ENOUGH and (np.ptp(times, axis=0) <= _ALIKE * times.min(axis=0)).all():
            break
    return np.array(found)
