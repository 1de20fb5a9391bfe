"""Run a job of forward steps, write its results, and print them."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.results.predict_steps import predict_configured, summary_of_steps
from dwdp_sim.results.step_files import write_steps
from dwdp_sim.results.step_tables import print_steps
from dwdp_sim.results.titles import layer_title

_QUIET_S = 2.0  # anything shorter needs no progress line


def run_iteration(run: CheckedRun, job: StepsJob, folder: Path, console: Console) -> None:
    """Predict the forward steps of `job`, the job of `run`, into `folder`, with a progress line on a terminal."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", visible=False)
        began = time.monotonic()

        def show(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of, visible=time.monotonic() - began > _QUIET_S)

        result = predict_configured(run, job, show)
    summary = summary_of_steps(job, result, run.config_hash)
    title = layer_title(job.layer, job.cluster.name, job.issue_mode)
    files = write_steps(folder, run.config, f"Forward steps of {title}", result, summary)
    print_steps(console, summary, result, job.scenario, title, job.cluster.memory_bytes, files)
