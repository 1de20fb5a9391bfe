"""The worker that launchers start: it walks the sweep's jobs, claims those that are free, and runs them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig

from dwdp_sim.job.build import build_run
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.claims import attempts, claim, is_held, record
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.jobs_file import load_jobs
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, failed_in, failure_rows, result_rows, write_rows

_LOOK_EVERY_S = 0.5
_AMONG = 100  # jobs of a sweep, about: not how many there are, since a job's digits depend on its configuration alone


@dataclass(frozen=True)
class Worker:
    """A Hydra task that takes its jobs from a file and ignores the configuration it is called with.

    Attributes:
        folder: Where claims and rows are.
        jobs_file: The sweep's jobs (`dwdp_sim.sweep.jobs_file`).
        jobs_sha256: Its digest.
        sweep: Name of the sweep that started it.
        attempts: How many attempts at a job may end with its worker's death.
        suspect: The only job to run, one whose worker has died before; None for every job without such a death.
        cwd: Where relative paths in the jobs' configurations begin.
        launcher: A claim that the process that launched it holds while it lives.
        launcher_host: The machine of that process; a worker on another machine does not end with it.
    """

    folder: Folder
    jobs_file: Path
    jobs_sha256: str
    sweep: str
    attempts: int
    suspect: str | None
    cwd: Path
    launcher: Path
    launcher_host: str

    def __call__(self, config: DictConfig) -> str | None:
        """Work until nothing is left to claim.

        Returns:
            Why it stopped before that; None if it did not.
        """
        del config
        with chdir(self.cwd), self._ending_with_launcher():
            try:
                for asked in load_jobs(self.jobs_file, self.jobs_sha256):
                    if self._concerns(asked.job):
                        self._claim_and_run(asked)
            except OSError as error:  # claims and rows cannot be written: the next job would fare no better
                return f"{error.filename or self.folder.path}: {error.strerror or error}"
        return None

    def _concerns(self, job: str) -> bool:
        if self.suspect is not None:
            return job == self.suspect
        return not self.folder.rows(job).exists() and not self._died_on(job)

    def _died_on(self, job: str) -> int:
        return sum(attempt.sweep == self.sweep for attempt in attempts(self.folder.claim(job)))

    def _claim_and_run(self, asked: Asked) -> None:
        path = self.folder.claim(asked.job)
        with claim(path) as descriptor:
            done = self.folder.rows(asked.job).exists() or failed_in(self.folder.failure(asked.job)) == self.sweep
            if descriptor is None or done:
                return
            deaths = self._died_on(asked.job)
            if deaths >= self.attempts:
                last = attempts(path)[-1]
                self._fail(asked, f"its worker died {deaths} times, last process {last.pid} on {last.host}: killed?")
                return
            if attempts(path):
                self.folder.remove_leftovers_of(asked.job)
            record(descriptor, path, self.sweep)
            self._run(asked)

    def _run(self, asked: Asked) -> None:
        began, started_at = time.perf_counter(), datetime.now(UTC)
        try:
            alone = replace(asked.config, workers=1)  # the sweep's workers run side by side already
            checked = build_run(alone, asked.overrides)
            rows = result_rows(
                asked, checked, summarize_run(checked, _AMONG), Run(self.sweep, started_at, time.perf_counter() - began)
            )
            write_rows(self.folder.rows(asked.job), rows)
        except Exception as error:  # whatever it is, it costs this job alone
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            self._fail(asked, f"{kind}{error}", started_at, time.perf_counter() - began)
            return
        self.folder.failure(asked.job).unlink(missing_ok=True)

    def _fail(self, asked: Asked, error: str, started_at: datetime | None = None, wall_s: float = 0.0) -> None:
        run = Run(self.sweep, started_at or datetime.now(UTC), wall_s)
        write_rows(self.folder.failure(asked.job), failure_rows(asked, error, run))

    @contextmanager
    def _ending_with_launcher(self) -> Iterator[None]:
        """End this process if the launching one ends while the block runs, since its work is no longer wanted."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_EVERY_S):
                if not is_held(self.launcher):
                    os._exit(1)

        if socket.gethostname() == self.launcher_host:
            threading.Thread(target=look, daemon=True).start()
        try:
            yield
        finally:
            over.set()
