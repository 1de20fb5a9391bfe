"""`dwdp-sim`: predict how long an expert prefetch takes, say where the time goes, and draw it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from omegaconf import DictConfig
from rich.console import Console

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import progress_line
from dwdp_sim.job.build import build_composed
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob, StepsJob
from dwdp_sim.job.schema import SimConfig, SweepConfig, register_schemas
from dwdp_sim.published.run import run_published
from dwdp_sim.results.job_files import write_prediction
from dwdp_sim.results.predict import predict
from dwdp_sim.results.run_steps import run_iteration
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.tables import print_layer, print_replay
from dwdp_sim.results.titles import layer_title
from dwdp_sim.sweep.supervise import run_sweep


def main() -> None:
    """Entry point of `dwdp-sim`."""
    register_schemas()
    run_app("config", SimConfig, _build, _task, _sweep)


def _build(config: DictConfig, overrides: Sequence[str]) -> CheckedRun:
    if config.results_dir is not None:
        raise ConfigError("results_dir", config.results_dir, "rows are written by sweeps: add -m, or results_dir=null")
    return build_composed(config, overrides)


def _sweep(config: DictConfig, config_name: str) -> int | None:
    if config.results_dir is None:
        return None
    return run_sweep(config_name, sys.argv[1:], config.results_dir, cast(SweepConfig, config.sweep))


def _task(run: CheckedRun, folder: Path) -> None:
    if run.config["workload"]["kind"] == "published":
        run_published(folder, run.config["workers"], Console())
    elif isinstance(run.job, StepsJob):
        run_iteration(run, run.job, folder, Console())
    else:
        run_prediction(run, run.job, folder, Console())


def run_prediction(run: CheckedRun, job: LayerJob | ReplayJob, folder: Path, console: Console) -> None:
    """Simulate `job`, the job of `run`, write its results into `folder` and print them."""
    with progress_line(console, "copies") as show:
        with_range = run.config["workload"]["range"]
        timeline, summary = predict(
            job, with_range=with_range, config_hash=run.config_hash, progress=partial(show, "simulating")
        )
    files = write_prediction(folder, run, job, timeline, summary)
    if isinstance(job, LayerJob) and isinstance(summary, LayerSummary):
        title = layer_title(job.layer, job.cluster.name, job.issue_mode)
        print_layer(console, summary, title, job.cluster.memory_bytes, files)
    elif isinstance(summary, ReplaySummary):
        print_replay(console, summary, job.program, files)
