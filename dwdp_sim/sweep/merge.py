"""All rows of a results folder as one table, and finished jobs merged into one file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa

from dwdp_sim.errors import ConfigError
from dwdp_sim.sweep.claims import is_held
from dwdp_sim.sweep.columns import SCHEMA
from dwdp_sim.sweep.folder import COMPACT, Folder
from dwdp_sim.sweep.rows import read_rows, write_rows


def read_folder(folder: Folder) -> pa.Table:
    """Every file's rows, as they are, while a sweep may be writing and a merge removing."""
    if not (folder.path / "jobs").is_dir() and not (folder.path / "failed").is_dir():
        raise ConfigError("results", str(folder.path), "a results folder of a sweep is wanted (results_dir)")
    while True:
        try:
            tables = [read_rows(path) for path in (*folder.finished_files(), *folder.failed_files())]
        except FileNotFoundError:  # merged or replaced since the folder was listed
            continue
        except ValueError as error:
            message = f"{error}; the sweep's command replaces it"
            raise ConfigError("results", str(folder.path), message) from error
        return pa.concat_tables([SCHEMA.empty_table(), *tables]).combine_chunks()  # else SQL meets every file's again


def compact(path: str | Path) -> int:
    """Merge the files of finished jobs into one.

    The merged file is named by its contents, and only what is in it is removed afterwards, so a kill at any moment, or
    two merges at once, lose nothing.

    Returns:
        How many files were merged.

    Raises:
        ConfigError: It is no results folder, a job is running, or a file is damaged.
    """
    folder = Folder(Path(path).absolute())
    read_folder(folder)
    running = [claim for claim in _claims(folder) if is_held(claim)]
    if running:
        raise ConfigError("results", str(folder.path), f"{len(running)} jobs are running; merge when they are done")
    files = [file for file in folder.finished_files() if not file.name.startswith(COMPACT)]
    if len(files) < 2:
        return 0
    digest = hashlib.sha256("".join(file.stem for file in files).encode()).hexdigest()[:16]
    tables = [read_rows(file) for file in files]
    write_rows(folder.path / "jobs" / f"{COMPACT}{digest}.parquet", pa.concat_tables(tables), many=True)
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def compacted_jobs(folder: Folder) -> set[str]:
    """Names of the jobs in merged files."""
    names: set[str] = set()
    for file in folder.finished_files():
        if file.name.startswith(COMPACT):
            names |= set(read_rows(file).column("job").to_pylist())
    return names


def _claims(folder: Folder) -> list[Path]:
    claims = folder.path / "claims"
    return list(claims.iterdir()) if claims.is_dir() else []
