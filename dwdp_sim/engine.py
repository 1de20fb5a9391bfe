"""Host threads, streams and copy engines as SimPy processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import simpy
from simpy.events import Event

from dwdp_sim.batch import window
from dwdp_sim.cluster import FabricConstants
from dwdp_sim.fabric import Fabric
from dwdp_sim.plan import BATCH, NO_BARRIER, Ints
from dwdp_sim.program import Program
from dwdp_sim.sharing import Flow

Process = Generator[Event, object, None]


@dataclass
class Stream:
    """A queue of issued calls, and where the stream's time has gone so far.

    Attributes:
        free_s: When the call before the head was complete; at first the stream's start.
        issued: Calls that are issued and not complete.
        host_s: Seconds without work because the host had not issued it.
        gap_s: Seconds in a gap or a fixed part.
        transfer_s: Seconds of moving bytes, each counted by the rate's share in the rate alone.
        contention_s: The rest of the moving, and waits: for a source, for a barrier that other ranks kept closed, for
            an engine that served another stream.
    """

    free_s: float
    issued: deque[int] = field(default_factory=deque)
    host_s: float = 0.0
    gap_s: float = 0.0
    transfer_s: float = 0.0
    contention_s: float = 0.0


class Barriers:
    """Group barriers: barrier b opens when every call with barrier b − 1 is complete."""

    def __init__(self, env: simpy.Environment, barrier_of: list[int]) -> None:
        self._left: dict[int, int] = {}
        for barrier in barrier_of:
            self._left[barrier] = self._left.get(barrier, 0) + 1
        self._env = env
        self.opened_s: dict[int, float] = {0: 0.0, NO_BARRIER: 0.0}

    def complete(self, barrier: int) -> bool:
        """One call of `barrier` is complete; true if this opens the next one."""
        if barrier == NO_BARRIER:
            return False
        self._left[barrier] -= 1
        if self._left[barrier]:
            return False
        self.opened_s[barrier + 1] = self._env.now
        return True


class Calls:
    """The program's columns as lists, in the order in which the engines execute, with what happened to each."""

    def __init__(self, program: Program, flow_of: list[int], order: Ints) -> None:
        self.size: list[int] = program.copy_bytes[order].tolist()
        self.flow_of = flow_of
        self.stream: list[int] = program.call_stream.tolist()
        self.is_batch: list[bool] = (program.call_issue == BATCH).tolist()
        self.barrier: list[int] = program.call_barrier.tolist()
        self.first: list[int] = program.call_first_copy.tolist()
        self.issue_s = [0.0] * len(self.stream)
        self.start_s = [0.0] * len(self.size)
        self.end_s = [0.0] * len(self.size)


