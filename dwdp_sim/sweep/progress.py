"""Show how far a sweep is, on one line of a terminal; print nothing elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.sweep.results_folder import Folder

_LOOK_EVERY_S = 0.5


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on a terminal's standard error what is being done while the block runs."""
    console = TextConsole(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def progress(console: Console, folder: Folder, jobs: Sequence[str]) -> Iterator[None]:
    """Show how many of `jobs` have rows, their rate and the time left, while the block runs.

    It looks into the folder, so it counts what any worker anywhere has written.
    """
    if not console.is_terminal or console.quiet or not jobs:
        yield
        return
    columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    wanted, over = set(jobs), threading.Event()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("jobs", total=len(wanted))

        def look() -> None:
            while not over.wait(_LOOK_EVERY_S):
                failed = {path.stem for path in folder.failed_files()}
                bar.update(task, completed=len(wanted & (folder.finished_names() | failed)))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
