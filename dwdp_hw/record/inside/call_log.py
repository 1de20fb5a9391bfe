"""Wrap functions that copy: each call goes on as it was and leaves one tuple behind, which a writer takes later."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

MOST_PENDING = 16_384  # calls that wait to be written; beyond, the oldest are lost, and counted
WATCHED = "watched_by_dwdp"  # an attribute of functions that are


class MadeCall(NamedTuple):
    """One call as it was made; nothing in it has been looked at yet.

    Attributes:
        order: Number among all calls of the process.
        thread: Python's number of the thread.
        begin_ns, end_ns: On the monotonic clock.
        name: Of the function.
        arguments, named: What it was given; lists as they were then.
        result: What it returned.
    """

    order: int
    thread: int
    begin_ns: int
    end_ns: int
    name: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    result: Any


class CallLog:
    """Calls that were made and are not yet written.

    Attributes:
        pending: As plain tuples with the fields of `MadeCall`; threads append and take without a lock.
        next_order: Gives the number of the next call.
        converted: Copies of tensors that a kernel made, because they were converted or strided.
        unread: Calls that could not be looked at.
    """

    def __init__(self) -> None:
        self.pending: deque[tuple[Any, ...]] = deque(maxlen=MOST_PENDING)
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a process that has just been forked: the calls so far are its parent's."""
        self.pending.clear()
        self._orders = itertools.count()
        self.converted = self.unread = 0

    def next_order(self) -> int:
        """Return the number of the next call."""
        return next(self._orders)


def watched_call(log: CallLog, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, its calls noted in `log`; arguments must be values, not containers."""
    clock, thread, order, note = time.monotonic_ns, threading.get_ident, log.next_order, log.pending.append
    name = function.__name__

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        begin_ns = clock()
        result = function(*arguments, **named)
        note((order(), thread(), begin_ns, clock(), name, arguments, named, result))
        return result

    setattr(watched, WATCHED, True)
    return watched


def watched_batch(log: CallLog, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which takes lists that its caller may change afterwards, its calls noted in `log`."""
    clock, thread, order, note = time.monotonic_ns, threading.get_ident, log.next_order, log.pending.append
    name = function.__name__

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        begin_ns = clock()
        result = function(*arguments, **named)
        end_ns = clock()
        kept = tuple(tuple(value) if isinstance(value, list) else value for value in arguments)
        kept_named = {key: tuple(value) if isinstance(value, list) else value for key, value in named.items()}
        note((order(), thread(), begin_ns, end_ns, name, kept, kept_named, result))
        return result

    setattr(watched, WATCHED, True)
    return watched
