"""Read all rows of a results folder, and merge the files of finished jobs into one."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from dwdp_sim.base.errors import ConfigError, visible
from dwdp_sim.sweep.claims import is_held
from dwdp_sim.sweep.columns import CONFIG, SCHEMA, TEXT
from dwdp_sim.sweep.own_file import Stranger
from dwdp_sim.sweep.results_folder import COMPACT, Folder
from dwdp_sim.sweep.rows import each_batch, read_rows, write_pieces

_FILES_A_PIECE = 250
_MOST_NAMED = 5
_Read = TypeVar("_Read")


def read_folder(folder: Folder, *, configs: bool = True) -> pa.Table:
    """Return the rows of every file as they are, even while a sweep adds files or a merge removes some.

    Entries of the folder that are no files of a sweep are left out and named in one line on standard error. Text is
    dictionary-encoded, since most of it is equal from row to row; not so configurations.

    Args:
        folder: The folder.
        configs: Whether with the column of configurations, which are most of the bytes.

    Raises:
        ConfigError: It is no results folder, or a file is damaged.
    """
    _must_be_results(folder)
    names = [name for name in SCHEMA.names if configs or name != CONFIG]

    def read(files: list[Path], strangers: list[Stranger]) -> pa.Table:
        table = pa.concat_tables(_pieces(files, names, strangers)).unify_dictionaries()
        whole = [c if c.type == TEXT else c.combine_chunks() for c in table.columns]  # else SQL meets every piece again
        return pa.table(whole, table.column_names)

    rows = _read(folder, lambda: [*folder.finished_files(), *folder.failed_files()], read)[1]
    pa.default_memory_pool().release_unused()  # as much again as the rows, which pieces of them had
    return rows


def read_configs(folder: Folder) -> Iterator[tuple[str, str]]:
    """The configurations of finished jobs with the jobs' names, a few at a time in memory, of a folder just read."""
    for path in folder.finished_files():
        with suppress(Stranger, FileNotFoundError):  # merged since, or named when the rows were read
            for batch in each_batch(path, ["job", CONFIG]):
                kept = batch.filter(pc.field(CONFIG).is_valid())
                yield from zip(kept.column("job").to_pylist(), kept.column(CONFIG).to_pylist(), strict=True)


def _must_be_results(folder: Folder) -> None:
    if not (folder.path / "jobs").is_dir() and not (folder.path / "failed").is_dir():
        raise ConfigError("results", str(folder.path), "a results folder of a sweep is wanted (results_dir)")


def _read(
    folder: Folder, list_files: Callable[[], list[Path]], read: Callable[[list[Path], list[Stranger]], _Read]
) -> tuple[list[Path], _Read]:
    """Files and what `read` makes of them; again where one has been merged or replaced in the meantime."""
    while True:
        strangers: list[Stranger] = []
        files = list_files()
        try:
            found = read(files, strangers)
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise ConfigError("results", str(folder.path), str(error)) from error
        if strangers:
            _warn(folder, strangers)
        others = {one.filename for one in strangers}
        return [file for file in files if str(file) not in others], found


def _pieces(files: list[Path], names: list[str], strangers: list[Stranger]) -> Iterator[pa.Table]:
    """A few hundred files at a time become one piece, since a piece a file would cost more than its rows."""
    empty = pa.table({name: pa.array([], SCHEMA.field(name).type) for name in names})

    def rows_of(path: Path, *, encoded: bool = False) -> pa.Table:
        try:
            return read_rows(path, names, encoded=encoded)
        except Stranger as stranger:
            strangers.append(stranger)
            return empty

    yield _encoded(empty)
    single = []
    for file in files:
        if file.name.startswith(COMPACT):
            yield _encoded(rows_of(file, encoded=True))
        else:
            single.append(file)
    with ThreadPoolExecutor() as pool:  # decoding a file needs no interpreter
        for first in range(0, len(single), _FILES_A_PIECE):
            tables = pool.map(rows_of, single[first : first + _FILES_A_PIECE])
            yield _encoded(pa.concat_tables(tables).combine_chunks())


def _warn(folder: Folder, strangers: list[Stranger]) -> None:
    """Say on one line what is skipped; a program that configures no logging writes it to standard error."""
    entries = sorted((Path(one.filename).relative_to(folder.path), one.strerror) for one in strangers)
    named = ", ".join(f"{entry} ({what})" for entry, what in entries[:_MOST_NAMED])
    more = f" and {len(entries) - _MOST_NAMED} more" if len(entries) > _MOST_NAMED else ""
    logging.getLogger("dwdp_sim").warning("%s", visible(f"{folder.path}: skipped, no rows of a sweep: {named}{more}"))


def _encoded(table: pa.Table) -> pa.Table:
    columns = [
        column.dictionary_encode() if column.type == TEXT and name != CONFIG else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
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
    folder.remove_leftovers()
    running = [claim for claim in folder.claims() if is_held(claim)]
    if running:
        raise ConfigError("results", str(folder.path), f"{len(running)} jobs are running; merge when they are done")
    files, merged = _read(folder, folder.single_files, partial(_merge, folder))
    if merged is None:
        return 0
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def _merge(folder: Folder, files: list[Path], strangers: list[Stranger]) -> Path | None:
    """Write the rows of `files` into one; None if that would be a copy, or empty."""
    if len(files) < 2:
        return None
    digest = hashlib.sha256("".join(file.stem for file in files).encode()).hexdigest()[:16]
    path = folder.path / "jobs" / f"{COMPACT}{digest}.parquet"
    pieces = (piece for piece in _pieces(files, SCHEMA.names, strangers) if piece.num_rows)
    first = next(pieces, None)
    return None if first is None else write_pieces(path, itertools.chain([first], pieces))


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
