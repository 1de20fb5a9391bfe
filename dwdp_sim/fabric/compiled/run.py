"""Run the compiled engine on a program: the same inputs and timeline as `simulate`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.loop import loop_for
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.compiled.views import addresses
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program

_EVENTS_PER_PROGRESS = 1 << 18


def run_to_the_end(state: State, progress: Callable[[int], None]) -> int:
    """Run and return why the loop has ended, as `loop_for` says."""
    loop, tables = _loop(), addresses(state)
    outcome = c.RUNNING
    while outcome == c.RUNNING:
        outcome = loop(tables, _EVENTS_PER_PROGRESS)
        progress(int(state.ints[c.FINISHED]))
    return outcome


@cache
def _loop() -> Callable[[Ints, int], int]:
    """The loop, compiled if its source has changed since the last time."""
    folder = Path(__file__).parent
    source = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return loop_for(int.from_bytes(hashlib.sha256(source).digest()[:6], "big") + 1)


def run_program(
    program: Program,
    order: Ints,
    constants: FabricConstants,
    options: FabricOptions,
    progress: Callable[[int], None] = lambda finished: None,
) -> SimulatedTimeline:
    """Predict when every copy of `program` starts and ends, without rates between events.

    Args:
        program: Streams, calls and copies.
        order: Index in the program of the copy at each place of the execution.
        constants: From `constants_for`.
        options: Alternatives of the model.
        progress: Called now and then with the number of copies that have arrived.
    """
    state = build_state(program, order, constants, options)
    run_to_the_end(state, progress)
    finished = int(state.ints[c.FINISHED])
    if finished < len(order):
        raise RuntimeError(f"only {finished} of {len(order)} copies arrived: a barrier never opens")
    start, end = np.empty(len(order)), np.empty(len(order))
    start[order], end[order] = state.copy_start_s, state.copy_end_s
    last = program.stream_start_s.copy()
    np.maximum.at(last, program.call_stream[program.copy_call], end)
    times = state.stream_f
    return SimulatedTimeline(
        program=program,
        copy_issue_s=state.issue_s[program.copy_call],
        copy_start_s=start,
        copy_end_s=end,
        stream_elapsed_s=last - program.stream_start_s,
        host_s=times[:, c.S_HOST_S],
        gap_s=times[:, c.S_GAP_S],
        transfer_s=times[:, c.S_TRANSFER_S],
        contention_s=times[:, c.S_CONTENTION_S],
        links=None,
    )
