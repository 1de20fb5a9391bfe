"""Run a copy program on a simulated cluster: program and constants in, timeline out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import NDArray

from dwdp_sim.cluster import FabricConstants, FabricOptions
from dwdp_sim.engine import Barriers, Calls, CopyEngine, Process, Stream, host_thread
from dwdp_sim.fabric import Fabric
from dwdp_sim.plan import BATCH, Ints
from dwdp_sim.program import HOST, Program
from dwdp_sim.rates import RateModel, RateSet
from dwdp_sim.sharing import Flow

_STEPS_PER_PROGRESS = 4096
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """What happened, in seconds on one clock that starts at zero.

    Attributes:
        program: What was run; the copy columns below are in its order.
        copy_issue_s: When each copy's call was complete.
        copy_start_s: When its first byte moved.
        copy_end_s: When its last byte arrived.
        stream_elapsed_s: From each stream's start to its last completion.
        host_s, gap_s, transfer_s, contention_s: A partition of each stream's elapsed time. The wait for an engine that
            serves another stream is contention.
        link_samples: (time, rates from then on) if asked for, else empty.
        flows: The flows that the samples number.
    """

    program: Program
    copy_issue_s: Floats
    copy_start_s: Floats
    copy_end_s: Floats
    stream_elapsed_s: Floats
    host_s: Floats
    gap_s: Floats
    transfer_s: Floats
    contention_s: Floats
    link_samples: list[tuple[float, RateSet]]
    flows: list[Flow]


def simulate(
    program: Program,
    constants: FabricConstants,
    options: FabricOptions | None = None,
    *,
    seed: int = 0,
    record_links: bool = False,
    progress: Callable[[int], None] = lambda finished: None,
) -> Timeline:
    """Predict when every copy of `program` starts and ends.

    Args:
        program: Streams, calls and copies.
        constants: From `cluster.constants_for`.
        options: Alternatives of the model.
        seed: Only used by `batch_order` swapped and random.
        record_links: Keep the rates between events, for plots and traces.
        progress: Called now and then with the number of copies that have arrived.
    """
    options = options or FabricOptions()
    order = _execution_order(program, constants, options, seed)
    run = _Run(program, constants, options, order, record_links)
    try:
        while True:
            for _ in range(_STEPS_PER_PROGRESS):
                run.env.step()
            progress(run.finished)
    except simpy.core.EmptySchedule:
        progress(run.finished)
    if run.finished < len(order):
        raise RuntimeError(f"only {run.finished} of {len(order)} copies arrived: a barrier never opens")
    return run.timeline(order)


class _Run:
    """The wiring of one simulation: flows, engines, streams, hosts."""

    def __init__(
        self, program: Program, constants: FabricConstants, options: FabricOptions, order: Ints, record_links: bool
    ) -> None:
        self.env = simpy.Environment()
        self._program = program
        self._model = RateModel(constants, options)
        self._engine_numbers: dict[tuple[int, str], int] = {}
        self._calls = Calls(program, self._number_flows(order), order)
        self._engine_of = [self._model.flows[self._calls.flow_of[first]].engine for first in self._calls.first[:-1]]
        self._fabric = Fabric(
            self.env, self._model, len(self._engine_numbers), fifo=options.sharing == "fifo", record=record_links
        )
        self._streams = [Stream(free_s=start) for start in program.stream_start_s.tolist()]
        barriers = Barriers(self.env, self._calls.barrier)
        self._engines = [
            CopyEngine(
                self.env,
                engine,
                self._fabric,
                constants,
                self._calls,
                barriers,
                self._streams,
                self._model.flows,
                self._wake_all,
                self._call_done,
            )
            for engine in self._engine_numbers.values()
        ]
        hosts = {gpu: simpy.Resource(self.env) for gpu in set(program.stream_gpu.tolist())}
        for stream, gpu in enumerate(program.stream_gpu.tolist()):
            own = np.flatnonzero(program.call_stream == stream)
            calls = range(int(own[0]), int(own[-1]) + 1) if len(own) else range(0)
            start_s = float(program.stream_start_s[stream])
            if program.stream_queued[stream]:
                self.env.process(self._issue_all(calls, start_s))
            else:
                self.env.process(
                    host_thread(self.env, hosts[gpu], constants, self._calls, calls, start_s, self._issued)
                )

    def _number_flows(self, order: Ints) -> list[int]:
        """Flow number of each copy in execution order; engines are numbered as they first occur.

        The first copy that a call lists decides which engine moves all of them: no batch is split.
        """
        program = self._program
        src, dst = program.copy_src, program.copy_dst
        gpus = program.stream_gpu[program.call_stream].tolist()
        first = program.call_first_copy[:-1]
        engines = []
        for gpu, call_src, call_dst in zip(gpus, src[first].tolist(), dst[first].tolist(), strict=True):
            # Peer and local copies share an engine; each direction of the host link has one of its own.
            kind = "in" if call_src == HOST else "out" if call_dst == HOST else "peer"
            engines.append(self._engine_numbers.setdefault((gpu, kind), len(self._engine_numbers)))
        call = program.copy_call.tolist()
        ends = zip(src[order].tolist(), dst[order].tolist(), strict=True)
        return [self._model.number(Flow(engines[c], gpus[c], *pair)) for c, pair in zip(call, ends, strict=True)]

    def _issue_all(self, calls: range, start_s: float) -> Process:
        yield self.env.timeout(start_s)
        for call in calls:
            self._issued(call)

    def _issued(self, call: int) -> None:
        self._calls.issue_s[call] = self.env.now
        queue = self._streams[self._calls.stream[call]].issued
        queue.append(call)
        if len(queue) == 1:
            self._offer(self._calls.stream[call])

    def _call_done(self, stream: int) -> None:
        if self._streams[stream].issued:
            self._offer(stream)

    def _offer(self, stream: int) -> None:
        self._engines[self._engine_of[self._streams[stream].issued[0]]].offer(stream)

    def _wake_all(self) -> None:
        for engine in self._engines:
            engine.wake()

    @property
    def finished(self) -> int:
        """Copies that have arrived."""
        return self._fabric.finished

    def timeline(self, order: Ints) -> Timeline:
        """Collect what happened, with the copies back in the program's order."""
        program, calls = self._program, self._calls
        call = program.copy_call
        start, end = np.empty(len(order)), np.empty(len(order))
        for place, moved_s in self._fabric.left_queue_s.items():
            calls.start_s[place] = moved_s
        start[order], end[order] = calls.start_s, calls.end_s
        last = program.stream_start_s.copy()
        np.maximum.at(last, program.call_stream[call], end)
        parts = np.array([(s.host_s, s.gap_s, s.transfer_s, s.contention_s) for s in self._streams]).reshape(-1, 4).T
        return Timeline(
            program=program,
            copy_issue_s=np.asarray(calls.issue_s)[call],
            copy_start_s=start,
            copy_end_s=end,
            stream_elapsed_s=last - program.stream_start_s,
            host_s=parts[0],
            gap_s=parts[1],
            transfer_s=parts[2],
            contention_s=parts[3],
            link_samples=self._fabric.samples or [],
            flows=self._model.flows,
        )


def _execution_order(program: Program, constants: FabricConstants, options: FabricOptions, seed: int) -> Ints:
    """Index of the copy that each place executes: the listed order, or batches swapped or shuffled."""
    order = np.arange(len(program.copy_bytes))
    if options.batch_order == "kept":
        return order
    random = np.random.default_rng(seed)
    for call in np.flatnonzero(program.call_issue == BATCH):
        first, last = program.call_first_copy[call : call + 2]
        if options.batch_order == "random":
            random.shuffle(order[first:last])
            continue
        place = first
        while place + 1 < last:  # a copy that has swapped is not swapped again
            if random.random() < constants.swap_probability:
                order[place], order[place + 1] = order[place + 1], order[place]
                place += 1
            place += 1
    return order
