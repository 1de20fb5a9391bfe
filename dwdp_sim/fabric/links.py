"""Simulate the links in SimPy: copies start, share the bandwidth, and finish."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import simpy
from simpy.events import Event

from dwdp_sim.fabric.blame import Blame
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.rates import RateModel, RateSet

Done = Callable[[int], None]
_SAME_TIME = 1e-12  # of its own transfer time; a copy due within it finishes now, so that rounding cannot split a tie
ALWAYS = (-math.inf, math.inf)
_CLOCK_STEPS = 4  # units in the clock's last place within which two instants are one


@dataclass
class DirectionMeter:
    """A counter of the seconds in which one direction of a GPU moves bytes from or to other GPUs."""

    gpu: int
    leaving: bool
    moved_s: float = 0.0

    def sees(self, flow: Flow) -> bool:
        """Whether `flow` is in the watched direction."""
        return flow.is_peer and (flow.src if self.leaving else flow.dst) == self.gpu


@dataclass(slots=True, eq=False)
class _Alarm:
    """What an engine's `call_when_moved` waits for: bytes still to move, bytes at first, and whom to call."""

    left: float
    whole: float
    call: Callable[[], None]


class Fabric:
    """Moves bytes at the rates of a `RateModel`; exact at every event, since rates are constant in between.

    One SimPy time-out is pending at any time: the next instant at which a copy finishes.

    Attributes:
        finished: Copies that have arrived.
        left_queue_s: When each copy that had to queue for its source got it, by token (`fifo`).
        samples: (time, rates from then on), if asked for.
    """

    def __init__(
        self,
        env: simpy.Environment,
        model: RateModel,
        engines: int,
        *,
        fifo: bool,
        recorded_s: tuple[float, float] | None = None,
        blame: Blame | None = None,
    ) -> None:
        """Links on which nothing moves.

        Args:
            env: SimPy's.
            model: Solves rates.
            engines: How many there are.
            fifo: Whether a source serves one copy after another.
            recorded_s: From when to when rates are kept; None for never.
            blame: Is told of every set of rates and how long it lasted.
        """
        self._env = env
        self._model = model
        self._fifo = fifo
        self._left: dict[int, float] = {}  # bytes left, by flow number
        self._size: dict[int, float] = {}  # bytes at first
        self._alarms: dict[int, _Alarm] = {}  # by engine
        self._done: dict[int, tuple[Done, int]] = {}
        self._set = RateSet()
        self._mask = 0
        self._last_s = 0.0
        self._timer: Event | None = None
        self._settling = False
        self._queues: dict[int, deque[tuple[int, float, Done, int]]] = {}  # fifo: waiting copies, by source
        # By engine: the integral of its rate over the rate it would have alone; the time during which it moves bytes;
        # the time during which its copies only wait for a source (fifo).
        self._share_s = [0.0] * engines
        self._moving_s = [0.0] * engines
        self._blocked_s = [0.0] * engines
        self._meters: list[DirectionMeter] = []
        self.finished = 0
        self.left_queue_s: dict[int, float] = {}
        self.samples: list[tuple[float, RateSet]] | None = None if recorded_s is None else []
        self._recorded_s = recorded_s or ALWAYS
        self._blame = blame

    def start(self, flow: int, size: float, done: Done, token: int) -> None:
        """Begin to move `size` bytes over `flow`, which must be idle; `done(token)` is called at the end."""
        self._advance()
        if self._fifo and self._model.flows[flow].is_peer:
            queue = self._queues.setdefault(self._model.flows[flow].src, deque())
            queue.append((flow, size, done, token))
            if len(queue) > 1:
                return
        self._move(flow, size, done, token)

    def call_when_moved(self, engine: int, size: float, call: Callable[[], None]) -> None:
        """Call `call` once `engine` has moved `size` more bytes, counted over all its copies; one call at a time."""
        self._advance()
        self._alarms[engine] = _Alarm(size, size, call)
        self._settle_soon()

    def watch(self, gpu: int, *, leaving: bool) -> DirectionMeter:
        """Start counting the seconds in which bytes leave `gpu` for other GPUs, or arrive from them."""
        self._advance()
        meter = DirectionMeter(gpu, leaving)
        self._meters.append(meter)
        return meter

    def stop(self, meter: DirectionMeter) -> float:
        """Stop counting and return the seconds counted."""
        self._advance()
        self._meters.remove(meter)
        return meter.moved_s

    def spent_s(self, engine: int) -> tuple[float, float]:
        """Return the busy seconds of `engine` so far, in two parts: what it would have needed alone, and contention.

        Right at instants at which one of its copies has just arrived or none of them is under way.
        """
        share_s = self._share_s[engine]
        return share_s, self._moving_s[engine] - share_s + self._blocked_s[engine]

    def _move(self, flow: int, size: float, done: Done, token: int) -> None:
        self._mask |= 1 << flow
        self._left[flow] = self._size[flow] = float(size)
        self._done[flow] = (done, token)
        self._settle_soon()

    def _settle_soon(self) -> None:
        """Solve once all that happens at this instant has happened."""
        if not self._settling:
            self._settling = True
            event = self._env.timeout(0.0)
            event.callbacks.append(self._settle)

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._last_s
        if elapsed <= 0.0:
            return
        self._last_s = now
        if self._blame is not None:
            self._blame.add(self._set, self._model.flows, elapsed)
        flows, rates, engines, _, shares, _ = self._set
        left = self._left
        for flow, rate in zip(flows, rates, strict=True):
            left[flow] -= rate * elapsed
        for alarm, rate in self._running_alarms():
            alarm.left -= rate * elapsed
        for engine, share in zip(engines, shares, strict=True):
            self._share_s[engine] += share * elapsed
            self._moving_s[engine] += elapsed
        for meter in self._meters:
            if any(meter.sees(self._model.flows[flow]) for flow in flows):
                meter.moved_s += elapsed
        if self._fifo:
            waiting = {self._model.flows[entry[0]].engine for queue in self._queues.values() for entry in queue}
            for engine in waiting.difference(engines):
                self._blocked_s[engine] += elapsed

    def _settle(self, _: Event | None = None) -> None:
        """Solve for the present set and set the timer for its first completion."""
        self._settling = False
        self._set = rates = self._model.solve(self._mask)
        if not rates.flows:
            self._timer = None
            self._record(math.inf)
            return
        left = self._left
        delay = min([left[flow] / rate for flow, rate in zip(rates.flows, rates.rates, strict=True)])
        for alarm, rate in self._running_alarms():
            delay = min(delay, alarm.left / rate)
        self._timer = timer = self._env.timeout(max(delay, 0.0))
        timer.callbacks.append(self._finish)
        self._record(self._env.now + max(delay, 0.0))

    def _record(self, until_s: float) -> None:
        """Keep the present rates, which hold until `until_s` at most, if they are wanted, and the first ones after."""
        first_s, last_s = self._recorded_s
        if self.samples is not None and first_s <= until_s and first_s < math.inf:
            self.samples.append((self._env.now, self._set))
            if self._env.now > last_s:
                self._recorded_s = (math.inf, math.inf)

    def _finish(self, timer: Event) -> None:
        """Complete every copy that is due now, let their engines go on, and solve again."""
        if timer is not self._timer:
            return  # the set has changed since this timer was set
        self._advance()
        due, alarms = self._due()
        self.finished += len(due)
        self._settling = True  # what the callbacks start is solved below, once
        ready = []
        for flow in due:
            self._mask ^= 1 << flow
            del self._left[flow], self._size[flow]
            ready.append(self._done.pop(flow))
            if self._fifo and self._model.flows[flow].is_peer:
                queue = self._queues[self._model.flows[flow].src]
                queue.popleft()
                if queue:
                    self.left_queue_s[queue[0][3]] = self._env.now
                    self._move(*queue[0])
        for done, token in ready:
            done(token)
        for alarm in alarms:
            alarm.call()
        self._settle()

    def _due(self) -> tuple[list[int], list[_Alarm]]:
        """The flows whose copies are complete at this instant, and the alarms that go off; at least one of them."""
        left, size = self._left, self._size
        seconds = [
            (left[f] / rate, size[f] / rate, f) for f, rate in zip(self._set.flows, self._set.rates, strict=True)
        ]
        alarms = [(alarm.left / rate, alarm.whole / rate, alarm) for alarm, rate in self._running_alarms()]
        first = min([due_s for due_s, *_ in seconds] + [due_s for due_s, *_ in alarms])
        least = max(_CLOCK_STEPS * math.ulp(self._env.now), first)  # rounding must not keep the first one waiting
        flows = [flow for due_s, whole_s, flow in seconds if due_s <= max(least, _SAME_TIME * whole_s)]
        off = [alarm for due_s, whole_s, alarm in alarms if due_s <= max(least, _SAME_TIME * whole_s)]
        self._alarms = {engine: alarm for engine, alarm in self._alarms.items() if alarm not in off}
        return flows, off

    def _running_alarms(self) -> list[tuple[_Alarm, float]]:
        """Alarms whose engines move bytes, each with its engine's rate in bytes per second."""
        if not self._alarms:
            return []
        rates = dict(zip(self._set.engines, self._set.totals, strict=True))
        return [(alarm, rates[engine]) for engine, alarm in self._alarms.items() if engine in rates]
