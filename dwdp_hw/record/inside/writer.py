"""Write down what the process has called, from a thread of its own, and once more when the process ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Any, NoReturn

from dwdp_hw.record.inside.call_log import CallLog
from dwdp_hw.record.inside.profile_window import ProfileWindow
from dwdp_hw.record.inside.record_file import RecordFile

INTERVAL_S = 0.1  # a process that is killed loses at most what it called since the last one
_CALLS_AT_ONCE, _PAUSE_S = 64, 1e-3  # in between, the interpreter is the engine's: a tenth of it at most is taken
_LAST_WAIT_S = 30.0  # for what is being written when the process ends, a profile above all


class Writer:
    """Takes calls from the log and writes them; a forked process has a file of its own."""

    def __init__(self, folder: str, log: CallLog, window: tuple[float, float] | None) -> None:
        """`window`: seconds after the first call when the profiler starts, and how long it records; None never."""
        self._folder, self._log, self._window = folder, log, window
        self._watched: dict[str, list[str]] = {}
        self._begin()
        atexit.register(self.end)
        os.register_at_fork(after_in_child=self._begin_in_child)
        self._end_by_exit()

    def watched(self, module: str, functions: list[str]) -> None:
        """Note that a module's functions are watched now, and begin to write."""
        self._watched[module] = functions  # written later: the module is still being imported, and must not wait
        self._start()

    def end(self) -> None:
        """Write everything that is left; later calls are not recorded."""
        self._ending.set()
        if self._thread is not None and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_LAST_WAIT_S)
        self._guarded(self._last)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._file = RecordFile(self._folder, self._log)
        self._profile = ProfileWindow(self._folder, self._window)
        self._named: set[str] = set()  # modules that stand in the file
        self._failed = self._finished = False

    def _begin_in_child(self) -> None:
        if self._file.is_open:
            self._file.close()  # the parent's
        self._log.forget()
        self._begin()
        if self._watched:
            self._start()

    def _end_by_exit(self) -> None:
        """`os._exit`, by which forked workers end, runs no `atexit`."""
        leave = os._exit

        def _exit(status: int) -> NoReturn:
            self.end()
            leave(status)

        os._exit = _exit

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dwdp_hw.record", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(INTERVAL_S):
            self._guarded(self._write)
            self._guarded(self._profile_now)
            if self._failed:
                self._log.pending.clear()
        self._guarded(self._stop_profile)

    def _guarded(self, work: Any) -> None:
        """Whatever goes wrong must not hurt the engine."""
        if self._failed or not self._lock.acquire(timeout=1.0):
            return
        try:
            work()
        except Exception as error:  # a full disk, a folder that is gone
            self._failed = True
            sys.stderr.write(f"dwdp_hw.record: recording ends: {type(error).__name__}: {error}\n")
        finally:
            self._lock.release()

    def _write(self) -> None:
        """Write what has been called so far; the file comes with the first watched module that this process uses."""
        if not self._file.is_open:
            self._file.open()
        for module in [module for module in list(self._watched) if module not in self._named]:
            self._named.add(module)
            self._file.line({"what": "watched", "module": module, "functions": self._watched[module]})
        self._file.take_shared()
        pending = self._log.pending
        for number in range(len(pending)):
            try:
                call = pending.popleft()
            except IndexError:  # the engine was faster, and the oldest was lost
                break
            self._profile.first_call_at(call[2])
            is_new = False
            try:
                is_new = self._file.call(call)
            except OSError:
                raise
            except Exception:  # arguments of a version that is not known
                self._log.unread += 1
            if (is_new or number % _CALLS_AT_ONCE == 0) and not self._ending.is_set():
                time.sleep(_PAUSE_S)
        self._file.flush()

    def _profile_now(self) -> None:
        said = self._profile.step(self._file.gpu)
        if said is not None:
            self._file.line(said)

    def _stop_profile(self) -> None:
        said = self._profile.stop()
        if said is not None and self._file.is_open:
            self._file.line(said)

    def _last(self) -> None:
        if self._finished or not (self._file.is_open or self._watched):
            return
        self._write()
        self._finished = True
        log, file = self._log, self._file
        counts = {"calls": file.calls, "lost": file.lost, "left_out": file.left_out}
        file.line({"what": "end", **counts, "unread": log.unread, "converted": log.converted})
        file.flush()
        file.close()
