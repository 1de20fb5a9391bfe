"""Open a bundle: every part by the reader of its kind, and nothing in it that a bundle may not hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dwdp_hw.bundle.archive import CALIBRATION, CONSTANTS, MANIFEST, REPORT, Manifest, unpack
from dwdp_hw.bundle.clean import clean_cluster, clean_machine, clean_rows
from dwdp_hw.bundle.figures import Report, read_report, report_text
from dwdp_hw.calibration.calibrate import STEPS_ONLY, USES
from dwdp_hw.rows.recording import Recording, pool, read_recording
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.user_file import decoded
from dwdp_sim.fabric.cluster import Cluster

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds.

    Attributes:
        path: Its file.
        sha256: Of the file; a cluster names it by this.
        manifest: Who wrote it, and of what machine.
        recordings: Its rows; each `path` is the name of a part.
        cluster: Its constants.
        report: Its figures.
    """

    path: str
    sha256: str
    manifest: Manifest
    recordings: tuple[Recording, ...]
    cluster: Cluster
    report: Report

    @property
    def fitted(self) -> tuple[Recording, ...]:
        """The rows that its constants were fitted on."""
        return tuple(recording for recording in self.recordings if CALIBRATION in recording.path)


def open_bundle(path: str) -> Bundle:
    """Read a bundle, of anybody.

    Raises:
        ConfigError: It is not one, or a part of it is damaged, contradicts itself or says more than a bundle may.
    """
    sha256, manifest, files = unpack(path)
    texts = {name: decoded(data, f"{path}: {name}", "bundle", "text") for name, data in files.items()}
    recordings, cluster = read_parts(texts, path)
    _check_fitted(cluster, recordings, path)
    machine = clean_machine(manifest.machine, path)
    report = _within(path, REPORT, read_report, texts[REPORT], path)
    cleaned = {CONSTANTS: clean_cluster(cluster, machine, cluster.fitted_on), REPORT: report_text(report)}
    cleaned |= {name: _within(path, name, clean_rows, texts[name], path) for name in _row_names(texts)}
    wrong = [name for name, text in cleaned.items() if text != texts[name]]
    of_rows = clean_machine(recordings[0].machine, path)
    if not [*manifest.machine.items()] == [*machine.items()] == [*of_rows.items()]:
        wrong.append(MANIFEST)
    if wrong:
        raise ConfigError("bundle", path, f"{wrong[0]} says something that a bundle does not hold, or in another way")
    return Bundle(path, sha256, manifest, recordings, cluster, report)


def read_parts(texts: Mapping[str, str], path: str) -> tuple[tuple[Recording, ...], Cluster]:
    """The rows and constants among the texts of a bundle's files, by the readers that read files of a user.

    Raises:
        ConfigError: One is damaged, or they are not of one kind of machine.
    """
    with tempfile.TemporaryDirectory(prefix="dwdp-bundle-") as folder:
        file = Path(folder) / "part.yaml"
        found = []
        for name in _row_names(texts):
            file.write_text(texts[name], encoding="utf-8", newline="")
            found.append(replace(_within(path, name, read_recording, str(file)), path=name))
        file.write_text(texts[CONSTANTS], encoding="utf-8", newline="")
        cluster = _within(path, CONSTANTS, load_cluster, file)
    _within(path, "rows", pool, found)
    return tuple(found), cluster


def _row_names(texts: Mapping[str, str]) -> list[str]:
    return sorted(name for name in texts if name.startswith("rows/"))


def _within(path: str, name: str, read: Callable[..., _Found], *arguments: object) -> _Found:
    """What `read` finds; an error of it names the bundle and the part, not the place where it lies meanwhile."""
    try:
        return read(*arguments)
    except ConfigError as error:
        of_the_file = error.value in map(str, arguments)
        why = error.allowed if of_the_file else f"{error.key}={shorten(error.value)}: {error.allowed}"
        raise ConfigError("bundle", path, f"{name}: {why}") from error


def _check_fitted(cluster: Cluster, recordings: Sequence[Recording], path: str) -> None:
    """The parts called calibration are those that the constants say they were fitted on."""
    own = [(recording.path, recording.sha256) for recording in recordings if CALIBRATION in recording.path]
    said = [(entry.get("file"), entry.get("sha256")) for entry in cluster.fitted_on]
    if sorted(map(str, own)) != sorted(map(str, said)):
        raise ConfigError("bundle", path, f"{CONSTANTS} was fitted on other rows than those called {CALIBRATION}")
    if any(entry.get("use") not in (*USES, STEPS_ONLY) for entry in cluster.fitted_on):
        raise ConfigError("bundle", path, f"{CONSTANTS}: fitted_on.use is none of {', '.join((*USES, STEPS_ONLY))}")
