"""Start workers with the Hydra launcher that the user chose."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.sweep import private_folder
from dwdp_sim.sweep.worker import Worker

_BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class HydraLauncher:
    """Hydra's launcher of a sweep."""

    def __init__(self, config_name: str, config_dir: str, overrides: Sequence[str], plain: Path) -> None:
        """
        Args:
            config_name: Primary configuration.
            config_dir: Its folder.
            overrides: The user's overrides of Hydra's own node; they choose the launcher.
            plain: Folder for the basic launcher, which writes nothing; others get a private one.

        Raises:
            ConfigError: What they choose is no launcher.
        """
        self._overrides = [
            "hydra.sweep.subdir=.",
            "hydra.output_subdir=null",
            "hydra/job_logging=disabled",
            "hydra/hydra_logging=disabled",
            *overrides,
        ]
        self._config_name = config_name
        self._config_dir = config_dir
        self._plain = plain
        with self._hydra():
            chosen = self._compose(plain).hydra.launcher
        if not isinstance(chosen, DictConfig):
            raise ConfigError("hydra.launcher", chosen, "hydra/launcher=NAME chooses a launcher")
        self.is_basic = chosen._target_ == _BASIC

    def launch(self, worker: Worker, count: int) -> list[str]:
        """Start `count` equal workers and wait for them.

        Returns:
            What the launcher or workers complained of; that is a hint only, the folder tells what is left. Of a
            launch that nobody complained of, its files are removed.

        Raises:
            OSError: There is no private folder for its files.
        """
        log = self._plain if self.is_basic else private_folder.make(worker.sweep)
        complaints = self._launch(worker, count, log)
        if not complaints and not self.is_basic:
            private_folder.remove(worker.sweep)
        return complaints

    def _launch(self, worker: Worker, count: int, log: Path) -> list[str]:
        with self._hydra():
            config = self._compose(log)
            context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=worker, config=config
            )
            try:
                returns = launcher.launch([[] for _ in range(count)], initial_job_idx=0)
            except Exception as error:  # every launcher has exceptions of its own for a dead worker
                return [_first_line(error)]
        return [text for text in (_outcome(one) for one in returns) if text]

    def default_workers(self) -> int:
        """Return how many workers there are by default: one with the basic launcher, else one for each CPU core."""
        return 1 if self.is_basic else usable_cores()

    def _compose(self, log: Path) -> DictConfig:
        hydra_instance = GlobalHydra.instance().hydra
        assert hydra_instance is not None
        quoted = str(log).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [f"hydra.sweep.dir='{quoted}'", *self._overrides]
        return hydra_instance.compose_config(
            self._config_name, overrides, run_mode=RunMode.MULTIRUN, with_log_configuration=False
        )

    def _hydra(self) -> contextlib.AbstractContextManager[object]:
        return hydra.initialize_config_dir(self._config_dir, version_base="1.3")


def _outcome(returned: JobReturn) -> str | None:
    """A worker's complaint, or the exception that ended it."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # Hydra prints the job's overrides
            value: str | None = returned.return_value
    except Exception as error:
        return _first_line(error)
    return value


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
