"""Read the rows of results folders into pandas, or with SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from dwdp_sim.sweep.columns import RANK_METRICS
from dwdp_sim.sweep.compact import read_folder
from dwdp_sim.sweep.results_folder import Folder

_KEYS = ["job", "rank", "status", "asked_hash", "code_version", "started_at"]
# A job can be in a file of its own and in a merged one, and can have failed before it succeeded.
_ONCE = """
    select number from keys
    where status = 'ok' or job not in (select job from keys where status = 'ok')
    qualify row_number() over (partition by job, rank order by started_at desc) = 1
    order by number
"""
_NEWEST = """
    select number from keys
    where (asked_hash, code_version) in (
        select (asked_hash, arg_max(code_version, started_at)) from keys group by asked_hash
    )
    order by number
"""
_RANK = ", ".join(column.name for column in RANK_METRICS)
_JOBS = f"create view jobs as select * exclude ({_RANK}) from rows where coalesce(rank, 0) = 0 order by job"  # noqa: S608  # our own names
_MEMORY = "4GB"
_BEFORE: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": _MEMORY,
    "temp_directory": "",
}
_NO_PROGRESS = "set enable_progress_bar = false"  # of a long question, on standard output, into the answer
_AFTER = ("set enable_external_access = false", "set lock_configuration = true")


def load_results(*paths: str | Path) -> pd.DataFrame:
    """Return all rows of results folders, one for each rank of a job; docs/data_dictionary.md describes the columns.

    Of a configuration that ran under several versions of the code, the newest rows. The whole configurations stay
    behind: `connect(path).sql("select job, config_json from jobs")` has them.

    Args:
        paths: Results folders.

    Raises:
        ConfigError: One is no results folder, or a file is damaged.
    """
    rows: pd.DataFrame = (
        connect(*paths, configs=False).sql("select * from rows order by job, rank").to_arrow_table().to_pandas()
    )
    return rows


def connect(*paths: str | Path, configs: bool = True) -> duckdb.DuckDBPyConnection:
    """Open a database in memory: `rows` (one a rank), `jobs` (one a job), `every_row` (old code too), `files`.

    Its SQL sees these tables alone: no file can be read or written, nothing is loaded from a network, and no setting
    changes that. A question gets 4 GB of memory beside the rows.

    Args:
        paths: Results folders.
        configs: Whether with the column `config_json`, which is most of the bytes.

    Raises:
        ConfigError: One is no results folder, or a file is damaged.
    """
    connection = duckdb.connect(config=_BEFORE)
    connection.execute(_NO_PROGRESS)
    tables = [read_folder(Folder(Path(path).absolute()), configs=configs) for path in paths]
    files = tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries()
    every_row = _choose(connection, files, _ONCE)
    connection.register("files", files)
    connection.register("every_row", every_row)
    connection.register("rows", _choose(connection, every_row, _NEWEST))
    connection.execute(_JOBS)
    for statement in _AFTER:
        connection.execute(statement)
    return connection


def _choose(connection: duckdb.DuckDBPyConnection, table: pa.Table, query: str) -> pa.Table:
    """The rows whose numbers `query` answers; it sees the keys alone, so that it takes little memory."""
    keys = table.select(_KEYS).append_column("number", pa.array(range(table.num_rows), pa.int64()))
    connection.register("keys", keys)
    numbers = connection.sql(query).to_arrow_table().column("number")
    connection.unregister("keys")
    if len(numbers) == table.num_rows:
        return table
    chosen = np.zeros(table.num_rows, dtype=bool)
    chosen[numbers.to_numpy()] = True
    return table.filter(pa.array(chosen))  # by piece, as configurations may be too long for one
