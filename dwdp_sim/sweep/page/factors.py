"""Find the factors of a sweep: parameters in which its jobs differ, and those that all have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.sweep.columns import PARAMETERS
from dwdp_sim.sweep.page.labels import Value, label_of, text_of
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs

# By group, the factors that determine its other values: jobs with another model also have another hidden size, which
# must not count as a second factor.
_NAMED_BY = {
    "model": ("model",),
    "cluster": ("cluster",),
    "compute": ("cluster", "compute"),
    "dwdp": ("model", "dwdp_size", "num_prefetch_experts"),
    "strategy": ("strategy",),
    "workload": ("workload",),
}
_NEVER_DROPPED = ("model", "cluster", "dwdp_size", "strategy", "workload")
_NOT_RESULTS = ("source", "provenance", "unit", "interval", "direction", "description", "fitted_on")


@dataclass(frozen=True)
class Factor:
    """A parameter in which jobs differ.

    Attributes:
        name: Column, or a key of the configuration that has none.
        meaning: For people; empty for a key without a column.
        values: All of them, sorted, none last.
        codes: For each finished job, the position of its value in `values`.
    """

    name: str
    meaning: str
    values: tuple[Value, ...]
    codes: tuple[int, ...]

    @property
    def label(self) -> str:
        """The name of the factor in axes and headings."""
        return label_of(self.name)

    @property
    def texts(self) -> list[str]:
        """The values for people, with units."""
        return [text_of(self.name, value) for value in self.values]

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers, apart from missing ones."""
        return all(value is None or _is_number(value) for value in self.values)

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(map(_is_number, self.values))


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_factors(jobs: SweepJobs) -> list[Factor]:
    """Return the parameters in which finished jobs differ: those of model, cluster and group first.

    A key of the configuration without a column, such as a constant of the cluster, counts as well. What follows from
    the names of model, cluster, group size, strategy or workload does not.
    """
    frame = jobs.finished
    columns = {c.name: ([_plain(v) for v in frame[c.name]], c.source, c.meaning) for c in PARAMETERS if c.source}
    known = {column.source for column in PARAMETERS}
    for path, values in _varying_keys(jobs.configs(), len(frame)).items():
        if path not in known:
            columns[path] = (values, path, "")
    names = {name: values for name, (values, _, _) in columns.items()}
    found = []
    for name, (values, source, meaning) in columns.items():
        if len(set(map(_key, values))) > 1 and not _follows(name, source, names):
            distinct = sorted({_key(value): value for value in values}.values(), key=_order)
            place = {_key(value): number for number, value in enumerate(distinct)}
            found.append(Factor(name, meaning, tuple(distinct), tuple(place[_key(value)] for value in values)))
    return found


def held(jobs: SweepJobs) -> dict[str, str]:
    """Return the parameters that every finished job has in common, for people."""
    same = {}
    for column in PARAMETERS:
        if column.source and jobs.finished[column.name].nunique(dropna=False) == 1:
            value = _plain(jobs.finished[column.name].iloc[0])
            if value is not None:
                same[column.name] = text_of(column.name, value)
    return same


def _follows(name: str, source: str, columns: Mapping[str, list[Value]]) -> bool:
    """Whether a factor's values are a function of what its group is named by."""
    if name in _NEVER_DROPPED:
        return False
    owners = [columns[owner] for owner in _NAMED_BY.get(source.split(".", maxsplit=1)[0], ()) if owner != name]
    seen: dict[tuple[object, ...], object] = {}
    return bool(owners) and all(
        seen.setdefault(owner, _key(value)) == _key(value)
        for value, *parts in zip(columns[name], *owners, strict=True)
        for owner in [tuple(map(_key, parts))]
    )


def _varying_keys(configs: Iterable[tuple[int, Mapping[str, Any]]], count: int) -> dict[str, list[Value]]:
    """Values of every key of the configuration that is not the same in all jobs; None if a job lacks it."""
    varying: dict[str, list[Value]] = {}
    first: dict[str, Value] = {}
    groups: Mapping[str, Any] = {}
    for line, config in configs:
        if not first:
            first, groups = dict(_leaves(config)), config
            continue
        changed = {name: value for name, value in config.items() if value != groups.get(name)}
        leaves = dict(_leaves(changed))
        absent = [path for path in first if path.split(".")[0] in changed and path not in leaves]
        for path, value in [*leaves.items(), *((path, None) for path in absent)]:
            if path in varying or value != first.get(path):
                varying.setdefault(path, [first.get(path)] * count)[line] = value
    return varying


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Paths with dots and values; a list is one value, its JSON."""
    for key, value in tree.items():
        if key in _NOT_RESULTS:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value


def _plain(value: Any) -> Value:
    """What pandas and numpy hold, as Python's own."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    plain: Value = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() and abs(plain) >= 1 else plain


def _key(value: Value) -> object:
    """True is not 1."""
    return (isinstance(value, bool), value)


def _order(value: Value) -> tuple[int, float, str]:
    """Numbers by size, then text with what is the default first, then no value."""
    if value is None:
        return (3, 0.0, "")
    if isinstance(value, str):
        return (1 if value in (DEFAULT.name, "none") else 2, 0.0, value)
    return (0, float(value), "")
