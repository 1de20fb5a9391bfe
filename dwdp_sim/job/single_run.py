"""Run one job as Hydra does, from a configuration that is composed already."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import cast

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import configure_log, run_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, read_write

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.owner import remove_leftovers


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
    subfolder = _set_subfolder(whole, None)  # into which Hydra, on a full disk, writes half of its files
    callbacks = Callbacks(whole)
    about = {"config": whole, "config_name": whole.hydra.job.config_name}

    def run(config: DictConfig) -> None:
        out = Path(whole.hydra.runtime.output_dir)
        remove_leftovers(out)
        if subfolder is not None:
            _set_subfolder(whole, subfolder)
            _keep_settings(whole, config, out / subfolder)
        task(out)

    with hydra.initialize_config_dir(folder, version_base="1.3"):
        callbacks.on_run_start(**about)
        done = run_job(
            hydra_context=HydraContext(GlobalHydra.instance().config_loader(), callbacks),
            task_function=run,
            config=whole,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
        )
        callbacks.on_run_end(**about, job_return=done)
    with contextlib.redirect_stderr(io.StringIO()):  # Hydra prints the overrides of a task that fails
        _ = done.return_value  # raises what the task has raised


def _set_subfolder(whole: DictConfig, name: str | None) -> str | None:
    """Change the name of Hydra's folder beside a job's results; what it was."""
    with read_write(whole.hydra):
        before, whole.hydra.output_subdir = whole.hydra.output_subdir, name
    return cast(str | None, before)


def _keep_settings(whole: DictConfig, config: DictConfig, folder: Path) -> None:
    """Write what Hydra keeps beside a job's results, but each file whole."""
    remove_leftovers(folder)
    of_hydra = OmegaConf.masked_copy(whole, ["hydra"])
    kept = {"config.yaml": config, "hydra.yaml": of_hydra, "overrides.yaml": whole.hydra.overrides.task}
    for name, content in kept.items():
        text = OmegaConf.to_yaml(content)
        write_whole(folder / name, functools.partial(Path.write_text, data=text, encoding="utf-8"))
