"""Expand the swept overrides of a command line into all their combinations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from hydra.core.override_parser.types import Glob, Override, RangeSweep

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.compose import parse_overrides
from dwdp_sim.job.config_files import group_options

MOST_JOBS = 1_000_000  # of one command; each takes a kilobyte and a hundredth of a second before the first runs


def combinations(overrides: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
    """Return the override lists of all jobs, the last key changing fastest.

    Args:
        overrides: Swept or not; a later one of the same key replaces an earlier one.
        folders: Where groups' files are, for `glob(…)`.

    Raises:
        ConfigError: A sweep over a continuous interval, over nothing, or of more than `MOST_JOBS` jobs.
        HydraException: Not an override.
    """
    choices = _choices(overrides, folders)
    return [list(combination) for combination in itertools.product(*choices)]


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
    choices = [_values(key, override, folders) for key, override in parsed.items()]
    jobs = math.prod(map(len, choices))
    if jobs > MOST_JOBS:
        raise ConfigError("-m", f"{jobs:,} jobs", f"at most {MOST_JOBS:,} are run by one command; sweep over less")
    return choices


def _values(key: str, override: Override, folders: Sequence[str]) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        raise ConfigError(key, override.get_value_string(), "a list of values, range(…) or glob(…) is wanted")
    swept = override.value()
    if isinstance(swept, RangeSweep):
        _check_range(override, swept)
    if isinstance(swept, Glob):
        values = swept.filter(group_options(override.key_or_group, folders))
    else:
        values = list(override.sweep_string_iterator())
    if not values:
        raise ConfigError(override.key_or_group, override.get_value_string(), "sweeps over nothing")
    return [f"{key}={value}" for value in values]


def _check_range(override: Override, swept: RangeSweep) -> None:
    """Refuse a range that never ends or has more values than jobs may be, before they are listed."""
    start, stop, step = (0.0 if bound is None else float(bound) for bound in (swept.start, swept.stop, swept.step))
    count = (stop - start) / step if step else math.inf
    if not count <= MOST_JOBS:
        allowed = f"a range of at most {MOST_JOBS:,} values is wanted"
        raise ConfigError(override.key_or_group, override.get_value_string(), allowed)
