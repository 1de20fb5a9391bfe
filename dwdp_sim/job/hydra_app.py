"""Run a Hydra app so that its errors are one line: compose and build first, then hand over to Hydra."""

from __future__ import annotations

import argparse
import copy
import functools
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import hydra
import omegaconf
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dwdp_sim.base.child_process import end_when_orphaned
from dwdp_sim.base.endings import in_one_line
from dwdp_sim.base.errors import BAD_INPUT, DwdpError, shorten, stop, visible
from dwdp_sim.base.owner import remove_leftovers
from dwdp_sim.job.compose import compose, compose_whole, without_hydra
from dwdp_sim.job.config_files import config_dir, config_folders
from dwdp_sim.job.hydra_flags import read_command_line
from dwdp_sim.job.hydra_messages import one_line
from dwdp_sim.job.model_names import with_models_found
from dwdp_sim.job.multirun import representatives
from dwdp_sim.job.single_run import run_composed

Run = TypeVar("Run")
Build = Callable[[DictConfig, Sequence[str]], Run]
Sweep = Callable[[DictConfig, str], int | None]


class JobFailed(DwdpError):
    """A job of many has ended in the line that it printed; the others run all the same."""


def run_app(
    config_name: str, schema: type, build: Build[Run], task: Callable[[Run, Path], None], sweep: Sweep | None = None
) -> None:
    """Run `task` as a Hydra app once `build` has accepted the composed configuration.

    What was built for the check is what runs. Under `-m` every value of every sweep is checked before anything runs,
    and each job is built where it runs.

    Hydra reads its command line itself, but prints a trace where something in it is wrong, and only once the run has
    begun. That is why it is read, and the configuration composed and checked, here first.

    Args:
        config_name: Primary config in `conf/`.
        schema: Dataclass of the whole tree.
        build: From a composed configuration and its overrides to what runs; raises `ConfigError` if it cannot be run,
            and must not write anything.
        task: Runs what was built, in a folder of results.
        sweep: May take a sweep over from Hydra: told one of its configurations and the primary config's name, it
            returns an exit code, or None to leave it to Hydra.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print as a trace; here it becomes one line
    line = read_command_line(sys.argv[1:])
    name = line.config_name or config_name
    only_asks = line.help or line.hydra_help or line.version or line.shell_completion
    with one_line_errors(schema):
        if not only_asks:
            line = find_models(line)
        if line.multirun and not only_asks:
            _check_sweep(line, name, schema, build, sweep)
        elif not only_asks:
            folders = config_folders(line)
            whole = compose_whole(name, schema, line.overrides, folders)
            if not (line.cfg or line.info):
                job = build(without_hydra(copy.deepcopy(whole)), line.overrides)
                if whole.hydra.mode is not RunMode.MULTIRUN:
                    run_composed(whole, folders[0], functools.partial(task, job))
                    return
                if sweep is not None:
                    sweep(whole, name)  # which has no rows to write here, but may refuse

        _leave_to_hydra(config_name, schema, build, task)


def find_models(line: argparse.Namespace) -> argparse.Namespace:
    """Make every model of the process's command line one that Hydra understands; what the user should know is said.

    Hydra, and the processes of a sweep, read that command line again.

    Args:
        line: As it was read.

    Raises:
        ConfigError: There is no such model.
    """
    words, notes = with_models_found(sys.argv[1:], config_folders(line))
    for note in notes:
        sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {visible(note)}\n")
    sys.argv[1:] = words
    return read_command_line(words)


def _leave_to_hydra(config_name: str, schema: type, build: Build[Run], task: Callable[[Run, Path], None]) -> None:
    """Let Hydra answer a question, or run the jobs of a sweep; one that fails prints its line and costs no other."""
    failed, here = list[int](), os.getpid()

    @functools.wraps(task)  # Hydra names its job by the task's module
    def run(composed: DictConfig) -> None:
        if os.getppid() == here:
            end_when_orphaned(here)
        state = HydraConfig.get()
        folder = Path(state.runtime.output_dir)
        try:
            remove_leftovers(folder)
            task(build(composed, state.overrides.task), folder)
        except Exception as error:
            said = message_of(error, schema)
            if said is None:
                raise
            sys.stderr.write(f"{os.path.basename(sys.argv[0])}: job {state.job.num}: {visible(said)}\n")
            failed.append(state.job.num)
            if os.getpid() != here:  # a launcher's process, whose list is a copy
                raise JobFailed from error

    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(run)()
    except JobFailed:
        sys.exit(BAD_INPUT)
    if failed:
        sys.exit(BAD_INPUT)


def _check_sweep(line: argparse.Namespace, name: str, schema: type, build: Build[Run], sweep: Sweep | None) -> None:
    """Check every value of a sweep, or leave the process with it if `sweep` takes it over."""
    folders = config_folders(line)
    for overrides in representatives(line.overrides, folders):
        config = compose(name, schema, overrides, folders)
        code = None if sweep is None else sweep(config, name)
        if code is not None:
            sys.exit(code)
        build(config, overrides)


@contextmanager
def one_line_errors(schema: type) -> Iterator[None]:
    """End the process with one line if the block raises an error that a user can correct."""
    with in_one_line():
        try:
            yield
        except (DwdpError, MemoryError):  # these have exit codes of their own
            raise
        except Exception as error:
            said = message_of(error, schema)
            if said is None:
                raise
            stop(said)


def message_of(error: Exception, schema: type) -> str | None:
    """The line that says what a user can correct; None if it is nothing of the user's."""
    said: object = None
    match error:
        case JobFailed():
            pass
        case DwdpError():
            said = error
        case HydraException() | OmegaConfBaseException() | YAMLError():
            said = one_line(error, schema)
        case OverflowError() if key := re.search(r"full_key: (\S+)", str(error)):  # of OmegaConf
            said = f"{key[1]}: {str(error).splitlines()[0]}"
        case MemoryError():
            said = "there is not enough memory for this; a smaller job needs less"
        case OSError() if error.filename is not None:
            said = f"{shorten(str(error.filename))}: {error.strerror}"
        case OSError():  # a full disk, or a closed pipe: `in_one_line` knows them
            pass
        case _ if _of_hydra_s_settings(error):
            said = f"Hydra cannot work with these settings of its own: {type(error).__name__} {error}"
    return None if said is None else str(said)


def _of_hydra_s_settings(error: Exception) -> bool:
    """Whether Hydra or a launcher stumbled and was told something about itself: it trusts `hydra.…` without a check."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    inside = any(files[-1].is_relative_to(Path(str(package.__file__)).parent) for package in (hydra, omegaconf))
    told = any(argument.lstrip("+~").startswith("hydra") for argument in sys.argv[1:])
    return told and (inside or _of_a_launcher(error, files))


def _of_a_launcher(error: Exception, files: Sequence[Path]) -> bool:
    """Whether it comes from a launcher's libraries, and not out of a job: what a job raises elsewhere has a cause."""
    launchers = [place for place, file in enumerate(files) if "hydra_plugins" in file.parts]
    ours = Path(__file__).parents[1]
    return bool(launchers) and not error.__cause__ and not any(f.is_relative_to(ours) for f in files[launchers[-1] :])
