"""Run a job of forward steps, write its results, and print them."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.results.predict_steps import predict_configured
from dwdp_sim.results.step_summary import summarize_iteration, write_iteration
from dwdp_sim.results.step_tables import print_iteration
from dwdp_sim.results.tables import layer_title

_QUIET_S = 2.0  # anything shorter needs no progress line


def run_iteration(run: CheckedRun, job: StepsJob, folder: Path, console: Console) -> None:
    """Predict the forward steps of `job`, the job of `run`, into `folder`, with a progress line on a terminal."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", visible=False)
        began = time.monotonic()

        def show(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of, visible=time.monotonic() - began > _QUIET_S)

        result = predict_configured(job, run.config, show)
    summary = summarize_iteration(job, result, run.config_hash)
    written = write_iteration(folder, run, f"Forward steps of {layer_title(job)}", result, summary)
    print_iteration(console, job, result, summary, written)
