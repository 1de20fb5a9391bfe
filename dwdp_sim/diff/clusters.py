"""Read a cluster as a side of a comparison: its constants with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dwdp_sim.api.presets import load_cluster, presets
from dwdp_sim.diff.side import Figure, Side
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant, read_gap_table, read_interval

CLUSTERS = "clusters"


def read_cluster_side(path: str) -> Side | None:
    """A shipped cluster by its name, or one from a YAML file.

    Raises:
        ConfigError: The file is no cluster.
    """
    is_file = Path(path).suffix in (".yaml", ".yml")
    if not is_file and (Path(path).exists() or path not in presets("cluster")):
        return None
    cluster = load_cluster(path)
    settings = {name: str(getattr(cluster, name)) for name in ("gpu", "num_gpus", "mapping", "home")}
    settings["bundles"] = ", ".join(cluster.bundles)
    return Side(path, CLUSTERS, settings, constant_figures(cluster))


def constant_figures(cluster: Cluster) -> dict[str, Figure]:
    """Every number and word of a cluster's constants by its name, with the interval that it was fitted with."""
    return {name: figure for key, constant in cluster.constants.items() for name, figure in _figures(key, constant)}


def _figures(key: str, constant: Constant) -> Iterator[tuple[str, Figure]]:
    """One figure of a plain constant, one a row of a table, one a kind of copy."""
    value, interval = constant.value, constant.interval
    rows: list[tuple[str, Any, tuple[float, float] | None]] = [("", value, read_interval(interval))]
    if isinstance(value, Mapping):
        rows = [(str(name), one, read_interval(interval, name)) for name, one in value.items()]
    elif isinstance(value, list | tuple):
        table = read_gap_table(f"cluster.constants.{key}.value", value)
        rows = [(f"{size:.0f} B", one, read_interval(interval, size)) for size, one in table]
    unit = constant.unit.removeprefix("bytes, ")
    for name, one, ends in rows:
        if one is not None:
            yield f"{key} {name}".strip(), _figure(one, unit, ends)


def _figure(value: Any, unit: str, ends: tuple[float, float] | None) -> Figure:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return Figure(str(value), unit)
    low, high = ends or (value, value)
    return Figure(float(value), unit, below=max(float(value - low), 0.0), above=max(float(high - value), 0.0))
