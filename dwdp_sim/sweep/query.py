"""Read the rows of results folders into pandas, or with SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
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
_JOBS = f"create view jobs as select distinct on (job) * exclude ({_RANK}) from rows order by job, rank"


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
        connect(*paths).sql("select * exclude (config_json) from rows order by job, rank").to_arrow_table().to_pandas()
    )
    return rows


def connect(*paths: str | Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory: `rows` (one a rank), `jobs` (one a job), `every_row` (old code too), `files`.

    Raises:
        ConfigError: One is no results folder, or a file is damaged.
    """
    connection = duckdb.connect()
    tables = [read_folder(Folder(Path(path).absolute())) for path in paths]
    files = pa.concat_tables(tables).unify_dictionaries()
    every_row = _choose(connection, files, _ONCE)
    connection.register("files", files)
    connection.register("every_row", every_row)
    connection.register("rows", _choose(connection, every_row, _NEWEST))
    connection.execute(_JOBS)
    return connection


def _choose(connection: duckdb.DuckDBPyConnection, table: pa.Table, query: str) -> pa.Table:
    """The rows whose numbers `query` answers; it sees the keys alone, so that it takes little memory."""
    keys = table.select(_KEYS).append_column("number", pa.array(range(table.num_rows), pa.int64()))
    connection.register("keys", keys)
    numbers = connection.sql(query).to_arrow_table().column("number")
    connection.unregister("keys")
    return table if len(numbers) == table.num_rows else table.take(numbers)
