"""The files of a run. Each appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob
from dwdp_sim.plan.program import HOST
from dwdp_sim.results.chrome_trace import chrome_trace
from dwdp_sim.results.figure import draw_timeline

COPIES_SCHEMA_VERSION = 1


def write_results(
    folder: Path, run: CheckedRun, job: LayerJob | ReplayJob, timeline: Timeline, summary: dict[str, Any]
) -> list[Path]:
    """Write configuration, copies, picture, trace and, last, `summary.json` into `folder`.

    Returns:
        The files, in the order of writing. `summary.json` is last: where it stands, the others are complete.
    """
    trace = chrome_trace(job, timeline, run.config_hash)
    rows = copies_table(job, timeline, run.config_hash)
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: path.write_text(yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)),
        "copies.parquet": lambda path: pq.write_table(rows, path, compression="zstd"),
        "timeline.png": lambda path: draw_timeline(path, job, timeline),
        "trace.json": lambda path: path.write_text(json.dumps(trace, separators=(",", ":"))),
        "summary.json": lambda path: path.write_text(json.dumps(summary, indent=2) + "\n"),
    }
    return [write_whole(folder / name, write) for name, write in writers.items()]


def copies_table(job: LayerJob | ReplayJob, timeline: Timeline, config_hash: str) -> pa.Table:
    """One row a copy, in issue order; docs/results.md describes the columns."""
    program = job.program
    count = len(program.copy_bytes)
    columns: dict[str, Any] = {"rank": program.stream_gpu[program.call_stream[program.copy_call]].astype(np.int32)}
    if isinstance(job, LayerJob):
        plan = job.layer.plan
        names = np.array([p.name for p in plan.parameters])
        columns |= {
            "layer": np.zeros(count, dtype=np.int32),
            "peer": plan.copy_peer[:count].astype(np.int32),
            "parameter": pa.array(names[plan.copy_parameter[:count]]).dictionary_encode(),
        }
    endpoints = {"src": program.copy_src, "dst": program.copy_dst}
    columns |= {name: _endpoint_names(column) for name, column in endpoints.items()}
    columns |= {
        "call": program.copy_call.astype(np.int64),
        "bytes": program.copy_bytes,
        "issue_s": timeline.copy_issue_s,
        "start_s": timeline.copy_start_s,
        "end_s": timeline.copy_end_s,
    }
    metadata = {"schema_version": str(COPIES_SCHEMA_VERSION), "config_hash": config_hash}
    return pa.table(columns).replace_schema_metadata(metadata)


def _endpoint_names(column: np.ndarray[Any, np.dtype[np.int64]]) -> pa.DictionaryArray:
    names = ["host", *(f"gpu{gpu}" for gpu in range(max(int(column.max(initial=0)), 0) + 1))]
    return pa.DictionaryArray.from_arrays(pa.array((column - HOST).astype(np.int32)), pa.array(names))
