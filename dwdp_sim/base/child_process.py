"""Python processes that live no longer than the one that started them."""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.5
# Asks the group to end, and after three seconds makes it; goes itself as soon as nobody is left.
_WATCH = """
read -r line && exit
kill -s TERM -- -{group}
tries=0
while kill -s 0 -- -{group}; do
    tries=$((tries + 1))
    [ $tries -gt 30 ] && kill -s KILL -- -{group}
    sleep 0.1
done
"""


def start_child(
    module: str, *arguments: str, env: Mapping[str, str] | None = None, **how: Any
) -> subprocess.Popen[bytes]:
    """Start a Python process that runs `main()` of `module` and ends when this process does, however that happens.

    Its standard input is a pipe whose other end is here alone. It never hears SIGINT, which a terminal sends to both:
    this process hears it and ends the child. With `process_group=0` what the child has started ends with it.

    Args:
        module: Its full name; it is found wherever this process finds modules.
        arguments: The child's `sys.argv` after the first.
        env: Its environment; this process's when unset.
        how: More arguments of `subprocess.Popen`.
    """
    environment = {**(os.environ if env is None else env), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", __name__, module, *arguments]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a child begins with what is blocked here
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, **how)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_when_orphaned(parent: int) -> None:
    """End this process, which somebody else's code has started, soon after `parent` has ended."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


@contextmanager
def group_ending_with_this_process(group: int) -> Iterator[None]:
    """While the block runs, a group of processes ends soon after this process, even if its leader is killed with it.

    What a child has started ends with the child; where both are killed at one instant, nobody of them is left to end
    it. So a shell waits at the end of a pipe whose other end is here alone.

    Args:
        group: The group's number.
    """
    command, nowhere = ["/bin/sh", "-c", _WATCH.format(group=group)], subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def main() -> None:
    """What the child does."""
    if sys.platform == "linux" and not _leads_a_group():  # reaches a stopped process, too
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    importlib.import_module(module).main()


def _end_with_parent() -> None:
    lifeline = select.poll()
    lifeline.register(0, 0)  # nothing but its other end's closing
    lifeline.poll()
    if _leads_a_group():
        os.killpg(0, signal.SIGTERM)
    else:
        os._exit(1)


def _leads_a_group() -> bool:
    return os.getpgrp() == os.getpid()


if __name__ == "__main__":
    main()
