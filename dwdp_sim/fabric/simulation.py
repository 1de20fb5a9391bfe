"""Simulate a copy program: one fabric, a copy engine for each GPU that copies, and the program's calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import simpy

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.blame import Blame
from dwdp_sim.fabric.calls import Call, CopyTable, Gate, Stream
from dwdp_sim.fabric.engine import CopyEngine
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.links import Fabric
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.rates import RateModel
from dwdp_sim.plan.copy_plan import BATCH, NO_BARRIER
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program

_STEPS_PER_PROGRESS = 4096


class Simulation:
    """The fabric and copy engines of one simulation, with the copies of one program.

    Attributes:
        env: SimPy's environment.
        copies: The program's copies in the order of execution.
        order: Index in the program of the copy at each place of `copies`.
        fabric: The links.
        flows: Who moves bytes from where to where; the fabric's samples number them.
    """

    def __init__(
        self,
        program: Program,
        constants: FabricConstants,
        options: FabricOptions,
        *,
        seed: int,
        recorded_s: tuple[float, float] | None = None,
        blame: Blame | None = None,
    ) -> None:
        self.env = simpy.Environment()
        self.order = execution_order(program, constants, options, seed)
        self._constants = constants
        self._calls_of: list[list[tuple[int, int, bool, int]]] = [[] for _ in program.stream_gpu]
        bounds = zip(program.call_first_copy[:-1].tolist(), program.call_first_copy[1:].tolist(), strict=True)
        kinds = zip(program.call_issue.tolist(), program.call_barrier.tolist(), strict=True)
        for stream, (first, last), (issue, barrier) in zip(program.call_stream.tolist(), bounds, kinds, strict=True):
            self._calls_of[stream].append((first, last, issue == BATCH, barrier))
        numbers: dict[tuple[int, str], int] = {}
        model = RateModel(constants, options)
        flow_of = _number_flows(program, self.order, model, numbers)
        self.flows = model.flows
        self.copies = CopyTable(program.copy_bytes[self.order].tolist(), flow_of, model.flows)
        self.fabric = Fabric(
            self.env, model, len(numbers), fifo=options.sharing == "fifo", recorded_s=recorded_s, blame=blame
        )
        self._engines = [
            CopyEngine(self.env, number, self.fabric, constants, self.copies) for number in numbers.values()
        ]

    @property
    def streams(self) -> int:
        """Streams of the program."""
        return len(self._calls_of)

    def barriers(self) -> Barriers:
        """Return closed barriers for one run of the program's calls."""
        calls_at = Counter(barrier for calls in self._calls_of for *_, barrier in calls if barrier != NO_BARRIER)
        return Barriers(self.env, self._constants.barrier_s, calls_at)

    def calls(self, stream_number: int, stream: Stream, barriers: Barriers) -> list[Call]:
        """Return new, not yet issued `Call`s of one stream of the program."""
        calls = []
        for first, last, is_batch, barrier in self._calls_of[stream_number]:
            flow = self.flows[self.copies.flow_of[first]]
            calls.append(Call(stream, self._engines[flow.engine], first, last, is_batch, flow))
            barriers.add(calls[-1], barrier)
        return calls

    def run(self, done: Callable[[], bool], progress: Callable[[int], None]) -> None:
        """Run until `done`, or until nothing is left to happen.

        Args:
            done: Asked now and then.
            progress: Called now and then with the number of copies that have arrived.
        """
        step = self.env.step
        try:
            while not done():
                for _ in range(_STEPS_PER_PROGRESS):
                    step()
                progress(self.fabric.finished)
        except simpy.core.EmptySchedule:
            pass
        progress(self.fabric.finished)


class Barriers:
    """Group barriers of one run of the calls: barrier b opens when every call with barrier b − 1 is complete."""

    def __init__(self, env: simpy.Environment, latency_s: float, calls_at: Counter[int]) -> None:
        self._env = env
        self._left = calls_at.copy()
        self._gates: dict[int, Gate] = {barrier: Gate(latency_s=latency_s) for barrier in calls_at}

    def add(self, call: Call, barrier: int) -> None:
        """Put `call`, which must not have been issued, behind its barrier."""
        if barrier == NO_BARRIER:
            return
        if barrier > 0:
            call.gate = self._gates[barrier]
        call.on_done.append(lambda: self._complete(barrier))

    def _complete(self, barrier: int) -> None:
        self._left[barrier] -= 1
        if not self._left[barrier] and barrier + 1 in self._gates:
            self._gates[barrier + 1].open(self._env.now)


def _number_flows(program: Program, order: Ints, model: RateModel, numbers: dict[tuple[int, str], int]) -> list[int]:
    """Flow number of each copy in execution order; engines are numbered in `numbers` as they first occur.

    The first copy that a call lists decides which engine moves all of them: no batch is split.
    """
    src, dst = program.copy_src, program.copy_dst
    gpus = program.stream_gpu[program.call_stream].tolist()
    first = program.call_first_copy[:-1]
    engines = []
    for gpu, call_src, call_dst in zip(gpus, src[first].tolist(), dst[first].tolist(), strict=True):
        # Peer and local copies share an engine; each direction of the host link has one of its own.
        kind = "in" if call_src == HOST else "out" if call_dst == HOST else "peer"
        engines.append(numbers.setdefault((gpu, kind), len(numbers)))
    call = program.copy_call.tolist()
    ends = zip(src[order].tolist(), dst[order].tolist(), strict=True)
    return [model.number(Flow(engines[c], gpus[c], *pair)) for c, pair in zip(call, ends, strict=True)]


def execution_order(program: Program, constants: FabricConstants, options: FabricOptions, seed: int) -> Ints:
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
