"""Driver calls on streams: what a copy engine runs, what each call waits for, and where each stream's time goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from dwdp_sim.fabric.flow import Flow


class Engine(Protocol):
    """The part of a copy engine that calls and gates use."""

    def offer(self, call: Call) -> None:
        """Accept `call`, which has become the head of its stream."""

    def wake(self) -> None:
        """Look again for work: a call was issued or a gate opened."""


@dataclass
class Gate:
    """A gate that opens once; calls behind it wait, and so does the rest of their stream.

    Attributes:
        is_slot: Whether it says that the call's slot is free, by an event of the compute stream. The wait for a slot is
            no part of a prefetch; the wait for a group barrier is contention.
        latency_s: From its opening to the first byte; None for a call's own fixed part.
        opened_s: When it opened.
    """

    is_slot: bool = False
    latency_s: float | None = None
    opened_s: float | None = None
    _waiting: list[Engine] = field(default_factory=list)

    def open(self, now_s: float) -> None:
        """Open the gate and wake the engines whose calls wait behind it."""
        self.opened_s = now_s
        for engine in self._waiting:
            engine.wake()
        self._waiting.clear()

    def wake_when_open(self, engine: Engine) -> None:
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
    engine: Engine
    first: int
    last: int
    is_batch: bool
    flow: Flow
    gate: Gate | None = None
    on_done: list[Callable[[], None]] = field(default_factory=list)
    issue_s: float = 0.0
    end_s: float = 0.0

    def issue(self, now_s: float) -> None:
        """Note that the host has made the call, so that its engine may run it."""
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
