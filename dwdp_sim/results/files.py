"""Write the files of a run, each of which appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.engine_choice import engine_lacking
from dwdp_sim.fabric.timeline import SimulatedTimeline, Timeline
from dwdp_sim.job.overridden import Overridden, overridden_content
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.endpoints import HOST, endpoint_key
from dwdp_sim.results.arrow_columns import named, numbers
from dwdp_sim.results.chrome_trace import chrome_trace
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.summary_head import RunHead

if TYPE_CHECKING:
    from dwdp_sim.results.figure import Picture

COPIES_SCHEMA_VERSION = 2


def write_results(
    folder: Path,
    config: Mapping[str, Any],
    timeline: SimulatedTimeline,
    summary: LayerSummary | ReplaySummary,
    picture: Picture,
    plan: CopyPlan | None = None,
    overridden: Sequence[Overridden] = (),
) -> list[Path]:
    """Write configuration, copies, picture, trace and, last, `summary.json` into `folder`.

    Args:
        folder: Where.
        config: The resolved configuration.
        timeline: What is drawn and listed copy by copy.
        summary: What was found.
        picture: How it is drawn.
        plan: What the program was made from, if from a plan.
        overridden: Values that are otherwise than in a file that the configuration names.

    Returns:
        The files, in the order of writing. `summary.json` is last: where it stands, the others are complete.
    """
    from dwdp_sim.results.figure import draw_timeline  # noqa: PLC0415 - Matplotlib, which measurements need not

    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: write_config(path, config),
        "copies.parquet": lambda path: write_copies(path, timeline, summary.head.config_hash, plan),
        "timeline.png": lambda path: draw_timeline(path, timeline, picture, timeline.links),
        "trace.json": lambda path: write_trace(
            path, chrome_trace(timeline, trace_head(summary.head), plan=plan, links=timeline.links)
        ),
        "summary.json": lambda path: write_summary(path, summary.to_dict() | overridden_content(overridden)),
    }
    return [write_whole(folder / name, write) for name, write in writers.items()]


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a resolved configuration."""
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def write_summary(path: Path, content: Mapping[str, Any]) -> None:
    """Write the content of a `summary.json`, which also says if the compiled engine could not be had."""
    path.write_text(json.dumps({**content, **engine_lacking()}, indent=2) + "\n", encoding="utf-8")


def write_trace(path: Path, content: Mapping[str, Any]) -> None:
    """Write the content of a `trace.json`."""
    path.write_bytes(msgspec.json.encode(content, enc_hook=float))  # thousands of events; NumPy's numbers are theirs


def write_copies(path: Path, timeline: Timeline, config_hash: str, plan: CopyPlan | None) -> None:
    """Write `copies_table` as Parquet."""
    pq.write_table(copies_table(timeline, config_hash, plan), path, compression="zstd")


def trace_head(head: RunHead) -> dict[str, str]:
    """Return what a trace says of the run."""
    return {"cluster": head.cluster, "config_hash": head.config_hash, "issue_mode": head.issue_mode}


def copies_table(timeline: Timeline, config_hash: str, plan: CopyPlan | None = None) -> pa.Table:
    """Return one row for each copy, in issue order; docs/results.md describes the columns.

    Args:
        timeline: When the copies moved.
        config_hash: Of the resolved configuration; stands in the table's metadata.
        plan: What the program was made from, if from a plan; it says what each copy carries.
    """
    program = timeline.program
    count = len(program.copy_bytes)
    columns: dict[str, pa.Array] = {"rank": numbers(program.copy_gpu.astype(np.int32))}
    if plan is not None:
        columns |= {
            "peer": numbers(plan.copy_peer[:count].astype(np.int32)),
            "parameter": named(plan.copy_parameter[:count], [p.name for p in plan.parameters]),
        }
    columns |= {
        "src": _endpoint_names(program.copy_src),
        "dst": _endpoint_names(program.copy_dst),
        "call": numbers(program.copy_call.astype(np.int64)),
        "bytes": numbers(program.copy_bytes),
        "issue_s": numbers(timeline.copy_issue_s),
        "start_s": numbers(timeline.copy_start_s),
        "end_s": numbers(timeline.copy_end_s),
    }
    metadata = {"schema_version": str(COPIES_SCHEMA_VERSION), "config_hash": config_hash}
    return pa.table(columns).replace_schema_metadata(metadata)


def _endpoint_names(column: Ints) -> pa.DictionaryArray:
    names = [endpoint_key(endpoint) for endpoint in range(HOST, max(int(column.max(initial=0)), 0) + 1)]
    return named(column - HOST, names)
