"""Run a copy program on a simulated cluster and return its timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import simpy

from dwdp_sim.fabric.calls import Call, Stream
from dwdp_sim.fabric.engine import Process
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.host_issue import issue_by_host
from dwdp_sim.fabric.links import ALWAYS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulation import Simulation, execution_order
from dwdp_sim.fabric.timeline import LinkRates, SimulatedTimeline
from dwdp_sim.plan.program import Program


def simulate(
    program: Program,
    constants: FabricConstants,
    options: FabricOptions | None = None,
    *,
    seed: int = 0,
    record_links: bool = False,
    engine: str = "auto",
    progress: Callable[[int], None] = lambda finished: None,
) -> SimulatedTimeline:
    """Predict when every copy of `program` starts and ends.

    Args:
        program: Streams, calls and copies.
        constants: From `constants_for`.
        options: Alternatives of the model.
        seed: Only used by `batch_order` swapped and random.
        record_links: Keep the rates between events.
        engine: As in `engine_choice.takes_compiled`; the answer is the same.
        progress: Called now and then with the number of copies that have arrived.
    """
    options = options or FabricOptions()

    def run(early: Program) -> SimulatedTimeline:
        if not takes_compiled(engine, len(early.copy_bytes), objection_to(early)):
            return _run_simpy(early, constants, options, seed, record_links, progress)
        from dwdp_sim.fabric.compiled.run import run_program  # noqa: PLC0415 - imports numba

        order = execution_order(early, constants, options, seed)
        return run_program(early, order, constants, options, record_links=record_links, progress=progress)

    return from_first_start(program, run)


def from_first_start(program: Program, run: Callable[[Program], SimulatedTimeline]) -> SimulatedTimeline:
    """Run `program` on a clock that starts with its first stream, so that late times are as exact as early ones."""
    first_s = float(program.stream_start_s.min(initial=np.inf))
    if not 0.0 < first_s < np.inf:
        return run(program)
    return _later(run(replace(program, stream_start_s=program.stream_start_s - first_s)), program, first_s)


def _run_simpy(
    program: Program,
    constants: FabricConstants,
    options: FabricOptions,
    seed: int,
    record_links: bool,
    progress: Callable[[int], None],
) -> SimulatedTimeline:
    simulation = Simulation(program, constants, options, seed=seed, recorded_s=ALWAYS if record_links else None)
    env = simulation.env
    streams = [Stream(free_s=start) for start in program.stream_start_s.tolist()]
    hosts = {gpu: simpy.Resource(env) for gpu in set(program.stream_gpu.tolist())}
    barriers = simulation.barriers()
    calls: list[Call] = []
    for number, (stream, gpu) in enumerate(zip(streams, program.stream_gpu.tolist(), strict=True)):
        own = simulation.calls(number, stream, barriers)
        calls += own
        if program.stream_queued[number]:
            env.process(_issue_all(env, own, stream.free_s))
        else:
            env.process(_host_thread(env, hosts[gpu], constants, own, stream.free_s))
    simulation.run(lambda: False, progress)
    if simulation.fabric.finished < len(program.copy_bytes):
        raise RuntimeError(
            f"only {simulation.fabric.finished} of {len(program.copy_bytes)} copies arrived: a barrier never opens"
        )
    return _timeline(program, simulation, streams, calls)


def _later(timeline: SimulatedTimeline, program: Program, first_s: float) -> SimulatedTimeline:
    """The timeline of `program`, from that of the same program starting `first_s` earlier."""
    links = timeline.links
    if links is not None:
        links = replace(links, time_s=links.time_s + first_s)
    return replace(
        timeline,
        program=program,
        copy_issue_s=timeline.copy_issue_s + first_s,
        copy_start_s=timeline.copy_start_s + first_s,
        copy_end_s=timeline.copy_end_s + first_s,
        links=links,
    )


def _issue_all(env: simpy.Environment, calls: Iterable[Call], start_s: float) -> Process:
    yield env.timeout(start_s)
    for call in calls:
        call.issue(env.now)


def _host_thread(
    env: simpy.Environment, host: simpy.Resource, constants: FabricConstants, calls: Iterable[Call], start_s: float
) -> Process:
    """Make the calls of one stream one after another; the thread is shared by the streams of a rank."""
    yield env.timeout(start_s)
    for call in calls:
        with host.request() as turn:
            yield turn
            yield from issue_by_host(env, call, constants)


def _timeline(program: Program, simulation: Simulation, streams: list[Stream], calls: list[Call]) -> SimulatedTimeline:
    """Collect what happened, with the copies back in the program's order."""
    copies, order = simulation.copies, simulation.order
    start, end = np.empty(len(order)), np.empty(len(order))
    for place, moved_s in simulation.fabric.left_queue_s.items():
        copies.start_s[place] = moved_s
    start[order], end[order] = copies.start_s, copies.end_s
    last = program.stream_start_s.copy()
    np.maximum.at(last, program.call_stream[program.copy_call], end)
    issue_s = np.empty(len(calls))
    issue_s[np.argsort(program.call_stream, kind="stable")] = [call.issue_s for call in calls]
    parts = np.array([(s.host_s, s.gap_s, s.transfer_s, s.contention_s) for s in streams]).reshape(-1, 4).T
    samples = simulation.fabric.samples
    return SimulatedTimeline(
        program=program,
        copy_issue_s=issue_s[program.copy_call],
        copy_start_s=start,
        copy_end_s=end,
        stream_elapsed_s=last - program.stream_start_s,
        host_s=parts[0],
        gap_s=parts[1],
        transfer_s=parts[2],
        contention_s=parts[3],
        links=None if samples is None else LinkRates.of(samples, simulation.flows),
    )
