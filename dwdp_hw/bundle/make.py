"""Make a bundle of what calibrations and validations have left: rows, and the cluster fitted to some of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dwdp_hw.bundle.archive import CALIBRATION, CONSTANTS, REPORT, ROWS_OF_A_FOLDER, VALIDATION, pack
from dwdp_hw.bundle.clean import clean_cluster, clean_machine, clean_rows
from dwdp_hw.bundle.figures import report_of, report_text, validated
from dwdp_hw.bundle.opened import read_parts
from dwdp_hw.calibration.calibrate import STEPS_ONLY
from dwdp_hw.rows.recording import read_recording
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import decoded, read_data
from dwdp_sim.fabric.cluster import Cluster

_CONFIG = "config.yaml"  # of a run; every other YAML file in its folder is a cluster
_MOST_FILES = 99  # that are called alike


@dataclass(frozen=True)
class Sources:
    """The files that a bundle is made of.

    Attributes:
        rows: Files of measured rows.
        cluster: The cluster file.
    """

    rows: tuple[str, ...]
    cluster: str


def find_sources(paths: Iterable[str]) -> Sources:
    """Find rows and the cluster among files, and in output folders of `mode=calibrate` and `mode=validate`.

    Args:
        paths: Folders, `.json` files of rows, and a `.yaml` file of a cluster.

    Raises:
        ConfigError: There are no rows, or not one cluster.
    """
    rows, clusters = list[str](), list[str]()
    for path in map(Path, paths):
        if path.is_dir():
            rows += rows_in(path)
            clusters += [str(file) for file in sorted(path.glob("*.yaml")) if file.name != _CONFIG]
        else:
            (clusters if path.suffix in (".yaml", ".yml") else rows).append(str(path))
    if not rows:
        wanted = "a folder of mode=calibrate or mode=validate with live rows, or a file of rows, is wanted"
        raise ConfigError("bundle", ", ".join(map(str, paths)) or "nothing", wanted)
    if len(clusters) != 1:
        raise ConfigError("bundle", ", ".join(clusters) or "no cluster", "one cluster file (.yaml) is wanted")
    return Sources(tuple(rows), clusters[0])


def rows_in(folder: Path) -> list[str]:
    """Return the files of rows that `mode=calibrate` and `mode=validate` have written into a folder."""
    return [str(file) for pattern in ROWS_OF_A_FOLDER for file in sorted(folder.glob(pattern))]


def make_bundle(sources: Sources) -> bytes:
    """The bytes of a bundle: the same for the same files.

    Rows that the cluster was fitted on, known by their contents, are called calibration, the others validation.

    Raises:
        ConfigError: A file cannot be read, or does not belong to the others.
    """
    cluster = load_cluster(sources.cluster)
    uses = {entry["sha256"]: entry["use"] for entry in cluster.fitted_on if {"sha256", "use"} <= set(entry)}
    texts: dict[str, str] = {}
    machines: dict[str, dict[str, Any]] = {}
    fitted_on: dict[str, dict[str, str]] = {}
    for path, sha256, text in _read_each(sources.rows):
        role = CALIBRATION if sha256 in uses else VALIDATION
        name = f"rows/{role}_{1 + sum(role in other for other in texts)}.json"
        texts[name] = clean_rows(text, path)
        machines[name] = clean_machine(read_recording(path).machine, path)
        if role == CALIBRATION:
            own = hashlib.sha256(texts[name].encode()).hexdigest()
            fitted_on[sha256] = {"file": name, "sha256": own, "use": uses[sha256]}
    machine = machines[min(machines)]
    own_files = _own_files(cluster, fitted_on, sources.cluster)
    texts[CONSTANTS] = clean_cluster(cluster, machine, [*fitted_on.values()], own_files)
    recordings, cleaned = read_parts(texts, sources.cluster)
    texts[REPORT] = report_text(report_of(validated(recordings, cleaned)))
    return pack(_toolkit(), machine, {name: text.encode() for name, text in texts.items()})


def _own_files(cluster: Cluster, fitted_on: Collection[str], path: str) -> list[str]:
    """Names of the files of rows, among those that are there, that the cluster's constants name as their source.

    Raises:
        ConfigError: Some of the rows that they were fitted on are there, and others are not.
    """
    missing = [
        entry["file"]
        for entry in cluster.fitted_on
        if entry.get("sha256") not in fitted_on and entry.get("use") != STEPS_ONLY
    ]
    if fitted_on and missing:
        raise ConfigError("bundle", path, f"was fitted on {', '.join(missing)}, too; these rows are wanted")
    return [entry["file"] for entry in cluster.fitted_on if entry.get("sha256") in fitted_on]


def _read_each(paths: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Path, SHA-256 and text of each file of rows, none of which may stand there twice."""
    if len(paths) > _MOST_FILES:
        raise ConfigError("bundle", f"{len(paths)} files of rows", f"at most {_MOST_FILES} are wanted")
    seen = set()
    for path in paths:
        data = read_data(path, "bundle", "JSON")
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in seen:
            raise ConfigError("bundle", path, "these rows are listed twice")
        seen.add(sha256)
        yield path, sha256, decoded(data, path, "bundle", "JSON")


def _toolkit() -> str:
    try:
        return metadata.version("dwdp-toolkit")
    except metadata.PackageNotFoundError:  # run from a source tree without installation
        return "0.0"
