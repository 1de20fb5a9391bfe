"""A Hydra entry point whose errors are one line: compose and check first, then hand over to Hydra."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from dwdp_sim import config
from dwdp_sim.config import config_dir
from dwdp_sim.errors import ConfigError

Check = Callable[[DictConfig, Sequence[str]], object]
BAD_INPUT = 2


def run_app(config_name: str, check: Check, task: Callable[[DictConfig], None]) -> None:
    """Run `task` as a Hydra app after `check` has accepted the composed configuration.

    Args:
        config_name: Primary config in `conf/`.
        check: Raises `ConfigError` if the configuration cannot be run; it must not write anything.
        task: The job, run by Hydra once, or once for each job of a sweep.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "0")
    arguments = get_args_parser().parse_args()
    only_asks = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info
    if not only_asks and not arguments.shell_completion:
        try:
            for overrides in _representatives(arguments.overrides, arguments.multirun):
                check(_compose(config_name, overrides, arguments.config_dir), overrides)
        except ConfigError as error:
            stop(error)
        except (HydraException, OmegaConfBaseException) as error:
            stop(one_line(error))
    decorated = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)
    decorated(task)()


def stop(message: object) -> None:
    """End the process as bad input ends: one line on standard error, exit code 2."""
    sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {message}\n")
    sys.exit(BAD_INPUT)


def _compose(config_name: str, overrides: Sequence[str], extra_dir: str | None) -> DictConfig:
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        search = [f"hydra.searchpath=[file://{os.path.abspath(extra_dir)}]"] if extra_dir else []
        return hydra.compose(config_name, [*overrides, *search])


def _representatives(overrides: list[str], multirun: bool) -> list[list[str]]:
    """Override lists that between them hold every value of every sweep, not every combination."""
    if not multirun:
        return [overrides]
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = [_values(override) for override in parsed]
    rows = max((len(choices) for choices in values), default=1)
    return [[choices[min(row, len(choices) - 1)] for choices in values] for row in range(rows)]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override() or not override.is_discrete_sweep():
        return [override.input_line or ""]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's messages, several lines long, as one line that names key, value and what is allowed."""
    text = str(error)
    missing = re.search(
        r"Could not find '([^']+)/([^'/]+)'.*?Available options in '[^']+':(.*?)(?:\n\S|\Z)", text, re.S
    )
    if missing:
        return f"{missing[1]}={missing[2]}: allowed: {', '.join(missing[3].split())}"
    cause = str(error.__cause__ or "")
    unknown = re.search(r"Key '([^']*)' not in '(\w+)'", cause)
    if unknown:
        override = re.search(r"override '([^']*)'", text)
        schema = getattr(config, unknown[2], None)
        known = f"; known there: {', '.join(schema.__dataclass_fields__)}" if schema else ""
        return f"{override[1] if override else unknown[1]}: there is no key '{unknown[1]}'{known}"
    lines = [part.strip().splitlines()[0] for part in (text, cause) if part.strip()]
    merging = re.fullmatch(r"Error merging override (.*)", lines[0]) if lines else None
    if merging:
        return f"{merging[1]}: {'; '.join(lines[1:])}"
    if "Ambiguous value" in text:
        return f"{lines[0]}: add -m to run all of them, or write a list as key=[value1,value2]"
    return "; ".join(dict.fromkeys(lines))
