"""Expand the swept overrides of a command line into all their combinations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hydra.core.override_parser.types import Glob, Override

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.compose import parse_overrides
from dwdp_sim.job.config_files import group_options


def combinations(overrides: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
    """Return the override lists of all jobs, the last key changing fastest.

    Args:
        overrides: Swept or not; a later one of the same key replaces an earlier one.
        folders: Where groups' files are, for `glob(…)`.

    Raises:
        ConfigError: A sweep over a continuous interval, or over nothing.
        HydraException: Not an override.
    """
    return [list(combination) for combination in itertools.product(*_choices(overrides, folders))]


def representatives(overrides: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
    """Return a few override lists that together contain every swept value, but not every combination.

    Args:
        overrides: As for `combinations`.
        folders: Where groups' files are.

    Raises:
        ConfigError, HydraException: As `combinations`.
    """
    choices = _choices(overrides, folders)
    rows = max((len(values) for values in choices), default=1)
    return [[values[min(row, len(values) - 1)] for values in choices] for row in range(rows)]


def _choices(overrides: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
    """For each key the overrides that are asked for: one where it is not swept."""
    parsed = {override.get_key_element(): override for override in parse_overrides(overrides)}
    return [_values(key, override, folders) for key, override in parsed.items()]


def _values(key: str, override: Override, folders: Sequence[str]) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        raise ConfigError(key, override.get_value_string(), "a list of values, range(…) or glob(…) is wanted")
    swept = override.value()
    if isinstance(swept, Glob):
        values = swept.filter(group_options(override.key_or_group, folders))
    else:
        values = list(override.sweep_string_iterator())
    if not values:
        raise ConfigError(override.key_or_group, override.get_value_string(), "sweeps over nothing")
    return [f"{key}={value}" for value in values]
