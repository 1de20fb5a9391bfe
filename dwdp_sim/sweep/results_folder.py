"""Paths in a results folder, and the jobs that it holds."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dwdp_sim.base.owner import remove_leftovers

COMPACT = "compact-"  # files of many finished jobs begin so
_OWN = re.compile(rf"({COMPACT}[0-9a-f]{{16}}|[0-9a-f]{{32}})\.parquet")


@dataclass(frozen=True)
class Folder:
    """A results folder.

    Attributes:
        path: Absolute, so that workers elsewhere find it.
    """

    path: Path

    def rows(self, job: str) -> Path:
        """The rows of a finished job."""
        return self.path / "jobs" / f"{job}.parquet"

    def failure(self, job: str) -> Path:
        """The row of a failed job."""
        return self.path / "failed" / f"{job}.parquet"

    def claim(self, job: str) -> Path:
        """The claim of a job that runs."""
        return self.path / "claims" / job

    def claims(self) -> list[Path]:
        """The claims that are there, held or left behind."""
        folder = self.path / "claims"
        return list(folder.iterdir()) if folder.is_dir() else []

    @property
    def launcher(self) -> Path:
        """The folder of what launchers need and log."""
        return self.path / "launcher"

    def finished_files(self) -> list[Path]:
        """Files with rows of finished jobs, sorted."""
        return _parquet_files(self.path / "jobs")

    def single_files(self) -> list[Path]:
        """Files with rows of one finished job, sorted."""
        return [file for file in self.finished_files() if not file.name.startswith(COMPACT)]

    def failed_files(self) -> list[Path]:
        """Files with rows of failed jobs, sorted."""
        return _parquet_files(self.path / "failed")

    def finished_names(self) -> set[str]:
        """Names of the jobs with a file of their own, unread."""
        return {file.stem for file in self.single_files()}

    def traces(self) -> tuple[int, int, int]:
        """Return numbers that change whenever a job begins or ends: counts of files, and the size of all claims."""
        size = 0
        for path in self.claims():
            with suppress(FileNotFoundError):
                size += path.lstat().st_size
        return len(self.finished_files()), len(self.failed_files()), size

    def remove_leftovers(self) -> None:
        """Remove temporary files of processes that have ended; anybody may call this."""
        for folder in (self.path / "jobs", self.path / "failed", self.launcher):
            remove_leftovers(folder)

    def remove_leftovers_of(self, job: str) -> None:
        """Remove temporary files of a killed process; only the holder of the job's claim may call this."""
        for path in (self.rows(job), self.failure(job)):
            for leftover in path.parent.glob(f".{job}.*"):
                leftover.unlink(missing_ok=True)


def is_own_name(name: str) -> bool:
    """Whether a sweep or a merge gives this name to a file of rows."""
    return _OWN.fullmatch(name) is not None


def _parquet_files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    return [folder / name for name in names if name.endswith(".parquet") and not name.startswith(".")]
