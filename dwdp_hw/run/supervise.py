"""Watch over a group of ranks: collect their results, and say which rank is lost and why."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult, result_from_text
from dwdp_hw.group.faults import FAULT_EXIT, RankFault, fault_from_text, fault_key
from dwdp_hw.group.liveness import Liveness, last_seen
from dwdp_hw.run.worker import Work, result_key
from dwdp_sim.base.errors import ConfigError

POLL_S = 0.05
_HANG_FACTOR = 2.0  # a rank's own deadline comes first; this one is for those that can no longer speak
OnResult = Callable[[Case, list[RankResult]], None]


class Supervision:
    """Collects results until every rank's process has ended well; raises as soon as one has not."""

    def __init__(self, work: Work, store: Any, processes: list[subprocess.Popen[bytes]], on_result: OnResult) -> None:
        self._work, self._store, self._processes, self._on_result = work, store, processes, on_result
        self._liveness = _liveness(work.settings, store, len(processes))
        self._done = 0

    def run(self) -> None:
        """Collect results until every rank has ended.

        Raises:
            RankFault: A rank died, hung, never arrived or failed.
            ConfigError: A rank found that the configuration cannot be run here.
        """
        while True:
            ended = [process.poll() for process in self._processes]
            self._collect()
            if any(ended):
                raise self._why([rank for rank, code in enumerate(ended) if code], ended)
            if all(code == 0 for code in ended):
                return
            running = [rank for rank, code in enumerate(ended) if code is None]
            if len(running) == len(ended):  # a rank that has ended well sends no heartbeat
                self._liveness.check()
            time.sleep(POLL_S)

    def _collect(self) -> None:
        size = len(self._processes)
        while self._done < len(self._work.cases):
            if not self._store.check([result_key(self._done, rank) for rank in range(size)]):
                return
            self._on_result(self._work.cases[self._done], read_results(self._store, self._done, size))
            self._done += 1

    def _why(self, failed: list[int], codes: list[int | None]) -> RankFault | ConfigError:
        left = left_fault(self._store, failed)
        if left is not None:
            return left
        rank = failed[0]
        seen = last_seen(self._store, rank)
        code = codes[rank] or 0
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return RankFault(rank, seen.get("host", socket.gethostname()), seen.get("text", "start"), how)


def watch_in_background(settings: Settings, store: Any, size: int) -> None:
    """Without a launcher of ours each rank watches all; a lost rank ends this process too."""

    def watch() -> None:
        liveness = _liveness(settings, store, size)
        while True:
            time.sleep(1.0)
            try:
                liveness.check()
            except (RankFault, ConfigError) as fault:  # lost, or forged by a stranger
                sys.stderr.write(f"dwdp-hw: {fault}\n")
                os._exit(FAULT_EXIT)

    threading.Thread(target=watch, daemon=True).start()


def _liveness(settings: Settings, store: Any, size: int) -> Liveness:
    hang_s = settings.wait_s * _HANG_FACTOR
    return Liveness(store, size, start_s=settings.start_s, heartbeat_s=settings.heartbeat_s, hang_s=hang_s)


def read_results(store: Any, case: int, size: int) -> list[RankResult]:
    """Return every rank's result of a case, by rank; all must have left theirs."""
    return [result_from_text(store.get(result_key(case, rank)).decode()) for rank in range(size)]


def left_fault(store: Any, ranks: Iterable[int]) -> RankFault | ConfigError | None:
    """Return the first fault that one of `ranks` has left, if any has."""
    for rank in ranks:
        if store.check([fault_key(rank)]):
            return fault_from_text(store.get(fault_key(rank)).decode())
    return None
