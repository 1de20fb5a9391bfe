"""Read the rows of a results folder: into pandas, or with SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from dwdp_sim.sweep.columns import RANK_METRICS
from dwdp_sim.sweep.folder import Folder
from dwdp_sim.sweep.merge import read_folder

_RANK = ", ".join(column.name for column in RANK_METRICS)
# A job can be in a file of its own and in a merged one, and can have failed before it succeeded.
_ROWS = """
    create view every_row as select * from files
    where status = 'ok' or job not in (select job from files where status = 'ok')
    qualify row_number() over (partition by job, rank order by started_at desc) = 1
"""
_NEWEST = """
    create view rows as select * from every_row
    where (asked_hash, code_version) in (
        select (asked_hash, arg_max(code_version, started_at)) from every_row group by asked_hash
    )
"""
_JOBS = f"create view jobs as select distinct on (job) * exclude ({_RANK}) from rows order by job"


def load_results(*paths: str | Path) -> pd.DataFrame:
    """All rows of results folders, one a rank of a job, as docs/data_dictionary.md describes them.

    Of a configuration that ran under several versions of the code, the newest rows.

    Args:
        paths: Results folders.

    Raises:
        ConfigError: One is no results folder, or a file is damaged.
    """
    rows: pd.DataFrame = connect(*paths).sql("select * from rows order by job, rank").df()
    return rows


def connect(*paths: str | Path) -> duckdb.DuckDBPyConnection:
    """A database in memory with the views `rows` (one a rank), `jobs` (one a job) and `every_row` (old code, too).

    Raises:
        ConfigError: One is no results folder, or a file is damaged.
    """
    connection = duckdb.connect()
    tables = [read_folder(Folder(Path(path).absolute())) for path in paths]
    connection.register("files", pa.concat_tables(tables))
    for view in (_ROWS, _NEWEST, _JOBS):
        connection.execute(view)
    return connection
