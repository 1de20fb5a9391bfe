"""Run a job of one layer or a replay, write its results, and print them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from dwdp_sim.base.terminal import TextConsole, print_file, progress_line
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob
from dwdp_sim.results.job_files import write_prediction
from dwdp_sim.results.predict import predict
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.tables import print_layer, print_replay
from dwdp_sim.results.titles import layer_title


def run_prediction(run: CheckedRun, job: LayerJob | ReplayJob, folder: Path, console: Console) -> None:
    """Predict the copies of `job`, the job of `run`, into `folder`, with a progress line on a terminal.

    What is printed is the summary for people or, with `json=true`, the content of `summary.json`.
    """
    with progress_line(TextConsole(stderr=True), "copies") as show:
        timeline, summary = predict(
            job,
            with_range=run.config["workload"]["range"],
            config_hash=run.config_hash,
            workers=run.config["workers"],
            progress=partial(show, "simulating"),
        )
    files = write_prediction(folder, run, job, timeline, summary)
    if run.config["json"]:
        print_file(files[-1])
    elif isinstance(job, LayerJob) and isinstance(summary, LayerSummary):
        title = layer_title(job.layer, job.cluster.name, job.issue_mode)
        print_layer(console, summary, title, job.cluster.memory_bytes, files)
    elif isinstance(summary, ReplaySummary):
        print_replay(console, summary, job.program, files)
