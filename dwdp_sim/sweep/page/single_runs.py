"""Find folders of single runs by the hash of their configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dwdp_sim.sweep.own_file import read_own


def run_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """Runs in the subfolders of `folders`: config_hash to the folder whose `summary.json` says it.

    A `summary.json` that cannot be read, or is not a run's, is passed over: it may be anybody's.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("**/summary.json")):
            try:
                found[str(json.loads(read_own(path))["config_hash"])] = path.parent
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
    return found


def files_of(run: Path) -> list[str]:
    """Return the names of a run's files that a browser or ui.perfetto.dev shows, pictures first."""
    names = {path.name for path in run.iterdir() if path.suffix in (".png", ".html", ".json")}
    return sorted(names, key=lambda name: (name.endswith(".json"), name))
