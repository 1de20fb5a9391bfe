"""A pool of Python processes that end with this one and whose death is told in a line."""

from __future__ import annotations

import pickle
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from dwdp_sim.base.child_process import start_child
from dwdp_sim.base.errors import FAILED, DwdpError

_P = ParamSpec("_P")
_T = TypeVar("_T")


class WorkerDied(DwdpError):
    """A worker process has ended while it worked, by a signal or by an exit code (as of `subprocess`)."""

    exit_code = FAILED

    def __init__(self, pid: int, code: int) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        advice = "; if memory ran out, fewer need less: workers=1" if code == -signal.SIGKILL else ""
        super().__init__(f"worker process {pid} {how}{advice}")


class ProcessWorkers(ThreadPoolExecutor):
    """Threads that each hand what they are to run to a process of their own.

    The pools of the standard library leave their processes and semaphores behind when this process is killed.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._own = threading.local()
        self._children: list[subprocess.Popen[bytes]] = []
        self._over = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run `fn`, which must be picklable, in a process; `WorkerDied` is its error if that process ends."""
        return super().submit(self._in_child, fn, args, kwargs)

    def kill(self) -> None:
        """End all processes; whatever they run fails."""
        self._over = True
        for child in self._children:
            child.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all threads and processes once they have finished what they run; always waits for that."""
        super().shutdown(wait=True, cancel_futures=cancel_futures)
        for child in self._children:
            with suppress(BrokenPipeError):  # it has been killed
                child.communicate()

    def _in_child(self, function: Callable[..., _T], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _T:
        request = pickle.dumps((function, arguments, keywords))
        child = self._child()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(request)
            child.stdin.flush()
            well, answer = pickle.load(child.stdout)  # noqa: S301  # the other end of the pipe is ours alone
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise WorkerDied(child.pid, child.wait()) from error
        if not well:
            raise answer
        found: _T = answer
        return found

    def _child(self) -> subprocess.Popen[bytes]:
        if not hasattr(self._own, "child"):
            self._own.child = start_child("dwdp_sim.fabric.worker_process", stdout=subprocess.PIPE)
            self._children.append(self._own.child)
            if self._over:
                self._own.child.kill()
        child: subprocess.Popen[bytes] = self._own.child
        return child
