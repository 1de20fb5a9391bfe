"""Run the compiled engine on a program: the same inputs and timeline as `simulate`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import cache

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.code_file import keep_code, read_code
from dwdp_sim.fabric.compiled.machine_code import MachineCode, fingerprint, load
from dwdp_sim.fabric.compiled.recorder import Recorder
from dwdp_sim.fabric.compiled.state import State, addresses
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.links import ALWAYS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import LinkRates, SimulatedTimeline
from dwdp_sim.plan.program import Program

_EVENTS_PER_PROGRESS = 1 << 18


def run_to_the_end(state: State, progress: Callable[[int], None], recorder: Recorder | None = None) -> int:
    """Run and return why the loop has ended, as `run_events` says."""

    def told() -> None:
        if recorder is not None:
            recorder.read()
        progress(int(state.ints[c.FINISHED]))

    return run_tables(addresses(state), told)


def run_tables(tables: Ints, told: Callable[[], None] = lambda: None) -> int:
    """Run a state of which the addresses are known; `told` is called now and then, and at the end."""
    loop = load_loop()
    outcome = c.RUNNING
    while outcome == c.RUNNING:
        outcome = loop(tables, _EVENTS_PER_PROGRESS)
        told()
    return outcome


def check_outcome(outcome: int) -> None:
    """Raise an error if the loop's tables did not suffice."""
    if outcome == c.FAULTY:
        raise RuntimeError("the compiled engine's tables are too small for this program: engine=simpy has none")


@cache
def load_loop() -> Callable[[Ints, int], int]:
    """The loop: from its file, or compiled, which is said on standard error."""
    key = fingerprint()
    code = read_code(key)
    if code is None:
        print("Compiling the simulator's engine: once, 10 seconds to a minute.", file=sys.stderr, flush=True)
        code = _compile()
        keep_code(key, code)
    return load(code)


def _compile() -> MachineCode:
    collects = gc.isenabled()
    gc.disable()  # a tenth of the time
    try:
        from dwdp_sim.fabric.compiled.jit import compile_whole  # noqa: PLC0415 - numba
        from dwdp_sim.fabric.compiled.loop import run_events  # noqa: PLC0415

        return compile_whole(run_events)
    finally:
        if collects:
            gc.enable()


def run_program(
    program: Program,
    order: Ints,
    constants: FabricConstants,
    options: FabricOptions,
    *,
    record_links: bool = False,
    progress: Callable[[int], None] = lambda finished: None,
) -> SimulatedTimeline:
    """Predict when every copy of `program` starts and ends.

    Args:
        program: Streams, calls and copies.
        order: Index in the program of the copy at each place of the execution.
        constants: From `constants_for`.
        options: Alternatives of the model.
        record_links: Keep the rates between events.
        progress: Called now and then with the number of copies that have arrived.
    """
    state = build_state(program, order, constants, options, recorded_s=ALWAYS if record_links else None)
    recorder = Recorder(state) if record_links else None
    check_outcome(run_to_the_end(state, progress, recorder))
    links = None if recorder is None else recorder.links
    return timeline_of(state, program, order, links)


def timeline_of(state: State, program: Program, order: Ints, links: LinkRates | None = None) -> SimulatedTimeline:
    """What happened, with the copies back in the program's order, and apart from the state.

    Args:
        state: After the run.
        program: What ran.
        order: Index in the program of the copy at each place of the execution.
        links: Rates between events.
    """
    finished = int(state.ints[c.FINISHED])
    if finished < len(order):
        raise RuntimeError(f"only {finished} of {len(order)} copies arrived: a barrier never opens")
    start, end = np.empty(len(order)), np.empty(len(order))
    start[order], end[order] = state.copy_start_s, state.copy_end_s
    last = program.stream_start_s.copy()
    np.maximum.at(last, program.call_stream[program.copy_call], end)
    times = state.stream_f.copy()
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
        links=links,
    )
