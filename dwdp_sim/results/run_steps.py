"""Run a job of forward steps, write its results, and print them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from dwdp_sim.base.terminal import TextConsole, print_file, progress_line
from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.results.predict_steps import predict_configured, summary_of_steps
from dwdp_sim.results.step_files import write_steps
from dwdp_sim.results.step_tables import print_steps
from dwdp_sim.results.titles import layer_title


def run_iteration(run: CheckedRun, job: StepsJob, folder: Path, console: Console) -> None:
    """Predict the forward steps of `job`, the job of `run`, into `folder`, with a progress line on a terminal.

    What is printed is the summary for people or, with `json=true`, the content of `summary.json`.
    """
    with progress_line(TextConsole(stderr=True), "runs") as show:
        result = predict_configured(run, job, partial(show, "simulating"))
    summary = summary_of_steps(job, result, run.config_hash)
    title = layer_title(job.layer, job.cluster.name, job.issue_mode)
    files = write_steps(folder, run.config, f"Forward steps of {title}", result, summary, run.overridden)
    if run.config["json"]:
        print_file(files[-1])
    else:
        print_steps(console, summary, result, job.scenario, title, job.cluster.memory_bytes, files)
