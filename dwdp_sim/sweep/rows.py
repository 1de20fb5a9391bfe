"""Make a job's rows from its result or failure, write them with checksums, and check them when reading."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.errors import visible
from dwdp_sim.job.fingerprint import NOT_HASHED
from dwdp_sim.job.job import CheckedRun
from dwdp_sim.results.step_summary import StepsSummary
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.sweep.columns import (
    CONFIG,
    JOB_METRICS,
    RANK_METRICS,
    SCHEMA,
    SCHEMA_VERSION,
    STEP_METRICS,
    TEXT,
    find,
    parameters,
)
from dwdp_sim.sweep.jobs import Asked, code_version
from dwdp_sim.sweep.own_file import Stranger, read_own
from dwdp_sim.sweep.results_folder import is_own_name

_ROWS_AT_ONCE = 4096
_ROWS_A_GROUP = 50_000
_FORMAT = {"compression": "zstd", "write_page_checksum": True, "store_schema": False}
_REMEDY = "remove it: the sweep's command runs what is missing"
_FIELDS = {field.name: field for field in SCHEMA}  # a schema's own look-up walks all its columns


@dataclass(frozen=True)
class Run:
    """One run of a job: its sweep, when it began (UTC), and how long it took in seconds."""

    sweep: str
    started_at: datetime
    wall_s: float


def result_rows(
    asked: Asked, checked: CheckedRun, summary: LayerSummary | ReplaySummary | StepsSummary, run: Run
) -> pa.Table:
    """Return one row for each rank of a layer or stream of a replay, or a single one for forward steps."""
    said = summary.to_dict()
    metrics = {column.name: find(said, column.source) for column in (*JOB_METRICS, *STEP_METRICS)}
    metrics["assumed_constants"] = ",".join(said["assumed_constants"])
    head = {
        **_identity(asked, "ok"),
        "config_hash": checked.config_hash,
        **parameters(checked.config),
        "issue_mode": checked.job.issue_mode,
        **metrics,
        **_run(asked, run),
    }
    first, *others = _ranks(said)
    config = json.dumps(_result_config(checked.config), sort_keys=True)
    rows = [{**head, **first, "config_json": config}, *({**head, **rank} for rank in others)]
    return pa.Table.from_pylist(rows, SCHEMA)


def failure_rows(asked: Asked, error: str, run: Run) -> pa.Table:
    """Return one row that says why the job failed.

    Args:
        asked: The job.
        error: The reason.
        run: Of the last try.
    """
    config = asdict(asked.config)
    row = {
        **_identity(asked, "failed"),
        "error": visible(error),
        **parameters(config),
        "config_json": json.dumps(_result_config(config), sort_keys=True),
        **_run(asked, run),
    }
    return pa.Table.from_pylist([row], SCHEMA)


def write_rows(path: Path, rows: pa.Table) -> None:
    """Write a job's rows with checksums that reveal damage; columns without values are left out.

    Raises:
        OSError: It cannot be written; `filename` is `path`.
    """
    rows = rows.select([name for name, c in zip(rows.column_names, rows.columns, strict=True) if c.null_count < len(c)])
    write_whole(  # what helps to search many rows would make this file twice as large
        path, lambda temporary: pq.write_table(rows, temporary, use_dictionary=False, write_statistics=False, **_FORMAT)
    )


def write_pieces(path: Path, pieces: Iterable[pa.Table]) -> Path:
    """Write the rows of many jobs, of which some tens of thousands are in memory at a time.

    Raises:
        OSError: It cannot be written; `filename` is `path`.
    """

    def write(temporary: Path) -> None:
        waiting: list[pa.Table] = []
        with pq.ParquetWriter(temporary, SCHEMA, **_FORMAT) as file:
            for piece in pieces:
                waiting.append(piece.cast(SCHEMA))
                if sum(map(len, waiting)) >= _ROWS_A_GROUP:
                    file.write_table(pa.concat_tables(waiting))
                    waiting.clear()
            if waiting:
                file.write_table(pa.concat_tables(waiting))

    return write_whole(path, write)


def read_rows(path: Path, names: Sequence[str] = tuple(_FIELDS), *, encoded: bool = False) -> pa.Table:
    """Read a file of rows; columns that it lacks, empty or unknown when it was written, are null.

    Args:
        path: The file.
        names: The columns wanted.
        encoded: Whether text becomes a dictionary while it is read, which for many jobs takes a part of the memory.

    Raises:
        ValueError: It is damaged, or its schema is not this one; the message says what to do.
        Stranger: It is no file of a sweep.
        FileNotFoundError: It has gone.
    """
    try:
        content = pa.BufferReader(read_own(path))
        schema = pq.read_schema(content)
        text = [f.name for f in schema if f.type == TEXT and f.name != CONFIG] if encoded else []
        file = pq.ParquetFile(content, page_checksum_verification=True, read_dictionary=text)
        table = file.read([name for name in ("schema_version", *names) if name in schema.names], use_threads=False)
    except (FileNotFoundError, Stranger):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_rows(path, f"cannot be read: {error}; {_REMEDY}") from error
    _check_schema(path, schema, table)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    return pa.table({name: columns.get(name, pa.nulls(len(table), _FIELDS[name].type)) for name in names})


def _check_schema(path: Path, schema: pa.Schema, table: pa.Table) -> None:
    if "schema_version" not in table.column_names:
        raise _not_rows(path, f"columns {', '.join(schema.names)} are no rows of a sweep; {_REMEDY}")
    found = table.column("schema_version").unique().to_pylist()
    newer = [version for version in found if isinstance(version, int) and version > SCHEMA_VERSION]
    if newer:
        own = f"this one knows schema {SCHEMA_VERSION}"
        remedy = "read the folder with that version, or move the file out of it"
        raise ValueError(visible(f"{path}: schema {newer[0]} of a newer version of dwdp-toolkit, {own}; {remedy}"))
    unknown = [f.name for f in schema if f.name not in _FIELDS or _FIELDS[f.name] != f]
    if unknown or found != [SCHEMA_VERSION] or len(set(schema.names)) < len(schema.names):
        what = f"columns {', '.join(unknown)}" if unknown else f"schema {', '.join(map(str, found)) or 'none'}"
        raise ValueError(visible(f"{path}: damaged: {what}; known: schema {SCHEMA_VERSION}; {_REMEDY}"))


def _not_rows(path: Path, why: str) -> Exception:
    """A file under a sweep's own name is damaged, any other is none of its files."""
    return ValueError(visible(f"{path}: {why}")) if is_own_name(path.name) else Stranger(None, "no rows", str(path))


