"""Answer signals before anything else is imported: imports take longer than the start of the interpreter.

What this module imports itself every interpreter has loaded when it starts, or loads in a millisecond.
"""

from __future__ import annotations

import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EarlySignals:
    """While this is entered, SIGINT and SIGTERM end the process with one line; there is nothing to clean up yet.

    Signals that the process was started to ignore stay ignored. Once `endings.run_command` runs, it answers them.
    """

    def __enter__(self) -> None:
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        try:
            self._before = {number: signal.signal(number, lambda number, _: _end(number)) for number in heard}
        except ValueError:  # only the main thread answers signals
            self._before = {}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def line_of(number: int) -> str:
    """What a command says that a signal ends."""
    what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    return f"{os.path.basename(sys.argv[0])}: {what}"


def _end(number: int) -> None:
    try:
        os.write(2, f"{line_of(number)}\n".encode())
    finally:
        os._exit(128 + number)
