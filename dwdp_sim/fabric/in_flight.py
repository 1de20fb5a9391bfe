"""Choose which copies of a batch are in flight at the same time, and which one starts next."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol


class Window(Protocol):
    """Chooses the next copy of a batch. A source (more exactly: a flow) is read by one copy at a time."""

    def take(self) -> int | None:
        """Index of a copy that may start now, or None; call again until None."""

    def release(self, index: int) -> None:
        """The copy `index` has finished."""


class OldestWindow:
    """The `places` oldest unfinished copies are in the window; those whose source is being read wait inside it."""

    def __init__(self, flow_of: Sequence[int], members: Sequence[int], places: int) -> None:
        self._members = iter(members)
        self._free = places
        self._sources = _Sources(flow_of)

    def take(self) -> int | None:
        """Index of a copy that may start now, or None."""
        while (index := self._sources.next_ready()) is None and self._free:
            entering = next(self._members, None)
            if entering is None:
                return None
            self._free -= 1
            self._sources.add(entering)
        return index

    def release(self, index: int) -> None:
        """The copy `index` has finished: its place is free, and the next one behind it may read its source."""
        self._free += 1
        self._sources.release(index)


class AnyWindow:
    """A free place goes to the oldest copy among all sources that are not being read."""

    def __init__(self, flow_of: Sequence[int], members: Sequence[int], places: int) -> None:
        self._flow_of = flow_of
        self._free = places
        self._pending: dict[int, deque[int]] = {}
        for index in members:
            self._pending.setdefault(flow_of[index], deque()).append(index)
        self._heads = [queue.popleft() for queue in self._pending.values()]  # one for each source not being read
        heapq.heapify(self._heads)

    def take(self) -> int | None:
        """Index of a copy that may start now, or None."""
        if not self._free or not self._heads:
            return None
        self._free -= 1
        return heapq.heappop(self._heads)

    def release(self, index: int) -> None:
        """The copy `index` has finished: its place and its source are free."""
        self._free += 1
        pending = self._pending[self._flow_of[index]]
        if pending:
            heapq.heappush(self._heads, pending.popleft())


class SplitWindow:
    """Two engines share a batch: the sources that it names first, third, … go to one, the others to the other."""

    def __init__(self, flow_of: Sequence[int], members: Sequence[int], one: Callable[[Sequence[int]], Window]) -> None:
        number = {flow: place for place, flow in enumerate(dict.fromkeys(flow_of[index] for index in members))}
        halves = [[index for index in members if number[flow_of[index]] % 2 == half] for half in (0, 1)]
        self._halves = [one(half) for half in halves]
        self._half_of = {index: number[flow_of[index]] % 2 for index in members}

    def take(self) -> int | None:
        """Index of a copy that may start now, or None."""
        for half in self._halves:
            if (index := half.take()) is not None:
                return index
        return None

    def release(self, index: int) -> None:
        """The copy `index` has finished."""
        self._halves[self._half_of[index]].release(index)


class ByteWindow:
    """At most `limit` bytes are requested and have not arrived; the engine requests them in the order of the batch.

    A copy may move bytes once all but `limit` of the bytes before it have arrived and its source has finished the
    copies before it: while the engine requests a copy's bytes, it does so as fast as the whole batch's bytes arrive,
    which is at least as fast as that copy's own do.
    """

    def __init__(self, flow_of: Sequence[int], members: Sequence[int], size: Sequence[int], limit: float) -> None:
        self._members, self._size = members, size
        self._sources = _Sources(flow_of)
        self._next = 0
        self._opens_at = -limit  # arrived bytes at which the next copy may move

    def open(self, arrived: float) -> float | None:
        """Let in what may move once `arrived` bytes of the batch are here.

        Args:
            arrived: Bytes; may fall short of a threshold by rounding.

        Returns:
            The arrived bytes at which the next copy may move; None when all are in.
        """
        while self._next < len(self._members) and self._opens_at <= arrived:
            index = self._members[self._next]
            self._sources.add(index)
            self._next += 1
            self._opens_at += self._size[index]
        return self._opens_at if self._next < len(self._members) else None

    def take(self) -> int | None:
        """Index of a copy that may start now, or None."""
        return self._sources.next_ready()

    def release(self, index: int) -> None:
        """The copy `index` has finished: the next one behind it may read its source."""
        self._sources.release(index)


class _Sources:
    """Copies that may move, of which each source serves one at a time, in order."""

    def __init__(self, flow_of: Sequence[int]) -> None:
        self._flow_of = flow_of
        self._behind: dict[int, deque[int]] = {}  # by flow that is being read
        self._ready: deque[int] = deque()

    def add(self, index: int) -> None:
        behind = self._behind.get(self._flow_of[index])
        if behind is None:
            self._behind[self._flow_of[index]] = deque()
            self._ready.append(index)
        else:
            behind.append(index)

    def next_ready(self) -> int | None:
        return self._ready.popleft() if self._ready else None

    def release(self, index: int) -> None:
        behind = self._behind[self._flow_of[index]]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._behind[self._flow_of[index]]


def places_window(flow_of: Sequence[int], members: Sequence[int], refill: str, places: int, engines: int) -> Window:
    """The window of a batch that has `places` copies in flight.

    Args:
        flow_of: Flow number of each copy of the program, in the order of execution.
        members: The batch's copies.
        refill: `oldest` or `any`.
        places: Copies in flight at once, in each engine.
        engines: Engines that share the batch, 1 or 2.
    """
    kind = OldestWindow if refill == "oldest" else AnyWindow
    if engines == 1:
        return kind(flow_of, members, places)
    return SplitWindow(flow_of, members, lambda half: kind(flow_of, half, places))
