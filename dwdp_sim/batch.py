"""The copies of one call inside the copy engine: which may be in flight together, and which goes next."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import Protocol


class Window(Protocol):
    """Chooses the next copy of a call. A source (more exactly: a flow) is read by one copy at a time."""

    def take(self) -> int | None:
        """Index of a copy that may start now, or None; call again until None."""

    def release(self, index: int) -> None:
        """The copy `index` has finished."""


class OldestWindow:
    """The `places` oldest unfinished copies are in the window; those whose source is being read wait inside it."""

    def __init__(self, flow_of: Sequence[int], first: int, last: int, places: int) -> None:
        self._flow_of = flow_of
        self._next, self._last = first, last
        self._free = places
        self._waiting: dict[int, deque[int]] = {}  # by flow that is being read: copies behind it
        self._ready: deque[int] = deque()  # copies whose flow has just become free

    def take(self) -> int | None:
        """Index of a copy that may start now, or None."""
        if self._ready:
            return self._ready.popleft()
        while self._free and self._next < self._last:
            index = self._next
            self._next += 1
            self._free -= 1
            behind = self._waiting.get(self._flow_of[index])
            if behind is None:
                self._waiting[self._flow_of[index]] = deque()
                return index
            behind.append(index)
        return None

    def release(self, index: int) -> None:
        """The copy `index` has finished: its place is free, and the next one behind it may read its source."""
        self._free += 1
        behind = self._waiting[self._flow_of[index]]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._waiting[self._flow_of[index]]


class AnyWindow:
    """A free place goes to the oldest copy among all sources that are not being read."""

    def __init__(self, flow_of: Sequence[int], first: int, last: int, places: int) -> None:
        self._flow_of = flow_of
        self._free = places
        self._pending: dict[int, deque[int]] = {}
        for index in range(first, last):
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


def window(refill: str, flow_of: Sequence[int], first: int, last: int, places: int) -> Window:
    """The window of a call with copies `first` … `last` − 1.

    Args:
        refill: `oldest` or `any`.
        flow_of: Flow number of each copy of the program, in the order of execution.
        first: The call's first copy.
        last: One past its last copy.
        places: Copies in flight at once.
    """
    kind = OldestWindow if refill == "oldest" else AnyWindow
    return kind(flow_of, first, last, places)
