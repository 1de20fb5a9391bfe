"""Run the engine's command in a group of its own, pass signals on to it, and end as it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

ENDING_S = 20.0  # for the engine, once it has been asked to end; then it is killed
_LOOK_EVERY_S = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_child(command: Sequence[str], environment: Mapping[str, str], ending_s: float = ENDING_S) -> int:
    """Run a command and return its exit code: 128 + its number if a signal has ended it.

    SIGINT and SIGTERM that this process gets go to the command's whole group. If the command has not ended within
    `ending_s` seconds of the first, its group is killed.

    Raises:
        OSError: It cannot be started.
    """
    asked: list[float] = []
    child = subprocess.Popen(command, env=environment, process_group=0)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(time.monotonic())
        _to_group(child, number)

    before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(_LOOK_EVERY_S)
                return code if code >= 0 else 128 - code
            if asked and time.monotonic() - asked[0] > ending_s:
                _to_group(child, signal.SIGKILL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _to_group(child: subprocess.Popen[bytes], number: int) -> None:
    if child.poll() is None:  # as long as it has not been waited for, its number means no other group
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
