"""Run one job as Hydra does, from a configuration that is composed already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import configure_log, run_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig


def run_composed(whole: DictConfig, folder: str, task: Callable[[Path], None]) -> None:
    """Run `task` in the run folder of a configuration, beside Hydra's own files and with its logging and callbacks.

    Hydra would compose the configuration twice more, which takes longer than a layer's prediction.

    Args:
        whole: Composed, with Hydra's own node.
        folder: With the primary config.
        task: Is given the folder of results.
    """
    configure_log(whole.hydra.hydra_logging, whole.hydra.verbose)
    whole.hydra.mode = RunMode.RUN
    callbacks = Callbacks(whole)
    about = {"config": whole, "config_name": whole.hydra.job.config_name}
    with hydra.initialize_config_dir(folder, version_base="1.3"):
        callbacks.on_run_start(**about)
        done = run_job(
            hydra_context=HydraContext(GlobalHydra.instance().config_loader(), callbacks),
            task_function=lambda _: task(Path(whole.hydra.runtime.output_dir)),
            config=whole,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
        )
        callbacks.on_run_end(**about, job_return=done)
    _ = done.return_value  # raises what the task has raised