class CopyEngine:
    """One copy engine of one GPU. It runs one call at a time.

    It stays with a stream while that has issued, unblocked work, then takes the stream whose head became ready first.
    """

    def __init__(
        self,
        env: simpy.Environment,
        number: int,
        fabric: Fabric,
        constants: FabricConstants,
        calls: Calls,
        barriers: Barriers,
        streams: list[Stream],
        flows: Sequence[Flow],
        on_barrier: Callable[[], None],
        on_call_done: Callable[[int], None],
    ) -> None:
        self._env, self._number, self._fabric, self._constants = env, number, fabric, constants
        self._calls, self._barriers, self._streams = calls, barriers, streams
        self._flows = flows
        self._link_kind = [flow.link_kind for flow in flows]
        self._on_barrier, self._on_call_done = on_barrier, on_call_done
        self._wake = env.event()
        self._pending: list[int] = []  # streams with an issued call for this engine, in the order of arrival
        self._free_s: float | None = None  # end of its previous call
        env.process(self._run())

    def offer(self, stream: int) -> None:
        """The head of `stream` has been issued and is for this engine."""
        self._pending.append(stream)
        self.wake()

    def wake(self) -> None:
        """Look again for work: a call was issued or a barrier opened."""
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Process:
        current = -1
        while True:
            stream = self._choose(current)
            if stream is None:
                self._wake = self._env.event()
                yield self._wake
                continue
            current = stream
            self._pending.remove(stream)
            yield from self._execute(self._streams[stream], stream)

    def _choose(self, current: int) -> int | None:
        """The stream to serve next, or None where all wait."""
        open_ = [s for s in self._pending if self._head_barrier(s) in self._barriers.opened_s]
        if current in open_:
            return current
        return min(open_, key=self._ready_s, default=None)

    def _head_barrier(self, stream: int) -> int:
        return self._calls.barrier[self._streams[stream].issued[0]]

    def _ready_s(self, stream: int) -> float:
        call = self._streams[stream].issued[0]
        opened = self._barriers.opened_s[self._calls.barrier[call]]
        return max(self._calls.issue_s[call], self._streams[stream].free_s, opened)

    def _execute(self, stream: Stream, number: int) -> Process:
        call = stream.issued[0]
        first, last = self._calls.first[call], self._calls.first[call + 1]
        kinds = {self._link_kind[self._calls.flow_of[index]] for index in range(first, last)}
        pipelined = self._calls.is_batch[call] and len(kinds) == 1 and "local" not in kinds
        yield from self._lead_in(call, stream)
        share_s, lost_s = self._fabric.spent_s(self._number)
        if pipelined:
            yield self._transfer(first, last)
        else:
            yield from self._one_by_one(first, last, stream)
        all_share_s, all_lost_s = self._fabric.spent_s(self._number)
        stream.transfer_s += all_share_s - share_s
        stream.contention_s += max(all_lost_s - lost_s, 0.0)  # rounding
        self._free_s = stream.free_s = self._env.now
        stream.issued.popleft()
        if self._barriers.complete(self._calls.barrier[call]):
            self._on_barrier()
        self._on_call_done(number)

    def _lead_in(self, call: int, stream: Stream) -> Process:
        """Wait until the call's first byte may move, and account for the time since the stream's previous call.

        Until the call is issued that is the host's; from then until its barrier is open and the engine has left other
        streams, it is contention; the rest is the fixed part or gap.
        """
        calls, now = self._calls, self._env.now
        kind = self._constants.timing[self._link_kind[calls.flow_of[calls.first[call]]]]
        issued, barrier = calls.issue_s[call], calls.barrier[call]
        first = calls.first[call]
        start = max(issued + kind.fixed_s, now)
        gap_ends = now
        ready = max(issued, stream.free_s)  # from here on it is not the host
        free = ready  # from here on it is not other ranks or streams
        if self._free_s is not None:
            gap_ends = self._free_s + kind.gap(calls.size[first])
            start = max(start, gap_ends)
            free = max(free, self._free_s)
        if barrier > 0:
            opened = self._barriers.opened_s[barrier]
            start = max(start, opened + self._constants.barrier_s)
            free = max(free, opened)
        stream.host_s += ready - stream.free_s
        stream.contention_s += free - ready
        stream.gap_s += start - free
        if start > gap_ends:
            yield self._env.timeout(start - now)
        else:
            yield from self._gap(start - now, first, stream)

    def _gap(self, seconds: float, index: int, stream: Stream) -> Process:
        """Let a gap before copy `index` go by: longer by a factor while the GPU's opposite direction moves bytes."""
        flow = self._flows[self._calls.flow_of[index]]
        factor = self._constants.both_ways_gap_factor
        if factor == 1.0 or not flow.is_peer:
            yield self._env.timeout(seconds)
            return
        watch = self._fabric.watch(flow.gpu, leaving=flow.kind == "pull")
        yield self._env.timeout(seconds)
        longer_s = (factor - 1.0) * self._fabric.stop(watch)
        stream.gap_s += longer_s
        yield self._env.timeout(longer_s)

    def _one_by_one(self, first: int, last: int, stream: Stream) -> Process:
        """Single copies, and batches that mix kinds of links: in order, with a gap before each further copy."""
        for index in range(first, last):
            if index > first:
                gap_s = self._constants.timing[self._link_kind[self._calls.flow_of[index]]].gap(self._calls.size[index])
                stream.gap_s += gap_s
                yield from self._gap(gap_s, index, stream)
            yield self._transfer(index, index + 1)

    def _transfer(self, first: int, last: int) -> Event:
        """Start a pipelined run of copies; the event fires when the last one has arrived."""
        env, fabric, calls = self._env, self._fabric, self._calls
        places = self._constants.in_flight_sources
        chooser = window(self._constants.refill, calls.flow_of, first, last, places)
        arrived = env.event()
        left = last - first

        def start_ready() -> None:
            index = chooser.take()
            while index is not None:
                calls.start_s[index] = env.now
                fabric.start(calls.flow_of[index], calls.size[index], finished, index)
                index = chooser.take()

        def finished(index: int) -> None:
            nonlocal left
            calls.end_s[index] = env.now
            left -= 1
            if left:
                chooser.release(index)
                start_ready()
            else:
                arrived.succeed()

        start_ready()
        return arrived


def host_thread(
    env: simpy.Environment,
    host: simpy.Resource,
    constants: FabricConstants,
    calls: Calls,
    own: range,
    start_s: float,
    issued: Callable[[int], None],
) -> Process:
    """Issue the calls `own` of one stream one after another; the thread is shared by the streams of a rank."""
    yield env.timeout(start_s)
    for call in own:
        with host.request() as turn:
            yield turn
            if calls.is_batch[call]:
                copies = calls.first[call + 1] - calls.first[call]
                cost_s = constants.issue_batch_s + constants.issue_slice_s * copies
            else:
                cost_s = constants.issue_async_s
            yield env.timeout(cost_s)
        issued(call)
