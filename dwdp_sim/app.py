"""`dwdp-sim`: predict how long an expert prefetch takes, say where the time goes, and draw it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.build import Job, build_job
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.schema import SimConfig, SweepConfig, register_schemas
from dwdp_sim.published.run import run_published
from dwdp_sim.results.job_files import write_prediction
from dwdp_sim.results.predict import predict
from dwdp_sim.results.run_steps import run_iteration
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.tables import print_layer, print_replay
from dwdp_sim.results.titles import layer_title
from dwdp_sim.sweep.supervise import run_sweep

_QUIET_S = 2.0  # anything shorter needs no progress line


def main() -> None:
    """Entry point of `dwdp-sim`."""
    register_schemas()
    run_app("config", SimConfig, _check, _task, _sweep)


def _check(config: DictConfig, overrides: Sequence[str]) -> None:
    if config.results_dir is not None:
        raise ConfigError("results_dir", config.results_dir, "rows are written by sweeps: add -m, or results_dir=null")
    build_job(config, overrides)


def _sweep(config: DictConfig, config_name: str) -> int | None:
    if config.results_dir is None:
        return None
    return run_sweep(config_name, sys.argv[1:], config.results_dir, cast(SweepConfig, config.sweep))


def _task(config: DictConfig) -> None:
    state = HydraConfig.get()
    job, folder = build_job(config, state.overrides.task), Path(state.runtime.output_dir)
    if job.config["workload"]["kind"] == "published":
        run_published(folder, job.config["workers"], Console())
    elif job.scenario is not None and job.layer is not None:
        run_iteration(job, job.layer, job.scenario, folder, Console())
    else:
        run_prediction(job, folder, Console())


def run_prediction(job: Job, folder: Path, console: Console) -> None:
    """Simulate `job`, write its results into `folder` and print them."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("copies"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", visible=False)
        began = time.monotonic()

        def show(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of, visible=time.monotonic() - began > _QUIET_S)

        timeline, summary = predict(job, show)
    files = write_prediction(folder, job, timeline, summary)
    if isinstance(summary, LayerSummary) and job.layer is not None:
        title = layer_title(job.layer, job.cluster.name, job.issue_mode)
        print_layer(console, summary, title, job.cluster.memory_bytes, files)
    elif isinstance(summary, ReplaySummary):
        print_replay(console, summary, job.program, files)
