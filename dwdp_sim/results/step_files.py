"""Write the files of a run of forward steps, each of which appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.job.overridden import Overridden, overridden_content
from dwdp_sim.results.arrow_columns import numbers
from dwdp_sim.results.files import write_config, write_summary, write_trace
from dwdp_sim.results.step_figure import draw_steps
from dwdp_sim.results.step_summary import IterationResult, StepsSummary
from dwdp_sim.results.step_trace import chrome_steps_trace
from dwdp_sim.steps.scenario import Replication

STEPS_SCHEMA_VERSION = 1
_COLUMNS = (
    "wait_begin_s",
    "moe_begin_s",
    "moe_end_s",
    "launch_wait_s",
    "prefetch_begin_s",
    "prefetch_end_s",
    "own_engine_s",
    "host_s",
    "gap_s",
    "transfer_s",
    "contention_s",
)


def write_steps(
    folder: Path,
    config: Mapping[str, Any],
    title: str,
    result: IterationResult,
    summary: StepsSummary,
    overridden: Sequence[Overridden] = (),
) -> list[Path]:
    """Write configuration, rows, picture and trace of the first seed, and, last, `summary.json` into `folder`.

    Args:
        folder: Where.
        config: The resolved configuration.
        title: Of the picture.
        result: What was run.
        summary: What was found.
        overridden: Values that are otherwise than in a file that the configuration names.

    Returns:
        The files, in the order of writing. `summary.json` is last: where it stands, the others are complete.
    """
    first, config_hash = result.replications[0], summary.head.config_hash
    rows = steps_table(config_hash, result.replications)
    trace = chrome_steps_trace(first.timeline, result.contention, {"config_hash": config_hash, "seed": first.seed})
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: write_config(path, config),
        "steps.parquet": lambda path: pq.write_table(rows, path, compression="zstd"),
        "steps.png": lambda path: draw_steps(path, first.timeline, result.contention, result.links, title),
        "trace.json": lambda path: write_trace(path, trace),
        "summary.json": lambda path: write_summary(path, summary.to_dict() | overridden_content(overridden)),
    }
    return [write_whole(folder / name, write) for name, write in writers.items()]


def steps_table(config_hash: str, replications: Sequence[Replication]) -> pa.Table:
    """Return one row for each seed, rank, step and layer; docs/results.md describes the columns."""
    columns: dict[str, list[np.ndarray[Any, Any]]] = {}
    for replication in replications:
        shape = replication.timeline.moe_end_s.shape
        rank, step, layer = (index.ravel().astype(np.int32) for index in np.indices(shape))
        values: dict[str, np.ndarray[Any, Any]] = {"seed": np.full(rank.size, replication.seed, dtype=np.int64)}
        values |= {"rank": rank, "step": step, "layer": layer}
        values["tokens"] = replication.windows.tokens.ravel().repeat(shape[2])
        values |= {name: getattr(replication.timeline, name).ravel() for name in _COLUMNS}
        for name, column in values.items():
            columns.setdefault(name, []).append(column)
    table = pa.table({name: numbers(np.concatenate(parts)) for name, parts in columns.items()})
    metadata = {"schema_version": str(STEPS_SCHEMA_VERSION), "config_hash": config_hash}
    return table.replace_schema_metadata(metadata)
