"""Calls of a program, and the host threads that make them, in exact fractions: written from `docs/model.md` alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.fabric.exact_fabric import Engine, Flow


@dataclass
class Call:
    """One driver call.

    Attributes:
        number: Its place in the program.
        stream: The stream that it is on.
        engine: The engine that runs it; its first copy decides.
        is_batch: Whether it is a batch.
        barrier: The barrier that it counts for; it waits for the one before.
        runs: Its copies, cut where the way changes and before each copy inside one GPU.
        issued_s: When its cost was paid.
    """

    number: int
    stream: int
    engine: Engine
    is_batch: bool
    barrier: int
    runs: list[list[int]]
    issued_s: Fraction | None = None

    @property
    def first(self) -> int:
        """Its first copy."""
        return self.runs[0][0]

    @property
    def copies(self) -> int:
        """How many copies it has."""
        return sum(map(len, self.runs))


def flow_of(program: Program, copy: int, engine: Engine) -> Flow:
    """The flow that moves `copy` if `engine` runs it."""
    return Flow(engine, int(program.copy_src[copy]), int(program.copy_dst[copy]))


def calls_of(program: Program, stream: int) -> list[Call]:
    """The calls of one stream."""
    calls = []
    gpu = int(program.stream_gpu[stream])
    for number in range(len(program.call_stream)):
        if program.call_stream[number] == stream:
            first, end = program.call_first_copy[number : number + 2].tolist()
            way = flow_of(program, first, (gpu, "")).way
            engine = (gpu, way if way.startswith("host") else "peer")
            is_batch = bool(program.call_issue[number] == BATCH)
            runs = _cut(program, range(first, end), engine)
            calls.append(Call(number, stream, engine, is_batch, int(program.call_barrier[number]), runs))
    return calls


def _cut(program: Program, copies: Sequence[int], engine: Engine) -> list[list[int]]:
    ways = {copy: flow_of(program, copy, engine).way for copy in copies}
    runs = [[copies[0]]]
    for copy in copies[1:]:
        if ways[copy] != ways[copy - 1] or ways[copy] == "local":
            runs.append([])
        runs[-1].append(copy)
    return runs


def from_table(rows: Sequence[Sequence[float]], size: int) -> Fraction:
    """Seconds for `size` bytes: linear in the logarithm between rows, constant outside; exact on rows."""
    for (small, least), (large, most) in pairwise(rows):
        if small < size < large:
            share = Fraction((math.log2(size) - math.log2(small)) / (math.log2(large) - math.log2(small)))
            return Fraction(least) + share * (Fraction(most) - Fraction(least))
    below = [seconds for row_size, seconds in rows if row_size <= size]
    return Fraction(below[-1] if below else rows[0][1])


class HostThread:
    """Makes the calls of one GPU's streams, one at a time; a stream comes when its call before has been made.

    Args:
        program: What is run.
        values: The cluster's constants.
        streams: Calls of each of its streams and when that stream starts.
        first: Which of several calls goes first that came at one instant.
    """

    def __init__(
        self,
        program: Program,
        values: dict[str, Any],
        streams: Sequence[tuple[list[Call], Fraction]],
        first: Callable[[list[Call]], Call],
    ) -> None:
        self.program, self.values, self.first = program, values, first
        self.to_make = [list(calls) for calls, _ in streams if calls]
        self.came_s = {calls[0].number: start_s for calls, start_s in streams if calls}
        self.making: Call | None = None
        self.made_s = Fraction(0)
        self.held_by: Call | None = None  # a call that has been made, but ends only when its bytes have arrived

    def act(self, now: Fraction, open_calls: Sequence[Call]) -> bool:
        """Does one thing that is due, if any is; `open_calls` are the heads of streams whose barriers are open."""
        if self.held_by is not None:
            if self.held_by in open_calls:
                return False
            self._go_on(self.held_by, now)
            self.held_by = None
            return True
        if self.making is not None:
            if self.made_s > now:
                return False
            call, self.making = self.making, None
            call.issued_s = self.made_s
            if self._ends_on_arrival(call, open_calls):
                self.held_by = call
            else:
                self._go_on(call, now)
            return True
        heads = [calls[0] for calls in self.to_make if self.came_s[calls[0].number] <= now]
        if not heads:
            return False
        came_s = min(self.came_s[call.number] for call in heads)
        self.making = self.first([call for call in heads if self.came_s[call.number] == came_s])
        self.made_s = now + self._cost_s(self.making)
        return True

    def next_s(self) -> list[Fraction]:
        """Instants at which it has something to do, as far as they are known."""
        if self.making is not None:
            return [self.made_s]
        return [] if self.held_by else [self.came_s[calls[0].number] for calls in self.to_make]

    def _go_on(self, call: Call, now: Fraction) -> None:
        calls = next(calls for calls in self.to_make if calls[0] is call)
        calls.pop(0)
        if calls:
            self.came_s[calls[0].number] = now
        else:
            self.to_make.remove(calls)

    def _cost_s(self, call: Call) -> Fraction:
        if not call.is_batch:
            return Fraction(self.values["issue_async_s"])
        return Fraction(self.values["issue_batch_s"]) + call.copies * Fraction(self.values["issue_slice_s"])

    def _ends_on_arrival(self, call: Call, open_calls: Sequence[Call]) -> bool:
        """Whether it is a batch from host memory that begins at once, and the host waits for such."""
        if self.values["host_batch_returns"] != "arrived" or not call.is_batch:
            return False
        return int(self.program.copy_src[call.first]) == HOST and call in open_calls