def each_batch(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some rows at a time of a file, none if it lacks a column; raises as `read_rows`."""
    content = pa.BufferReader(read_own(path))
    try:
        file = pq.ParquetFile(content, page_checksum_verification=True)
        if set(names) <= set(file.schema_arrow.names):
            yield from file.iter_batches(_ROWS_AT_ONCE, columns=list(names))
    except (pa.ArrowException, OSError) as error:
        raise _not_rows(path, f"cannot be read: {error}; {_REMEDY}") from error


def is_complete(path: Path) -> bool:
    """Whether the file of a finished job exists, is undamaged, and holds that job's rows."""
    try:
        rows = read_rows(path)
    except (ValueError, FileNotFoundError, Stranger):
        return False
    found = [rows.column(name).unique().to_pylist() for name in ("job", "status")]
    return found == [[path.stem], ["ok"]]


def failed_in(path: Path) -> str | None:
    """Return the sweep in which the failure at `path` happened; None if there is no readable failure."""
    return _first(path, "sweep")


def reason_in(path: Path) -> str:
    """Return why the job failed whose row is at `path`."""
    return visible(_first(path, "error") or "no readable row says why")


def _first(path: Path, name: str) -> str | None:
    try:
        return str(read_rows(path, [name]).column(name)[0])
    except (ValueError, IndexError, FileNotFoundError, Stranger):
        return None


def _identity(asked: Asked, status: str) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "job": asked.job,
        "asked_hash": asked.asked_hash,
        "code_version": code_version(),
        "status": status,
    }


def _run(asked: Asked, run: Run) -> dict[str, Any]:
    return {
        "overrides": " ".join(asked.overrides),
        "sweep": run.sweep,
        "host": socket.gethostname(),
        "started_at": run.started_at,
        "wall_s": run.wall_s,
    }


def _result_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what changes no result."""
    return {key: value for key, value in config.items() if key not in NOT_HASHED}


def _ranks(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of each rank, or stream; of forward steps, one row without."""
    if "streams" in said:
        return [{"rank": n, "prefetch_latency_s": one["elapsed_s"]} for n, one in enumerate(said["streams"])]
    ranks = range(len(said.get("ranks", ())))
    rows = [{column.name: find(said, column.source.format(rank=rank)) for column in RANK_METRICS} for rank in ranks]
    return rows or [{}]
