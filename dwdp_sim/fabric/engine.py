"""Copy engines as SimPy processes: which call runs when, and which of its copies move."""

from __future__ import annotations

from collections.abc import Callable, Generator

import simpy
from simpy.events import Event

from dwdp_sim.fabric.calls import Call, CopyTable, Stream
from dwdp_sim.fabric.fabric_constants import FabricConstants, gap_in
from dwdp_sim.fabric.in_flight import ByteWindow, Window, places_window
from dwdp_sim.fabric.links import Fabric

Process = Generator[Event, object, None]


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
        """Accept `call`, which has become the head of its stream."""
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
        """The stream to serve next, or None if all wait."""
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
        meter = self._fabric.watch(flow.gpu, leaving=flow.kind == "pull")
        yield self._env.timeout(seconds)
        left_s = max((factor - 1.0) * self._fabric.stop(meter), least_s - seconds)
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
