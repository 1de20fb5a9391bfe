"""Streams and events of the fake driver: one thread a stream, and no more commands than a real one takes."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda

STREAM_HOLDS = 1000  # commands
_LONGEST_S = 10.0


class Status(IntEnum):
    """Of runtime and driver alike."""

    SUCCESS = 0
    ERROR_INVALID_VALUE = 1
    ERROR_NOT_READY = 600
    ERROR_LAUNCH_FAILURE = 719


class CoreError(Exception):
    """What cuda.core raises."""


class Stream:
    """Runs commands in order on a thread of its own, each when the one before has ended."""

    def __init__(self, cuda: FakeCuda, handle: int) -> None:
        self._cuda, self.handle = cuda, handle
        self.rank = threading.get_ident()
        self.order: list[str] = []
        self._commands: queue.Queue[Callable[[], object] | None] = queue.Queue(STREAM_HOLDS)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (command := self._commands.get()) is not None:
            try:
                command()
            except Exception as error:
                self._cuda.broken.append(error)
            self._commands.task_done()

    def drain(self) -> None:
        """Wait until it is empty."""
        self._commands.join()

    def stop(self) -> None:
        """End its thread."""
        self._commands.put(None)
        self._thread.join()

    def take(self, name: str, command: Callable[[], object]) -> None:
        """Queue a command; a full stream whose gate only this host could open would wait for ever."""
        try:
            self._commands.put(command, timeout=2.0)
        except queue.Full:
            raise AssertionError(f"{name} waits behind a closed gate: the stream is full") from None
        self.order.append(name)

    def record(self, event: Event) -> None:
        """See cuda.core."""
        self._cuda.note_call("cuEventRecord", core=True)
        event.happened.clear()
        self.take("record", event.happen)

    def wait(self, event: Event) -> None:
        """See cuda.core."""
        self._cuda.note_call("cuStreamWaitEvent", core=True)
        self.take("wait", lambda: event.happened.wait(_LONGEST_S))


class Event:
    """A moment on a stream."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda, self.at_s, self.happened = cuda, 0.0, threading.Event()

    def happen(self) -> None:
        """Stamp it."""
        self.at_s = time.monotonic()
        self.happened.set()

    @property
    def is_done(self) -> bool:
        """See cuda.core."""
        self._cuda.note_call("cuEventQuery", core=True)
        return self.happened.is_set()

    def __sub__(self, other: Event) -> float:
        return (self.at_s - other.at_s) * 1e3

    def close(self) -> None:
        """See cuda.core."""
