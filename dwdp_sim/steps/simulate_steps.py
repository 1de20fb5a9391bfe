"""Simulate forward steps of a DWDP group: each rank prefetches, waits and computes at its own pace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from simpy.events import Event

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.blame import Blame, ends_of
from dwdp_sim.fabric.calls import Call, Gate, Stream
from dwdp_sim.fabric.engine import Process
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.host_issue import issue_by_host
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulation import Barriers, Simulation
from dwdp_sim.fabric.timeline import LinkRates
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows

_NEGLIGIBLE_S = 1e-10  # compute time that interference still owes; below it, the loop would only chase rounding


def simulate_steps(
    program: Program,
    windows: StepWindows,
    constants: FabricConstants,
    options: FabricOptions | None = None,
    pace: Pace | None = None,
    *,
    start_s: Floats | None = None,
    seed: int = 0,
    blame: bool = False,
    rates_between_s: tuple[float, float] | None = None,
    engine: str = "auto",
    among: int = 1,
    progress: Callable[[int], None] = lambda finished: None,
) -> StepTimeline:
    """Predict forward steps in which every MoE layer is prefetched by the same `program`, one stream a rank.

    Ranks never wait for each other; they meet on the links only. By default a rank that has finished its steps repeats
    them, uncounted, until all have finished, so that no rank's last steps run on idle links (`Pace.goes_on`).

    Args:
        program: One layer's prefetch (`program_from_plan`); the first `ranks` streams are the ranks', and say whether
            their host time is hidden (queued) or counts. Any further
            stream belongs to a GPU that takes the bytes of a step away when it has ended: stream ranks + r after rank
            r's steps.
        windows: Compute times of every rank, iteration and layer.
        constants: From `constants_for`.
        options: Alternatives of the model.
        pace: Slots, host and interference.
        start_s: When each rank's first step begins, shape (ranks,); all zero when unset.
        seed: Only used by `batch_order` swapped and random.
        blame: Add up what prefetches lose, by source and reader.
        rates_between_s: From when to when rates are kept; None for never.
        engine: As in `engine_choice.takes_compiled`; the answer is the same.
        among: How many such simulations the process makes, about; `auto` shares the load of the compiled engine among
            them.
        progress: Called now and then with the number of copies that have arrived.
    """
    options, pace = options or FabricOptions(), pace or Pace()
    starts = np.zeros(windows.ranks) if start_s is None else start_s
    objection = objection_to_steps(program, windows.ranks)
    if takes_compiled(engine, among * len(program.copy_bytes) * windows.moe_s[0].size, objection):
        from dwdp_sim.steps.compiled_steps import run_steps  # noqa: PLC0415 - imports numba

        timeline = run_steps(program, windows, constants, options, pace, starts, seed, progress, blame, rates_between_s)
        if timeline is not None:
            return timeline
        if engine == "compiled":
            raise RuntimeError("ranks drift further apart than the compiled engine's tables reach: use engine=simpy")
    blamed = Blame(windows.ranks, windows.moe_s[0].size, ends_of(program)) if blame else None
    simulation = Simulation(program, constants, options, seed=seed, recorded_s=rates_between_s, blame=blamed)
    shared = _Shared(simulation, program, constants, pace, windows, blamed, _empty(windows.moe_s.shape))
    ranks = [_Rank(shared, rank, float(starts[rank])) for rank in range(windows.ranks)]
    simulation.run(lambda: all(rank.finished for rank in ranks), progress)
    if not all(rank.finished for rank in ranks):
        raise RuntimeError("the steps came to a stop: a barrier or a slot never opens")
    samples = simulation.fabric.samples
    return replace(
        shared.timeline,
        links=None if samples is None else LinkRates.of(samples, simulation.flows),
        lost_s=None if blamed is None else blamed.lost_s,
    )


def objection_to_steps(program: Program, ranks: int) -> str:
    """Return why the compiled engine cannot run forward steps of `program`; empty if it can."""
    if objection := objection_to(program):
        return objection
    outgoing = program.call_stream >= ranks
    barred = (program.call_barrier[outgoing] >= 0).any()
    return "cannot put a barrier before what a step leaves behind" if barred else ""


@dataclass
class _Shared:
    """What the ranks have in common."""

    simulation: Simulation
    program: Program
    constants: FabricConstants
    pace: Pace
    windows: StepWindows
    blame: Blame | None
    timeline: StepTimeline

    def __post_init__(self) -> None:
        self.barriers: dict[tuple[int, int], Barriers] = {}

    def barriers_of(self, step: int, layer: int) -> Barriers:
        """The group barriers of one layer's prefetch."""
        if (step, layer) not in self.barriers:
            self.barriers[step, layer] = self.simulation.barriers()
        return self.barriers[step, layer]


