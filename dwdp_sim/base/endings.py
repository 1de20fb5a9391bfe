"""Run a command so that it ends in a known way, whatever ends it: one line, its exit code, nothing half-written.

SIGINT and SIGTERM raise `Ended` in the main thread, so that every block cleans up behind itself. That takes a second at
most: if compiled code keeps the main thread busy, or an import swallows the exception, a thread that waits for signals
beside it removes unfinished files and ends the process.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from dwdp_sim.base.errors import FAILED, DwdpError, stop, visible
from dwdp_sim.base.owner import remove_unfinished

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE_S = 1.0
_READER_GONE = 128 + signal.SIGPIPE
_SHOW_CURSOR = "\x1b[?25h"
_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # Python's own 700 (or 2,000) cost a short command a tenth of its time


class Ended(KeyboardInterrupt):
    """SIGINT or SIGTERM asks the process to end.

    Attributes:
        hint: What the user should know about what has been ended; may be set on the way up.
    """

    hint = ""


def run_command(work: Callable[[], object], *, silent: bool = False) -> None:
    """Run `work`, the whole of a command, and end the process unless it ends well.

    A signal ends it with one line and 128 + its number (SIGINT 130, SIGTERM 143), an error that its message explains
    with one line and the error's exit code. Other errors are faults of this toolkit and keep their trace.

    Args:
        work: What the command does.
        silent: Whether whoever started the process says itself that a signal has ended it.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    ending = _Ending(silent)
    with ending.listening():
        try:
            work()
            sys.stdout.flush()  # a full disk or a closed pipe shows here, or else when nobody can catch it
        except BaseException as error:
            ending.end_if_asked(error.hint if isinstance(error, Ended) else "")
            with in_one_line():
                raise
        ending.end_if_asked()


@contextmanager
def in_one_line() -> Iterator[None]:
    """End the process with one line if the block raises an error that its message explains."""
    try:
        yield
    except DwdpError as error:
        stop(error, error.exit_code)
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_READER_GONE)
    except OSError as error:
        reason = error.strerror or error
        stop(reason if error.filename is None else f"{error.filename}: {reason}")
    except MemoryError:
        stop("this process got no more memory; fewer workers or a smaller job need less", FAILED)


def surely(clean: Callable[[], object]) -> None:
    """Run `clean`, and once more if a signal cuts it short: a process is asked to end only once."""
    try:
        clean()
    except Ended:
        clean()
        raise


@functools.cache
def _ignore_signals_at_exit() -> None:
    """What a command was to do is done when the interpreter ends, which takes a tenth of a second."""
    atexit.register(lambda: [signal.signal(number, signal.SIG_IGN) for number in _SIGNALS])


class _Ending:
    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._asked: int | None = None
        self._raised = False
        self._once = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer signals while the block runs, but those that the process was started to ignore."""
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        before = {number: signal.signal(number, self._raise) for number in heard}
        watching = threading.Thread(target=self._watch, args=(reading,), daemon=True)
        watching.start()
        try:
            yield
        finally:
            _ignore_signals_at_exit()  # registered last, it comes first
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(woken)
            os.close(writing)
            watching.join()
            os.close(reading)

    def end_if_asked(self, hint: str = "") -> None:
        """End the process if a signal has come."""
        if self._asked is not None:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            self._end(hint)

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        self._asked = number if self._asked is None else self._asked
        if not self._raised:
            self._raised = True
            sys.unraisablehook = lambda _: None  # what is raised where nobody can catch it needs no lines
            threading.excepthook = lambda _: None
            sys.excepthook = lambda *_: self._end()
            raise Ended(number)

    def _watch(self, reading: int) -> None:
        """The kernel's signals arrive here even if the main thread is not able to look."""
        while told := os.read(reading, 1):
            if told[0] in _SIGNALS:
                self._asked = told[0] if self._asked is None else self._asked
                time.sleep(_GRACE_S)
                remove_unfinished()
                self._end()

    def _end(self, hint: str = "") -> NoReturn:
        self._once.acquire()  # for good: whoever comes second waits for the end
        number = signal.Signals(self._asked or signal.SIGTERM)
        if not self._silent:
            what = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
            line = f"{os.path.basename(sys.argv[0])}: {what}{hint and '; '}{hint}"
            with suppress(OSError):
                os.write(2, f"{_SHOW_CURSOR if os.isatty(2) else ''}{visible(line)}\n".encode())
        os._exit(128 + number)
