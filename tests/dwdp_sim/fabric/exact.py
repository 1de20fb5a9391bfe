"""A slow simulator in exact fractions, written from `docs/model.md` alone, to check `dwdp_sim` against.

Where the page leaves open which of several things that happen at one instant goes first, the run that is checked says
which; all else follows from the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from tests.dwdp_sim.fabric.exact_calls import Call, HostThread, calls_of, flow_of, from_table
from tests.dwdp_sim.fabric.exact_fabric import Fabric, Flow
from tests.dwdp_sim.fabric.exact_walks import Walk, walks


@dataclass
class CopyEngine:
    """What one engine does.

    Attributes:
        call: The call that it runs.
        taken_s: Since when.
        runs: What is left of the call's runs.
        walks: The walks of the first of them; empty until its first byte may move.
        idle_since_s: When its bytes stopped to move, the last time.
        stream: The stream with which it stays.
    """

    call: Call | None = None
    taken_s: Fraction = Fraction(0)
    runs: list[list[int]] = field(default_factory=list)
    walks: list[Walk] = field(default_factory=list)
    idle_since_s: Fraction | None = None
    stream: int | None = None


class Exact:
    """One run of the program that `checked` has run, on the cluster with the constants `values`.

    Attributes:
        start_s: When each copy's first byte moved.
        end_s: When its last byte arrived.
        issued_s: When each call's cost was paid.
        ties: How often `checked` had to say what goes first.
    """

    def __init__(self, checked: SimulatedTimeline, values: dict[str, Any], options: FabricOptions) -> None:
        self.start_s: dict[int, Fraction] = {}
        self.end_s: dict[int, Fraction] = {}
        self.ties = 0
        self.checked, self.values, self.options = checked, values, options
        self.program = program = checked.program
        self.fabric = Fabric(values, options)
        self.now = Fraction(0)
        self.streams = [calls_of(program, stream) for stream in range(len(program.stream_gpu))]  # what is not complete
        self.head_since_s = [Fraction(start_s) for start_s in program.stream_start_s.tolist()]
        self.opened_s = {-1: Fraction(0), 0: Fraction(0)}  # by barrier
        calls = [call for own in self.streams for call in own]
        self.engines = {call.engine: CopyEngine() for call in calls}
        self.hosts = self._host_threads()
        self.came: dict[int, list[int]] = {}  # by source: copies that it serves or that wait for it (fifo)
        self.busy: dict[tuple[str, int], list[tuple[Fraction, Fraction]]] = {}  # when bytes left or entered a GPU
        while any(self.streams):
            self._act()
            moving = self._moving()
            rates = self.fabric.rates(list(moving.values()))
            self._advance(moving, {copy: rates[flow] for copy, flow in moving.items()})
            for engine in self.engines.values():
                self._end(engine)
        self.issued_s = {call.number: call.issued_s for call in calls if call.issued_s is not None}

    def _host_threads(self) -> list[HostThread]:
        threads = []
        for gpu in dict.fromkeys(self.program.stream_gpu.tolist()):
            own = []
            for stream in [s for s in range(len(self.streams)) if self.program.stream_gpu[s] == gpu]:
                if self.program.stream_queued[stream]:
                    for call in self.streams[stream]:
                        call.issued_s = self.head_since_s[stream]
                else:
                    own.append((list(self.streams[stream]), self.head_since_s[stream]))
            threads.append(HostThread(self.program, self.values, own, self._first_issued))
        return threads

    # What goes first of several things at one instant

    def _first_issued(self, calls: list[Call]) -> Call:
        self.ties += len(calls) > 1
        return min(calls, key=lambda call: float(self.checked.copy_issue_s[call.first]))

    def _first_started(self, calls: list[Call]) -> Call:
        self.ties += len(calls) > 1
        return min(calls, key=lambda call: float(self.checked.copy_start_s[call.first]))

    def _in_order_of_start(self, copies: list[int]) -> list[int]:
        self.ties += len(copies) > 1
        return sorted(copies, key=lambda copy: float(self.checked.copy_start_s[copy]))

    # What happens at one instant

    def _act(self) -> None:
        left = {call.barrier for calls in self.streams for call in calls}
        for barrier in left:
            if barrier - 1 not in left:
                self.opened_s.setdefault(barrier, self.now)
        heads = [calls[0] for calls in self.streams if calls and calls[0].barrier in self.opened_s]
        for host in self.hosts:
            while host.act(self.now, heads):
                pass
        for key, engine in self.engines.items():
            if engine.call is None:
                self._take(engine, [call for call in heads if call.engine == key])
            if engine.call and not engine.walks and self._begin_s(engine) <= self.now:
                copies = engine.runs[0]
                flows = [flow_of(self.program, copy, key) for copy in copies]
                engine.walks = walks(self.values, copies, flows, self.program.copy_bytes[copies].tolist())

    def _end(self, engine: CopyEngine) -> None:
        """Ends the engine's run, and its call, if nothing of it is left."""
        if not engine.walks or any(copy not in self.end_s for copy in engine.runs[0]):
            return
        assert engine.call is not None
        engine.walks, engine.runs, engine.idle_since_s = [], engine.runs[1:], self.now
        if not engine.runs:
            self.streams[engine.call.stream].pop(0)
            self.head_since_s[engine.call.stream] = self.now
            engine.call = None

    def _ready_s(self, head: Call) -> Fraction | None:
        """When the head of a stream became ready, or will; None if that is not known yet."""
        if head.issued_s is None or head.barrier not in self.opened_s:
            return None
        return max(head.issued_s, self.head_since_s[head.stream], self.opened_s[head.barrier])

    def _take(self, engine: CopyEngine, heads: list[Call]) -> None:
        """Gives an idle engine its next call: of the stream with which it stays, or that which became ready first."""
        ready = [(at, call) for call in heads if (at := self._ready_s(call)) is not None and at <= self.now]
        first = [call for at, call in ready if at == min(at for at, _ in ready)]
        own = [call for _, call in ready if call.stream == engine.stream]
        if own and own[0].issued_s == self.now:  # issued just as the call before ends: it may stay or go
            first = list({call.number: call for call in first + own}.values())
        elif own:
            first = own
        engine.stream = None
        if first:
            engine.call = self._first_started(first)
            engine.stream, engine.runs, engine.taken_s = engine.call.stream, engine.call.runs, self.now

    def _begin_s(self, engine: CopyEngine) -> Fraction:
        """When the next run's first byte moves; while a gap goes by, the least that is known of it."""
        call = engine.call
        assert call is not None
        assert call.issued_s is not None
        flow = flow_of(self.program, engine.runs[0][0], call.engine)
        first_run = len(engine.runs) == len(call.runs)
        times = [engine.taken_s]
        if first_run:
            times.append(call.issued_s + Fraction(self.values[f"{flow.link}_fixed_s"]))
            if call.barrier > 0:
                times.append(self.opened_s[call.barrier] + Fraction(self.values["barrier_s"]))
        if engine.idle_since_s is not None:
            table = f"{flow.link}_gap_s" if first_run or flow.way == self._way_before(engine) else "turn_gap_s"
            end_s = engine.idle_since_s + from_table(
                self.values[table], int(self.program.copy_bytes[engine.runs[0][0]])
            )
            since_s = max(engine.idle_since_s, engine.taken_s)
            times.append(end_s + (self._longer_s(flow, since_s, end_s) if end_s <= self.now else 0))
        return max(times)

    def _way_before(self, engine: CopyEngine) -> str:
        """The way of the copies of the run before, in the same call."""
        assert engine.call is not None
        return flow_of(self.program, engine.call.runs[-len(engine.runs) - 1][0], engine.call.engine).way

    def _longer_s(self, flow: Flow, from_s: Fraction, to_s: Fraction) -> Fraction:
        """How much longer a gap is because the opposite direction of the engine's GPU moved bytes."""
        if not self.options.both_ways or flow.link != "peer":
            return Fraction(0)
        busy = self.busy.get(("out" if flow.way == "pull" else "in", flow.engine[0]), [])
        overlap_s = sum((max(Fraction(0), min(to_s, end) - max(from_s, start)) for start, end in busy), Fraction(0))
        return overlap_s * (Fraction(self.values["both_ways_gap_factor"]) - 1)

    def _moving(self) -> dict[int, Flow]:
        """Copies whose bytes move now, and their flows."""
        moving = {
            copy: walk.flow[copy] for engine in self.engines.values() for walk in engine.walks for copy in walk.moving()
        }
        if self.options.sharing != "fifo":
            return moving
        by_source: dict[int, list[int]] = {}
        for copy, flow in moving.items():
            if flow.link == "peer":
                by_source.setdefault(flow.src, []).append(copy)
        for src, copies in by_source.items():
            before = [copy for copy in self.came.get(src, []) if copy not in self.end_s]
            self.came[src] = before + self._in_order_of_start([copy for copy in copies if copy not in before])
        served = {self.came[src][0] for src in by_source}
        return {copy: flow for copy, flow in moving.items() if flow.link != "peer" or copy in served}

    # From one instant to the next

    def _advance(self, moving: dict[int, Flow], rates: dict[int, Fraction]) -> None:
        """Moves bytes until something changes."""
        at = [at for host in self.hosts for at in host.next_s()]
        at += [ready_s for calls in self.streams if calls and (ready_s := self._ready_s(calls[0])) is not None]
        at += [self._begin_s(engine) for engine in self.engines.values() if engine.call and not engine.walks]
        under_way = [walk for engine in self.engines.values() for walk in engine.walks]
        for walk in under_way:
            at += [self.now + step_s for step_s in walk.steps_s({c: rates[c] for c in walk.moving() if c in rates})]
        until = min(instant for instant in at if instant > self.now)
        for direction in {("out", f.src) for f in moving.values() if f.link == "peer"} | {
            ("in", f.dst) for f in moving.values() if f.link == "peer"
        }:
            self.busy.setdefault(direction, []).append((self.now, until))
        for walk in under_way:
            for copy in [copy for copy in walk.moving() if copy in rates]:
                self.start_s.setdefault(copy, self.now)
                walk.left[copy] -= rates[copy] * (until - self.now)
                if not walk.left[copy]:
                    self.end_s[copy] = until
        self.now = until
