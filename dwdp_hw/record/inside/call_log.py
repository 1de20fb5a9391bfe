"""Wrap functions that copy: each call goes on as it was and leaves one tuple behind, which a writer takes later."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

MOST_PENDING = 65_536  # calls that wait, as while a profiler starts; beyond, the oldest are lost, and counted
WATCHED = "watched_by_dwdp"  # an attribute of functions that are
Columns = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]
"""Destinations, sources and bytes of copies, as the caller gave them."""

Read = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Columns, Any]]
"""Returns the columns and the stream that a call's arguments name."""


class CallLog:
    """Calls that were made and are not yet written.

    Attributes:
        pending: A tuple for each call: its order, thread, begin and end in nanoseconds, name, the key of its copies,
            the copies themselves unless the key is known, stream, and what it returned. Where the key is None, it
            has what reads the arguments, and these. Threads append and take without a lock.
        known: The number of copies that are written, by their key; −1 of those that are not.
        shared: Memory that was offered to other processes or opened from them, and not yet written: whether it was
            opened, its address, and what tells its handle from others.
        is_full: Whether no further copies are written, so that nobody need keep them.
        converted: Copies of tensors that a kernel made, because they were converted or strided.
        unread: Calls that could not be looked at.
    """

    def __init__(self) -> None:
        self.pending: deque[tuple[Any, ...]] = deque(maxlen=MOST_PENDING)
        self.known: dict[int, int] = {}
        self.shared: deque[tuple[bool, int, str]] = deque()
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a process that has just been forked: the calls so far are its parent's."""
        self.pending.clear()
        self.known.clear()
        self.shared.clear()
        self.is_full = False
        self._orders = itertools.count()
        self.converted = self.unread = 0

    def next_order(self) -> int:
        """Return the number of the next call."""
        return next(self._orders)

    def note(self, begin_ns: int, end_ns: int, name: str, columns: Any, stream: Any, result: tuple[Any, ...]) -> None:
        """Note a call.

        Two lists of copies with the same 64-bit hash are taken for one: comparing them would cost more than all the
        rest. It is taken here, where the processor has just seen the numbers, and so that lists which are known need
        not be kept.
        """
        key = hash(columns)
        kept = None if key in self.known or self.is_full else columns
        order, thread = self.next_order(), threading.get_ident()
        self.pending.append((order, thread, begin_ns, end_ns, name, key, kept, stream, result))


def watched_call(log: CallLog, function: Callable[..., Any], read: Read) -> Callable[..., Any]:
    """Return `function`, its calls noted in `log`; its arguments are values, which the writer can read as well."""
    clock, thread, order, note = time.monotonic_ns, threading.get_ident, log.next_order, log.pending.append
    name = function.__name__

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        begin_ns = clock()
        result = function(*arguments, **named)
        note((order(), thread(), begin_ns, clock(), name, None, (read, arguments, named), None, result))
        return result

    setattr(watched, WATCHED, True)
    return watched


def watched_batch(log: CallLog, function: Callable[..., Any], read: Read) -> Callable[..., Any]:
    """Return `function`, its calls noted in `log`; its arguments are lists, which their owner may change afterwards."""
    clock, note, name = time.monotonic_ns, log.note, function.__name__

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        begin_ns = clock()
        result = function(*arguments, **named)
        end_ns = clock()
        try:
            columns, stream = read(arguments, named)
            note(begin_ns, end_ns, name, columns, stream, result)
        except Exception:  # arguments of a version that is not known; the engine comes first
            log.unread += 1
        return result

    setattr(watched, WATCHED, True)
    return watched
