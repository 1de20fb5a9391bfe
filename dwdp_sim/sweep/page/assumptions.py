"""Collect what the predictions of a sweep rest on: assumed constants, code and machines."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pandas as pd

from dwdp_sim.base.units import format_seconds
from dwdp_sim.sweep.columns import find
from dwdp_sim.sweep.page.labels import plain
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs


@dataclass(frozen=True)
class Assumption:
    """An assumed constant of a cluster, or of its compute times.

    Attributes:
        where: Cluster or compute file.
        name: The constant.
        value: With its unit; `swept` where the jobs differ in it.
        source: Why this value.
        jobs: How many finished jobs rest on it.
    """

    where: str
    name: str
    value: str
    source: str
    jobs: int


def assumptions(jobs: SweepJobs, swept: set[str]) -> list[Assumption]:
    """Return every assumed constant that a finished job names, by cluster and compute file.

    Args:
        jobs: The sweep.
        swept: Names of the factors.
    """
    found: dict[tuple[str, str], Assumption] = {}
    for (cluster, compute), texts in jobs.finished.groupby(["cluster", "compute"], dropna=False)["assumed_constants"]:
        config = jobs.config(int(texts.index[0]))
        for name, count in Counter(name for text in texts for name in text.split(",") if name).items():
            group, constant = ("compute", name.removeprefix("compute.")) if "." in name else ("cluster", name)
            path = f"{group}.constants.{constant}"
            where = str(cluster if group == "cluster" else compute)
            before = found[where, name].jobs if (where, name) in found else 0
            content = find(config, path) or {}
            value = "swept" if swept & {f"{path}.value", constant} else _with_unit(content)
            source = str(content.get("source", ""))
            found[where, name] = Assumption(where, constant, value, source, before + count)
    return list(found.values())


def origin(jobs: SweepJobs) -> dict[str, str]:
    """Return where, when and by which code the rows were made, and what made the page."""
    rows = pd.concat([jobs.finished, jobs.failed])
    began, ended = rows["started_at"].min(), rows["started_at"].max()
    return {
        "machine": ", ".join(sorted(set(rows["host"]))),
        "code of the rows": ", ".join(sorted(set(rows["code_version"]))),
        "jobs started": f"{began:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC",
        "time of all jobs": format_seconds(float(rows["wall_s"].sum())),
        "page made by": f"dwdp-toolkit {_version('dwdp-toolkit')}, Python {platform.python_version()}",
    }


def _with_unit(constant: Mapping[str, Any]) -> str:
    text, unit = plain(constant.get("value")), constant.get("unit") or ""
    return text if unit in ("", "1", "rule") else f"{text} {unit}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a source tree without installation
        return "not installed"
