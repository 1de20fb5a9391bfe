"""A Hydra entry point whose errors are one line: compose and check first, then hand over to Hydra."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
import omegaconf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.job.hydra_flags import read_command_line
from dwdp_sim.job.hydra_messages import one_line
from dwdp_sim.job.known_keys import check_keys, is_flag
from dwdp_sim.job.schema import config_dir

Check = Callable[[DictConfig, Sequence[str]], object]
Sweep = Callable[[DictConfig, str], int | None]


def run_app(
    config_name: str, schema: type, check: Check, task: Callable[[DictConfig], None], sweep: Sweep | None = None
) -> None:
    """Run `task` as a Hydra app after `check` has accepted the composed configuration.

    Args:
        config_name: Primary config in `conf/`.
        schema: Dataclass of the whole tree.
        check: Raises `ConfigError` if the configuration cannot be run; it must not write anything.
        task: The job, run by Hydra once, or once for each job of a sweep.
        sweep: May take a sweep over from Hydra: told one of its configurations and the primary config's name, it
            returns an exit code, or None to leave it to Hydra.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print as a trace; here it becomes one line
    line = read_command_line(sys.argv[1:])
    only_asks = line.help or line.hydra_help or line.version or line.shell_completion
    with one_line_errors(schema):
        for overrides in [] if only_asks else _representatives(line):
            config = compose(line.config_name or config_name, schema, overrides, line)
            if line.multirun and sweep is not None:
                code = sweep(config, line.config_name or config_name)
                if code is not None:
                    sys.exit(code)
            if not (line.cfg or line.info):
                check(config, overrides)
        decorated = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)
        decorated(one_line_errors(schema)(task))()


@contextmanager
def one_line_errors(schema: type) -> Iterator[None]:
    """End the process in one line where the block raises what a user can mend."""
    try:
        yield
    except ConfigError as error:
        stop(error)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        stop(one_line(error, schema))
    except OSError as error:
        if error.filename is None:
            raise
        stop(f"{error.filename}: {error.strerror}")
    except Exception as error:
        if not _of_hydra_s_settings(error):
            raise
        stop(f"Hydra cannot work with these settings of its own: {type(error).__name__} {error}")


def _of_hydra_s_settings(error: Exception) -> bool:
    """Whether Hydra itself stumbled and was told something about itself: it trusts `hydra.…` without a check."""
    last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    inside = any(last.is_relative_to(Path(str(package.__file__)).parent) for package in (hydra, omegaconf))
    return inside and any(argument.lstrip("+~").startswith("hydra") for argument in sys.argv[1:])


def compose(config_name: str, schema: type, overrides: Sequence[str], line: argparse.Namespace) -> DictConfig:
    """The configuration as Hydra will compose it, every key known."""
    folders = config_folders(line)
    check_overrides(overrides, schema, folders)
    with hydra.initialize_config_dir(folders[0], version_base="1.3"):
        try:
            config = hydra.compose(config_name, [*overrides, *search_path(line)])
        except UnicodeDecodeError as error:
            raise ConfigError("--config-dir", line.config_dir, f"a file in it is not UTF-8 text: {error}") from error
    found = OmegaConf.get_type(config)
    if found is None or not issubclass(found, schema):
        raise ConfigError("--config-name", config_name, "its defaults must name the schema first, as those in conf/ do")
    check_keys(config, schema)
    return config


def config_folders(line: argparse.Namespace) -> list[str]:
    """Where configuration files are: the main folder, then the user's own."""
    if line.config_dir is not None and not os.path.isdir(line.config_dir):
        raise ConfigError("--config-dir", line.config_dir, "there is no such folder")
    main = line.config_path or str(config_dir())
    if not os.path.isabs(main) or not os.path.isdir(main):
        raise ConfigError("--config-path", main, "an absolute path of a folder is wanted")
    return [main, *([os.path.abspath(line.config_dir)] if line.config_dir else [])]


def search_path(line: argparse.Namespace) -> list[str]:
    """The override that makes Hydra's programming interface look where `--config-dir` says."""
    extra = config_folders(line)[1:]
    quoted = ["'file://" + folder.replace("'", "\\'") + "'" for folder in extra]
    return [f"hydra.searchpath=[{','.join(quoted)}]"] if extra else []


def check_overrides(overrides: Sequence[str], schema: type, folders: Sequence[str]) -> None:
    """Refuse what Hydra takes or has no message for: a flag that is a number, a group that is no file's name."""
    for override in _parsed(overrides):
        if override.is_delete() or override.is_sweep_override():
            continue
        key, value = override.key_or_group, override.value()
        if not key:
            raise ConfigError(key, override.get_value_string(), "the key before the = is missing")
        if is_flag(key, schema) and isinstance(value, int) and not isinstance(value, bool):
            raise ConfigError(key, value, "true or false is wanted")
        options = _options(key, folders)
        if options and not isinstance(value, str | list):
            raise ConfigError(key, override.get_value_string(), f"allowed: {', '.join(options)}")


def _parsed(overrides: Sequence[str]) -> list[Override]:
    parser, parsed = OverridesParser.create(), list[Override]()
    for override in overrides:
        try:
            parsed += parser.parse_overrides([override])
        except ValueError as error:  # a number of thousands of digits
            key, _, value = override.partition("=")
            raise ConfigError(key, value, str(error)) from error
    return parsed


def _options(group: str, folders: Sequence[str]) -> list[str]:
    """Names of a group's files."""
    return sorted({file.stem for folder in folders for file in (Path(folder) / group).glob("*.yaml")})


def _representatives(line: argparse.Namespace) -> list[list[str]]:
    """Override lists that between them hold every value of every sweep, not every combination."""
    if not line.multirun:
        return [line.overrides]
    folders = config_folders(line)
    values = [_values(override, folders) for override in _parsed(line.overrides)]
    rows = max((len(choices) for choices in values), default=1)
    return [[choices[min(row, len(choices) - 1)] for choices in values] for row in range(rows)]


def _values(override: Override, folders: Sequence[str]) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        allowed = "a list of values, range(…) or glob(…) is wanted"
        raise ConfigError(override.get_key_element(), override.get_value_string(), allowed)
    swept = override.value()
    if isinstance(swept, Glob):
        found = swept.filter(_options(override.key_or_group, folders))
    else:
        found = list(override.sweep_string_iterator())
    if not found:
        raise ConfigError(override.key_or_group, override.get_value_string(), "sweeps over nothing")
    return [f"{override.get_key_element()}={value}" for value in found]
