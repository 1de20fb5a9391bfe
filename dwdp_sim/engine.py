"""Streams and copy engines as SimPy processes: which call runs when, and where each stream's time goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import pairwise

import simpy
from simpy.events import Event

from dwdp_sim.batch import ByteWindow, Window, places_window
from dwdp_sim.fabric import Fabric
from dwdp_sim.fabric_constants import FabricConstants, gap_in
from dwdp_sim.sharing import Flow

Process = Generator[Event, object, None]


@dataclass
class Gate:
    """Opens once; a call behind it waits, and its stream with it.

    Attributes:
        is_slot: Whether it says that the call's slot is free, by an event of the compute stream. The wait for a slot is
            no part of a prefetch; the wait for a group barrier is contention.
        latency_s: From its opening to the first byte; None for a call's own fixed part.
        opened_s: When it opened.
    """

    is_slot: bool = False
    latency_s: float | None = None
    opened_s: float | None = None
    _waiting: list[CopyEngine] = field(default_factory=list)

    def open(self, now_s: float) -> None:
        """Let everything behind it go on."""
        self.opened_s = now_s
        for engine in self._waiting:
            engine.wake()
        self._waiting.clear()

    def wake_when_open(self, engine: CopyEngine) -> None:
        """Remember that `engine` has a call behind this gate."""
        if self.opened_s is None:
            self._waiting.append(engine)


@dataclass
class Stream:
    """A queue of issued calls, and where the stream's time has gone so far.

    Attributes:
        free_s: When the call before the head was complete; at first the stream's start.
        issued: Calls that are issued and not complete.
        slot_s: Seconds of waiting for a slot to be free.
        host_s: Seconds without work because the host had not issued it.
        gap_s: Seconds in a gap or a fixed part.
        transfer_s: Seconds of moving bytes, each counted by the rate's share in the rate alone.
        contention_s: The rest of the moving, and waits: for a source, for a barrier that other ranks kept closed, for
            an engine that served another stream.
    """

    free_s: float
    issued: deque[Call] = field(default_factory=deque)
    slot_s: float = 0.0
    host_s: float = 0.0
    gap_s: float = 0.0
    transfer_s: float = 0.0
    contention_s: float = 0.0


@dataclass(slots=True)
class Call:
    """One driver call: some copies that stand one after another in the run's table, and when they moved.

    Attributes:
        stream: The stream it is issued on.
        engine: The copy engine that runs it.
        first, last: Its copies: `first` … `last` − 1 of the table.
        is_batch: Whether one call issues all of them.
        flow: Who moves its first copy from where to where.
        gate: What it waits for besides its stream.
        on_done: Called, one after another, when the last byte has arrived.
        issue_s: When the call was complete.
        end_s: When its last byte arrived.
    """

    stream: Stream
    engine: CopyEngine
    first: int
    last: int
    is_batch: bool
    flow: Flow
    gate: Gate | None = None
    on_done: list[Callable[[], None]] = field(default_factory=list)
    issue_s: float = 0.0
    end_s: float = 0.0

    def issue(self, now_s: float) -> None:
        """The host has made the call."""
        self.issue_s = now_s
        self.stream.issued.append(self)
        if len(self.stream.issued) == 1:
            self.engine.offer(self)


class CopyTable:
    """The copies of a run in the order in which engines execute them; several calls may run the same copies in turn.

    Attributes:
        size: Bytes of each copy.
        flow_of: Flow of each copy, an index into `flows`.
        flows: Who moves bytes from where to where.
        start_s: When each copy's first byte moved, the last time that it ran.
        end_s: When its last byte arrived.
    """

    def __init__(self, size: list[int], flow_of: list[int], flows: list[Flow]) -> None:
        self.size, self.flow_of, self.flows = size, flow_of, flows
        self.link_kind = [flow.link_kind for flow in flows]
        self._way = [(flow.link_kind, flow.gpu == flow.dst) for flow in flows]
        self.start_s = [0.0] * len(size)
        self.end_s = [0.0] * len(size)
        self._runs: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def kind(self, index: int) -> str:
        """Kind of link that copy `index` uses: peer, host or local."""
        return self.link_kind[self.flow_of[index]]

    def turns(self, index: int) -> bool:
        """Whether copy `index` goes over another link, or in another direction, than the one before it."""
        return self._way[self.flow_of[index]] != self._way[self.flow_of[index - 1]]

    def runs(self, call: Call) -> list[tuple[int, int]]:
        """The copies of `call` in runs [first, last): each is pipelined, and begins when the one before is done.

        A run ends where the next copy turns; copies inside one GPU are never pipelined.
        """
        copies = call.first, call.last
        if copies not in self._runs:
            breaks = [i for i in range(call.first + 1, call.last) if self.turns(i) or self.kind(i) == "local"]
            bounds = [call.first, *breaks, call.last]
            self._runs[copies] = list(pairwise(bounds))
        return self._runs[copies]


class CopyEngine:
    """One copy engine of one GPU. It runs one call at a time.

    It stays with a stream while that has issued, unblocked work, then takes the stream whose head became ready first.
    """

    def __init__(
        self, env: simpy.Environment, number: int, fabric: Fabric, constants: FabricConstants, copies: CopyTable
    ) -> None:
        self._env, self._number, self._fabric, self._constants, self._copies = env, number, fabric, constants, copies
        self._wake = env.event()
        self._pending: list[Stream] = []  # streams whose head is for this engine, in the order of arrival
        self._free_s: float | None = None  # end of its previous call
        env.process(self._run())

    def offer(self, call: Call) -> None:
        """`call` is the head of its stream and for this engine."""
        self._pending.append(call.stream)
        if call.gate is not None:
            call.gate.wake_when_open(self)
        self.wake()

    def wake(self) -> None:
        """Look again for work: a call was issued or a gate opened."""
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Process:
        current = None
        while True:
            stream = self._choose(current)
            if stream is None:
                self._wake = self._env.event()
                yield self._wake
                continue
            current = stream
            self._pending = [other for other in self._pending if other is not stream]
            yield from self._execute(stream, stream.issued[0])

    def _choose(self, current: Stream | None) -> Stream | None:
        """The stream to serve next, or None where all wait."""
        open_ = [s for s in self._pending if (gate := s.issued[0].gate) is None or gate.opened_s is not None]
        if any(s is current for s in open_):
            return current
        return min(open_, key=_ready_s, default=None)

    def _execute(self, stream: Stream, call: Call) -> Process:
        yield from self._lead_in(call, stream)
        share_s, lost_s = self._fabric.spent_s(self._number)
        for first, last in self._copies.runs(call):
            if first > call.first:
                yield from self._gap_between_runs(first, stream)
            yield self._transfer(first, last)
        all_share_s, all_lost_s = self._fabric.spent_s(self._number)
        stream.transfer_s += all_share_s - share_s
        stream.contention_s += max(all_lost_s - lost_s, 0.0)  # rounding
        self._free_s = stream.free_s = call.end_s = self._env.now
        stream.issued.popleft()
        for on_done in call.on_done:
            on_done()
        if stream.issued:
            stream.issued[0].engine.offer(stream.issued[0])

    def _lead_in(self, call: Call, stream: Stream) -> Process:
        """Wait until the call's first byte may move, and account for the time since the stream's previous call.

        Until the call is issued that is the host's; from then until its barrier is open and the engine has left other
        streams, it is contention; the rest is the fixed part or gap. While its slot is in use, it is the slot's. Behind
        the event that frees its slot the stream is empty: the whole fixed part follows, not a mere gap.
        """
        now, gate = self._env.now, call.gate
        kind = self._constants.timing[call.flow.link_kind]
        start = max(call.issue_s + kind.fixed_s, now)
        free = stream.free_s  # up to here the time is accounted for
        if gate is not None and gate.opened_s is not None:
            start = max(start, gate.opened_s + (kind.fixed_s if gate.latency_s is None else gate.latency_s))
            if gate.is_slot:
                event_s = max(gate.opened_s, free) + self._constants.event_s
                start = max(start, event_s + kind.fixed_s)
                stream.slot_s += max(gate.opened_s - free, 0.0)
                free = max(free, gate.opened_s)
        stream.host_s += max(call.issue_s - free, 0.0)
        free = ready = max(free, call.issue_s)
        if gate is not None and gate.opened_s is not None:
            free = max(free, gate.opened_s)
        gap_ends = now
        if self._free_s is not None:
            gap_ends = self._free_s + kind.gap(self._copies.size[call.first])
            start = max(start, gap_ends)
            free = max(free, self._free_s)
        stream.contention_s += free - ready
        stream.gap_s += start - free
        yield from self._gap(gap_ends - now, call.first, stream, other_s=start - now)

    def _gap(self, seconds: float, index: int, stream: Stream, other_s: float = 0.0) -> Process:
        """Let a gap before copy `index` go by: longer by a factor while the GPU's opposite direction moves bytes.

        At least `other_s` pass, for what else the copy waits for meanwhile.
        """
        flow = self._copies.flows[self._copies.flow_of[index]]
        factor = self._constants.both_ways_gap_factor
        least_s = max(seconds, other_s)
        if factor == 1.0 or not flow.is_peer or seconds <= 0.0:
            yield self._env.timeout(least_s)
            return
        watch = self._fabric.watch(flow.gpu, leaving=flow.kind == "pull")
        yield self._env.timeout(seconds)
        left_s = max((factor - 1.0) * self._fabric.stop(watch), least_s - seconds)
        stream.gap_s += left_s - (least_s - seconds)
        yield self._env.timeout(left_s)

    def _gap_between_runs(self, index: int, stream: Stream) -> Process:
        """The gap inside a batch before copy `index`, with which a new run begins."""
        size = self._copies.size[index]
        turns, timing = self._copies.turns(index), self._constants.timing[self._copies.kind(index)]
        gap_s = gap_in(self._constants.turn_gap_s, size) if turns else timing.gap(size)
        stream.gap_s += gap_s
        yield from self._gap(gap_s, index, stream)

    def _transfer(self, first: int, last: int) -> Event:
        """Start a pipelined run of copies; the event fires when the last one has arrived."""
        env, fabric, copies = self._env, self._fabric, self._copies
        chooser = self._window(first, last)
        arrived = env.event()
        left = last - first

        def start_ready() -> None:
            index = chooser.take()
            while index is not None:
                copies.start_s[index] = env.now
                fabric.start(copies.flow_of[index], copies.size[index], finished, index)
                index = chooser.take()

        def finished(index: int) -> None:
            nonlocal left
            copies.end_s[index] = env.now
            left -= 1
            if left:
                chooser.release(index)
                start_ready()
            else:
                arrived.succeed()

        if isinstance(chooser, ByteWindow):
            self._open_as_bytes_arrive(chooser, 0.0, start_ready)
        start_ready()
        return arrived

    def _window(self, first: int, last: int) -> Window:
        constants, copies = self._constants, range(first, last)
        if constants.refill == "bytes":
            return ByteWindow(self._copies.flow_of, copies, self._copies.size, constants.in_flight_bytes)
        places, engines = constants.in_flight_sources, constants.batch_engines
        return places_window(self._copies.flow_of, copies, constants.refill, places, engines)

    def _open_as_bytes_arrive(self, chooser: ByteWindow, arrived: float, start_ready: Callable[[], None]) -> None:
        """Let further copies into the window each time enough bytes of the batch have arrived."""
        threshold = chooser.open(arrived)
        if threshold is None:
            return

        def go_on() -> None:
            self._open_as_bytes_arrive(chooser, threshold, start_ready)
            start_ready()

        self._fabric.call_when_moved(self._number, threshold - arrived, go_on)


def _ready_s(stream: Stream) -> float:
    call = stream.issued[0]
    opened = 0.0 if call.gate is None or call.gate.opened_s is None else call.gate.opened_s
    return max(call.issue_s, stream.free_s, opened)
