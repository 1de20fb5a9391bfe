"""Compose a configuration with Hydra, and check every override and every key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import group_options
from dwdp_sim.job.known_keys import check_keys, is_flag

_NO_PLACE = re.compile(r"invalid literal for int\(\) with base 10: '(.*)'$")  # OmegaConf's, of an override into a list
_LONGEST_NAME = 200  # of a group's file; with its folder and ending, no file system takes much more


def compose(config_name: str, schema: type, overrides: Sequence[str], folders: Sequence[str]) -> DictConfig:
    """Return what `compose_whole` does, without Hydra's own node."""
    return without_hydra(compose_whole(config_name, schema, overrides, folders))


def compose_whole(config_name: str, schema: type, overrides: Sequence[str], folders: Sequence[str]) -> DictConfig:
    """Return the configuration as Hydra composes it, with its own node, once every key is known to exist.

    Args:
        config_name: Primary config in the first of `folders`.
        schema: Dataclass of the whole tree.
        overrides: As on the command line, none of them swept.
        folders: Where configuration files are: the main folder, then perhaps the user's own.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: It cannot be composed.
    """
    check_overrides(overrides, schema, folders)
    with _beside_a_job(), hydra.initialize_config_dir(folders[0], version_base="1.3"):
        try:
            whole = hydra.compose(config_name, [*overrides, *search_path(folders)], return_hydra_config=True)
        except UnicodeDecodeError as error:
            raise ConfigError("--config-dir", folders[-1], f"a file in it is not UTF-8 text: {error}") from error
        except ValueError as error:
            literal = _NO_PLACE.match(str(error))
            if not literal:
                raise
            blamed = next(text for text in overrides if f".{literal[1]}" in text.partition("=")[0])
            key, _, value = blamed.partition("=")
            raise ConfigError(key.lstrip("+"), value, "a place in a list is named by a whole number") from error
    found = OmegaConf.get_type(whole)
    if found is None or not issubclass(found, schema):
        raise ConfigError("--config-name", config_name, "its defaults must name the schema first, as those in conf/ do")
    check_keys(OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"]), schema)
    return whole


def without_hydra(whole: DictConfig) -> DictConfig:
    """Take Hydra's own node out of a configuration, which is returned."""
    with open_dict(whole):
        del whole["hydra"]
    return whole


@contextmanager
def _beside_a_job() -> Iterator[None]:
    """Let Hydra compose even inside one of its own jobs, which it refuses otherwise; the job gets it back."""
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def search_path(folders: Sequence[str]) -> list[str]:
    """The override that makes Hydra's programming interface look in all of `folders`, not only in the first."""
    quoted = ["'file://" + os.path.abspath(folder).replace("'", "\\'") + "'" for folder in folders[1:]]
    return [f"hydra.searchpath=[{','.join(quoted)}]"] if quoted else []


def check_overrides(overrides: Sequence[str], schema: type, folders: Sequence[str]) -> None:
    """Refuse what Hydra accepts silently or rejects unclearly: a number for a flag, a group without such a file."""
    for override in parse_overrides(overrides):
        if override.is_sweep_override():
            continue
        key, value = override.key_or_group, override.value()
        if not key:
            raise ConfigError(key, override.get_value_string(), "the key before the = is missing")
        options = group_options(key, folders)
        is_file = _names_files(value) and len(str(value)) <= _LONGEST_NAME
        if options and not is_file and not (override.is_delete() and value is None):
            raise ConfigError(key, override.get_value_string(), f"allowed: {', '.join(options)}")
        if override.is_delete():
            continue
        if is_flag(key, schema) and isinstance(value, int) and not isinstance(value, bool):
            raise ConfigError(key, value, "true or false is wanted")


def _names_files(value: object) -> bool:
    """Whether it is what Hydra takes for the choice of a group's file, or of several."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them.

    Raises:
        ConfigError, HydraException: One cannot be read.
    """
    parser, parsed = OverridesParser.create(), list[Override]()
    for override in overrides:
        try:
            parsed += parser.parse_overrides([override])
        except ValueError as error:  # a number of thousands of digits
            key, _, value = override.partition("=")
            raise ConfigError(key, value, str(error)) from error
    return parsed
