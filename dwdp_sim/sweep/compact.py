"""Read all rows of a results folder, and merge the files of finished jobs into one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from dwdp_sim.base.errors import ConfigError, visible
from dwdp_sim.sweep.claims import is_held
from dwdp_sim.sweep.columns import SCHEMA, TEXT
from dwdp_sim.sweep.own_file import Stranger
from dwdp_sim.sweep.results_folder import COMPACT, Folder
from dwdp_sim.sweep.rows import read_rows, write_rows

_FILES_A_PIECE = 250
_MOST_NAMED = 5


def read_folder(folder: Folder) -> pa.Table:
    """Return the rows of every file as they are, even while a sweep adds files or a merge removes some.

    Entries of the folder that are no files of a sweep are left out and named in one line on standard error. Text is
    dictionary-encoded: most of it is equal from row to row.

    Raises:
        ConfigError: It is no results folder, or a file is damaged.
    """
    _must_be_results(folder)
    return _read(folder, lambda: [*folder.finished_files(), *folder.failed_files()])[1]


def _must_be_results(folder: Folder) -> None:
    if not (folder.path / "jobs").is_dir() and not (folder.path / "failed").is_dir():
        raise ConfigError("results", str(folder.path), "a results folder of a sweep is wanted (results_dir)")


def _read(folder: Folder, list_files: Callable[[], list[Path]]) -> tuple[list[Path], pa.Table]:
    """Files and their rows; they are listed again where one has been merged or replaced in the meantime."""
    while True:
        strangers: list[Stranger] = []
        files = list_files()
        try:
            rows = _read_files(files, strangers)
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise ConfigError("results", str(folder.path), str(error)) from error
        if strangers:
            _warn(folder, strangers)
        others = {one.filename for one in strangers}
        return [file for file in files if str(file) not in others], rows


def _read_files(files: list[Path], strangers: list[Stranger]) -> pa.Table:
    """A few hundred files at a time become one piece, since a piece a file would cost more than its rows."""

    def rows_of(path: Path) -> pa.Table:
        try:
            return read_rows(path)
        except Stranger as stranger:
            strangers.append(stranger)
            return SCHEMA.empty_table()

    pieces = [_encoded(SCHEMA.empty_table())]
    with ThreadPoolExecutor() as pool:  # decoding a file needs no interpreter
        for first in range(0, len(files), _FILES_A_PIECE):
            tables = pool.map(rows_of, files[first : first + _FILES_A_PIECE])
            pieces.append(_encoded(pa.concat_tables(tables).combine_chunks()))
    return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()  # else SQL meets every piece again


def _warn(folder: Folder, strangers: list[Stranger]) -> None:
    """Say on one line what is skipped; a program that configures no logging writes it to standard error."""
    entries = sorted((Path(one.filename).relative_to(folder.path), one.strerror) for one in strangers)
    named = ", ".join(f"{entry} ({what})" for entry, what in entries[:_MOST_NAMED])
    more = f" and {len(entries) - _MOST_NAMED} more" if len(entries) > _MOST_NAMED else ""
    logging.getLogger("dwdp_sim").warning("%s", visible(f"{folder.path}: skipped, no rows of a sweep: {named}{more}"))


def _encoded(table: pa.Table) -> pa.Table:
    columns = [c.dictionary_encode() if c.type == TEXT else c for c in table.columns]
    return pa.table(columns, table.column_names)


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
    _must_be_results(folder)
    running = [claim for claim in folder.claims() if is_held(claim)]
    if running:
        raise ConfigError("results", str(folder.path), f"{len(running)} jobs are running; merge when they are done")
    files, rows = _read(folder, folder.single_files)
    if len(files) < 2:
        return 0
    digest = hashlib.sha256("".join(file.stem for file in files).encode()).hexdigest()[:16]
    write_rows(folder.path / "jobs" / f"{COMPACT}{digest}.parquet", rows, many=True)
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def compacted_jobs(folder: Folder) -> set[str]:
    """Return the names of the jobs in merged files.

    Raises:
        ConfigError: One is damaged.
    """
    names: set[str] = set()
    for file in folder.finished_files():
        if file.name.startswith(COMPACT):
            try:
                names |= set(read_rows(file, ["job"]).column("job").unique().to_pylist())
            except Stranger:
                continue
            except ValueError as error:
                raise ConfigError("results_dir", str(folder.path), str(error)) from error
    return names
