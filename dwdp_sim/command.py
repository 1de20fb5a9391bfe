"""What `dwdp-sim` does once it is not asked for help: check the configuration, then predict, or run a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from omegaconf import DictConfig

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import TextConsole, say
from dwdp_sim.job.build import build_composed
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.job.json_output import refuse_sweep_as_json
from dwdp_sim.job.overridden import overridden_lines
from dwdp_sim.job.schema import SimConfig, SweepConfig, register_schemas

# What runs a job is imported when it runs: bad input should not wait a second for Matplotlib and PyArrow.
# ruff: noqa: PLC0415


def run() -> None:
    """Run the job, or the sweep, of the command line."""
    register_schemas()
    run_app("config", SimConfig, _build, _task, _sweep)


def _build(config: DictConfig, overrides: Sequence[str]) -> CheckedRun:
    if config.results_dir is not None:
        raise ConfigError("results_dir", config.results_dir, "rows are written by sweeps: add -m, or results_dir=null")
    return build_composed(config, overrides)


def _sweep(config: DictConfig, config_name: str) -> int | None:
    refuse_sweep_as_json(config, config_name)
    if config.results_dir is None:
        return None
    from dwdp_sim.sweep.supervise import run_sweep

    return run_sweep(config_name, sys.argv[1:], config.results_dir, cast(SweepConfig, config.sweep))


def _task(run: CheckedRun, folder: Path) -> None:
    console = TextConsole()
    if run.config["workload"]["kind"] == "published":
        from dwdp_sim.published.run import run_published

        run_published(folder, run.config["workers"], console, as_json=run.config["json"])
    elif isinstance(run.job, StepsJob):
        from dwdp_sim.results.run_steps import run_iteration

        run_iteration(run, run.job, folder, console)
    else:
        from dwdp_sim.results.run_prediction import run_prediction

        run_prediction(run, run.job, folder, console)
    for line in () if run.config["json"] else overridden_lines(run.overridden):
        say(console, line)