class _Rank:
    """One rank: a host thread, a prefetch stream and a compute stream."""

    def __init__(self, shared: _Shared, rank: int, start_s: float) -> None:
        self._shared, self._rank = shared, rank
        self._env = shared.simulation.env
        self._iterations, self._layers = shared.windows.iterations, shared.windows.layers
        self._slots_used = min(shared.pace.slots, self._layers)
        self._stream, self._outgoing = Stream(free_s=start_s), Stream(free_s=start_s)
        self._slots: dict[tuple[int, int], Gate] = defaultdict(lambda: Gate(is_slot=True))  # by step and layer
        self._prefetched: dict[tuple[int, int], Event] = defaultdict(self._env.event)
        self._launched: dict[tuple[int, int], Event] = defaultdict(self._env.event)
        self._ended = [self._env.event()]  # place i + 1 is the end of step i; place 0 is the start
        self._counted = ("slot_s", "host_s", "gap_s", "transfer_s", "contention_s")
        self._spent = dict.fromkeys(self._counted, 0.0)
        self._previous_end_s = start_s
        self.finished = False
        self._env.process(self._start(start_s))
        self._env.process(self._host())
        self._env.process(self._compute())

    def _start(self, start_s: float) -> Process:
        yield self._env.timeout(start_s)
        self._ended[0].succeed()

    def _end_of(self, step: int) -> Event:
        while len(self._ended) <= step + 1:
            self._ended.append(self._env.event())
        return self._ended[max(step, -1) + 1]

    def _host(self) -> Process:
        """Make the calls and launch the kernels of one step after another."""
        pace, slots, step = self._shared.pace, self._slots_used, 0
        hidden = bool(self._shared.program.stream_queued[self._rank])
        while True:
            yield self._end_of(step - 2 if pace.ahead else step - 1)
            if step == 0 or not pace.carry_over:
                for layer in range(slots):
                    yield from self._issue(step, layer, hidden)
            for layer in range(self._layers):
                if not hidden and pace.launch_s:
                    yield self._env.timeout(pace.launch_s)
                self._launched[step, layer].succeed()
                if layer + slots < self._layers:
                    yield from self._issue(step, layer + slots, hidden)
                elif pace.carry_over:
                    yield from self._issue(step + 1, layer + slots - self._layers, hidden)
            step += 1

    def _issue(self, step: int, layer: int, hidden: bool) -> Process:
        begin_s = self._env.now
        calls = self._shared.simulation.calls(self._rank, self._stream, self._shared.barriers_of(step, layer))
        gate = self._slots[step, layer]
        if calls:
            if calls[0].gate is None:
                calls[0].gate = gate
            calls[-1].on_done.append(lambda: self._arrived(step, layer, calls[0], gate, begin_s))
        else:
            self._prefetched[step, layer].succeed()
        for call in calls:
            if hidden:
                call.issue(self._env.now)
            else:
                yield from issue_by_host(self._env, call, self._shared.constants)

    def _arrived(self, step: int, layer: int, first: Call, gate: Gate, call_begin_s: float) -> None:
        """A layer's last byte is here: account for its latency, and let its compute go on."""
        self._prefetched[step, layer].succeed()
        if self._shared.blame is not None:
            self._shared.blame.arrived(self._rank)
        spent = {name: getattr(self._stream, name) - self._spent[name] for name in self._counted}
        self._spent = {name: getattr(self._stream, name) for name in self._counted}
        before_s, self._previous_end_s = self._previous_end_s, self._env.now
        if step >= self._iterations:
            return
        assert gate.opened_s is not None
        begin_s = max(call_begin_s, gate.opened_s)
        timeline, at = self._shared.timeline, (self._rank, step, layer)
        timeline.prefetch_begin_s[at] = begin_s
        timeline.prefetch_end_s[at] = self._env.now
        timeline.own_engine_s[at] = max(before_s - begin_s, 0.0)
        timeline.host_s[at] = max(spent["host_s"] - max(call_begin_s - max(gate.opened_s, before_s), 0.0), 0.0)
        for name in ("gap_s", "transfer_s", "contention_s"):
            getattr(timeline, name)[at] = spent[name]

    def _compute(self) -> Process:
        """The compute stream: each layer waits for its launch and, before its MoE block, for its experts."""
        windows, timeline, slots, step = self._shared.windows, self._shared.timeline, self._slots_used, 0
        slower_before = np.broadcast_to(windows.before_slowdown, windows.moe_s.shape)
        slower_moe = np.broadcast_to(windows.moe_slowdown, windows.moe_s.shape)
        event_s = self._shared.constants.event_s
        yield self._ended[0]
        while self._shared.pace.goes_on or step < self._iterations:
            counted, place = step < self._iterations, (self._rank, step % self._iterations)
            if step == 0 or not self._shared.pace.carry_over:
                for layer in range(slots):
                    self._slots[step, layer].open(self._env.now)
            if counted:
                timeline.step_begin_s[place] = self._env.now
            yield from self._work(float(windows.lead_s[place]))
            if counted:
                timeline.step_lead_end_s[place] = self._env.now
            for layer in range(self._layers):
                idle_s = self._env.now
                yield self._launched[step, layer]
                idle_s = self._env.now - idle_s
                yield from self._work(float(windows.before_s[(*place, layer)]), float(slower_before[(*place, layer)]))
                wait_begin_s = self._env.now + event_s
                yield self._prefetched[step, layer]
                if event_s:
                    yield self._env.timeout(event_s)
                moe_begin_s = self._env.now
                yield from self._work(float(windows.moe_s[(*place, layer)]), float(slower_moe[(*place, layer)]))
                if counted:
                    timeline.launch_wait_s[(*place, layer)] = idle_s
                    timeline.wait_begin_s[(*place, layer)] = wait_begin_s
                    timeline.moe_begin_s[(*place, layer)] = moe_begin_s
                    timeline.moe_end_s[(*place, layer)] = self._env.now
                if layer + slots < self._layers:
                    self._slots[step, layer + slots].open(self._env.now)
                elif self._shared.pace.carry_over:
                    self._slots[step + 1, layer + slots - self._layers].open(self._env.now)
            if counted:
                timeline.step_end_s[place] = self._env.now
            self._end_of(step).succeed()
            self._take_away()
            step += 1
            self.finished = step >= self._iterations

    def _take_away(self) -> None:
        """Start the copies that follow a step."""
        simulation, number = self._shared.simulation, self._rank + self._shared.windows.ranks
        if number >= simulation.streams:
            return
        for call in simulation.calls(number, self._outgoing, simulation.barriers()):
            call.issue(self._env.now)

    def _work(self, seconds: float, slowdown: float = 1.0) -> Process:
        """Compute for `seconds`, longer by slowdown and interference while bytes arrive in this GPU."""
        lost_share = 1.0 - 1.0 / (self._shared.pace.interference * slowdown)
        if not lost_share:
            yield self._env.timeout(seconds)
            return
        fabric = self._shared.simulation.fabric
        while seconds > _NEGLIGIBLE_S:
            meter = fabric.watch(self._rank, leaving=False)
            yield self._env.timeout(seconds)
            seconds = lost_share * fabric.stop(meter)


def _empty(shape: tuple[int, ...]) -> StepTimeline:
    """Return a timeline full of NaN, to be filled in."""
    names = {field.name for field in fields(StepTimeline)} - {"links", "lost_s"}
    columns: dict[str, Any] = {
        name: np.full(shape[:2] if name.startswith("step_") else shape, np.nan) for name in names
    }
    return StepTimeline(**columns)
