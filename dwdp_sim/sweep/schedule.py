"""Launch workers until every job of a sweep has rows: first all jobs, then one by one those that workers died on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dwdp_sim.base.errors import DwdpError
from dwdp_sim.sweep.claims import attempts, claim, is_held, wait_until_free
from dwdp_sim.sweep.own_file import Stranger
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import failed_in, is_complete

Launch = Callable[[str | None], list[str]]


class SweepStopped(DwdpError):
    """The one-line reason why a sweep cannot go on; what has finished stays."""


@dataclass(frozen=True)
class Remaining:
    """Jobs without rows, by what happened to them in this sweep.

    Attributes:
        fresh: Jobs that no worker has started.
        suspects: A worker died on them.
        busy: A worker, perhaps of another sweep, runs them.
        deaths: Starts of the suspects.
    """

    fresh: tuple[str, ...]
    suspects: tuple[str, ...]
    busy: tuple[str, ...]
    deaths: int


def run_rounds(folder: Folder, jobs: list[str], sweep: str, launch: Launch) -> None:
    """Launch workers until each of `jobs` is finished or has failed in this sweep.

    Args:
        folder: Where claims and rows are.
        jobs: Names.
        sweep: Name of this sweep.
        launch: Runs all fresh jobs, or the one suspect that it is given; returns complaints.

    Raises:
        SweepStopped: A launch changed nothing.
    """
    left = remaining(folder, jobs, sweep)
    while left.fresh or left.suspects or left.busy:
        if not left.fresh and not left.suspects:
            wait_until_free(folder.claim(left.busy[0]))
            left = remaining(folder, [*left.busy], sweep)
            continue
        complaints = launch(None if left.fresh else left.suspects[0])
        now = remaining(folder, [*left.fresh, *left.suspects, *left.busy], sweep)
        if now == left:
            raise SweepStopped("; ".join(dict.fromkeys(complaints)) or "the launcher started no job")
        left = now


def remaining(folder: Folder, jobs: list[str], sweep: str) -> Remaining:
    """Return which of `jobs` have no rows from this sweep or an earlier one, in their order."""
    finished = folder.finished_names()
    fresh: list[str] = []
    suspects: list[str] = []
    busy: list[str] = []
    deaths = 0
    failed = {path.stem for path in folder.failed_files()}
    for job in jobs:
        if job in finished or (job in failed and failed_in(folder.failure(job)) == sweep):
            continue
        begun = sum(attempt.sweep == sweep for attempt in attempts(folder.claim(job)))
        deaths += begun
        if is_held(folder.claim(job)):
            busy.append(job)
        else:
            (suspects if begun else fresh).append(job)
    return Remaining(tuple(fresh), tuple(suspects), tuple(busy), deaths)


def discard_broken(folder: Folder, jobs: set[str]) -> tuple[set[str], int]:
    """Read the files of `jobs` that are there, and remove the damaged ones.

    Returns:
        Jobs whose file is complete, and the number of files removed.
    """
    here = jobs & folder.finished_names()
    broken = {job for job in here if not is_complete(folder.rows(job))}
    removed = 0
    for job in broken:
        with claim(folder.claim(job)) as descriptor:
            if descriptor is not None and not is_complete(folder.rows(job)):
                folder.rows(job).unlink(missing_ok=True)
                removed += 1
    return here - broken, removed


def discard_stale_claims(folder: Folder) -> None:
    """Remove the claims of finished jobs, which stay if a worker is killed after writing its rows."""
    for path in folder.claims():
        if folder.rows(path.name).exists():
            discard(path)


def discard(path: Path) -> None:
    """Remove a claim unless a process holds it; what is no claim stays."""
    with suppress(Stranger), claim(path):  # leaving the block removes it
        pass
