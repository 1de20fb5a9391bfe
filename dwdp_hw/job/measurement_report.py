"""The files and the table of a measurement: the shapes of a prediction's, so that both can be laid side by side."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.cases.result import RankResult
from dwdp_hw.job.measurement import Measurement
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.write import measured_row
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.units import format_bytes, format_seconds, format_slice
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.build import Job
from dwdp_sim.plan.program import program_from_plan
from dwdp_sim.results.chrome_trace import chrome_trace
from dwdp_sim.results.files import copies_table
from dwdp_sim.results.summary import SUMMARY_SCHEMA, latency


def write_measurement(folder: Path, measurement: Measurement, results: Sequence[RankResult]) -> dict[str, Any]:
    """Write the row, the copies and the trace where they were watched, and last `summary.json`; returns that."""
    row = measured_row(measurement.case, results)
    summary = summarize(measurement, row)
    config = yaml.safe_dump(measurement.config, sort_keys=False, allow_unicode=True)
    rows = measurement_file(dict(results[0].machine), "", [row], [])
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: path.write_text(config, encoding="utf-8"),
        "rows.json": lambda path: path.write_text(rows, encoding="utf-8"),
    }
    if all(result.detail is not None for result in results if result.pulls):
        job, timeline = measured_timeline(measurement, results)
        trace = json.dumps(chrome_trace(job, timeline), separators=(",", ":"))
        writers["copies.parquet"] = lambda path: pq.write_table(copies_table(job, timeline), path, compression="zstd")
        writers["trace.json"] = lambda path: path.write_text(trace, encoding="utf-8")
    for result in results:
        if result.witness is not None and result.witness.trace:
            writers[f"profiler_rank{result.rank}.json"] = partial(_write_text, text=result.witness.trace)
    text = json.dumps(summary, indent=2) + "\n"
    writers["summary.json"] = lambda path: path.write_text(text, encoding="utf-8")
    for name, write in writers.items():
        write_whole(folder / name, write)
    return summary


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def summarize(measurement: Measurement, row: MeasuredRow) -> dict[str, Any]:
    """The content of `summary.json`: the keys of a prediction's, measured, and what was predicted beside them."""
    case, layer = measurement.case, measurement.layer
    medians = np.array([spread["median"] for spread in row["device_us"]]) / 1e6
    predicted = _predicted_s(measurement.job)
    ranks: list[dict[str, Any]] = []
    for index, rank in enumerate(case.ranks if len(medians) else ()):
        entry: dict[str, Any] = {
            "rank": rank,
            "prefetch_latency_s": float(medians[index]),
            "min_s": row["device_us"][index]["min"] / 1e6,
            "max_s": row["device_us"][index]["max"] / 1e6,
            "host_s": row["host_us"][index] / 1e6 if row["host_us"] else None,
            "over_nvlink": row["over_nvlink"][index],
            "verified_runs": row["verified_runs"][index],
        }
        if predicted is not None:
            entry |= {"predicted_s": predicted[rank], "error": predicted[rank] / float(medians[index]) - 1}
        ranks.append(entry)
    plan = layer.plan
    return {
        "schema": SUMMARY_SCHEMA,
        "measured": True,
        "config_hash": measurement.config_hash,
        "cluster": measurement.config["cluster"]["name"],
        "issue_mode": case.issue_mode,
        "model": layer.model.name,
        "strategy": layer.strategy.name,
        "implementation": layer.strategy.implementation,
        "dwdp_size": layer.placement.dwdp_size,
        "home": case.home,
        "mapping": case.mapping,
        "path": row["path"],
        "plan": {
            "copies_per_rank": plan.copies_per_rank(),
            "bytes_per_rank": plan.bytes_per_rank(),
            "calls_per_rank": plan.calls_per_rank(),
        },
        "prefetch_latency_s": latency(medians) if len(medians) else None,
        "ranks": ranks,
        "no_prediction": measurement.no_prediction,
        "start_skew_us": row["start_skew_us"],
        "stable": row["stable"],
        "unstable_reason": row["unstable_reason"],
        "cupti": row.get("cupti"),
        "layer_us": row.get("layer_us"),
        "issue_cost_us_a_slice": row.get("issue_cost_us_a_slice"),
    }


def _predicted_s(job: Job | None) -> list[float] | None:
    if job is None:
        return None
    return [float(s) for s in simulate(job.program, job.constants, job.options, seed=job.seed).stream_elapsed_s]


def measured_timeline(measurement: Measurement, results: Sequence[RankResult]) -> tuple[Job, Timeline]:
    """The watched run as a timeline.

    A copy's first byte cannot be seen: `copy_start_s` is when the rank's previous copy from the same source arrived,
    or its call's issue. Times that were not seen count as the run's end.
    """
    case = measurement.case
    program = program_from_plan(
        case.plan, issue_mode=case.issue_mode, home=case.home, ranks=len(results) if case.home != "peer" else None
    )
    end = np.zeros(len(program.copy_bytes))
    issue = np.zeros(len(program.copy_bytes))
    start = np.zeros(len(program.copy_bytes))
    elapsed = np.zeros(len(program.stream_gpu))
    owner = program.call_stream[program.copy_call]
    for result in results:
        if result.detail is None:
            continue
        own = np.flatnonzero(owner == result.rank)
        seen = [time for time in (*result.detail.arrival_s, *result.detail.call_end_s) if not math.isnan(time)]
        last = max(seen, default=0.0)
        arrivals = np.array(result.detail.arrival_s if result.detail.arrival_s else [last] * len(own))
        end[own] = np.nan_to_num(arrivals, nan=last)
        calls = program.copy_call[own] - int(np.flatnonzero(program.call_stream == result.rank)[0])
        issue[own] = np.nan_to_num(np.array(result.detail.issue_s), nan=0.0)[calls]
        start[own] = _starts(end[own], issue[own], program.copy_src[own])
        elapsed[result.rank] = last
    nothing = np.zeros(len(elapsed))
    timeline = Timeline(program, issue, start, end, elapsed, nothing, nothing, nothing, nothing, [], [])
    cluster = measurement.config["cluster"]
    described = Cluster(cluster["name"], cluster["description"], len(elapsed), case.mapping, case.home, {})
    job = Job(
        config=measurement.config,
        config_hash=measurement.config_hash,
        cluster=described,
        options=FabricOptions(),
        layer=measurement.layer,
        program=program,
        starts_s=(tuple(program.stream_start_s.tolist()),),
        constants=_no_constants(),
        seed=0,
        issue_mode=case.issue_mode,
        scenario=None,
        coarse=None,
    )
    return job, timeline


def _starts(end_s: Floats, issue_s: Floats, source: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    start = issue_s.copy()
    for peer in np.unique(source):
        own = np.flatnonzero(source == peer)
        order = own[np.argsort(end_s[own], kind="stable")]
        start[order[1:]] = np.maximum(start[order[1:]], end_s[order[:-1]])
    return np.minimum(start, end_s)


def _no_constants() -> FabricConstants:
    """A measurement rests on none."""
    one = {"pull": 1.0, "push": 1.0}
    return FabricConstants(
        rates={},
        incast={kind: (1.0, 1.0, 1.0, 1.0) for kind in ("pull", "push")},
        both_ways_egress=one,
        both_ways_ingress=one,
        both_ways_gap_factor=1.0,
        timing={},
        in_flight_sources=1,
        refill="oldest",
        in_flight_bytes=0.0,
        batch_engines=1,
        turn_gap_s=((1.0, 0.0),),
        issue_async_s=0.0,
        issue_batch_s=0.0,
        issue_slice_s=0.0,
        barrier_s=0.0,
        swap_probability=0.0,
        event_s=0.0,
        host_batch_waits=False,
        used=(),
        assumed=(),
    )


def print_measurement(console: Console, measurement: Measurement, summary: dict[str, Any], folder: Path) -> None:
    """Print what was measured, what was predicted, and whether it may be trusted."""
    if not console.is_terminal:
        console = Console(width=120, file=console.file)
    strategy, placement = measurement.layer.strategy, measurement.layer.placement
    slices = f", {format_slice(strategy.slice_bytes)} slices" if strategy.slices and strategy.slice_bytes else ""
    title = (
        f"Measured: one MoE layer of {summary['model']}, {strategy.name} ({strategy.implementation}{slices})\n"
        f"N = {placement.dwdp_size}, L = {placement.num_experts_per_worker}, P = {placement.num_prefetch_experts}, "
        f"issue mode {summary['issue_mode']}, home {summary['home']}, {summary['path']}"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("rank", "median", "min", "max", "host issue", "predicted", "error"):
        table.add_column(heading, justify="right")
    for row in summary["ranks"]:
        predicted = [format_seconds(row["predicted_s"]), f"{row['error']:+.1%}"] if "error" in row else ["—", "—"]
        times = [format_seconds(row[key]) for key in ("prefetch_latency_s", "min_s", "max_s")]
        host = format_seconds(row["host_s"]) if row["host_s"] is not None else "—"
        table.add_row(str(row["rank"]), *times, host, *predicted)
    if summary["ranks"]:
        console.print(table)
    for ways in summary["issue_cost_us_a_slice"] or []:
        costs = {way: statistics.fmean([spread["median"]]) for way, spread in ways.items()}
        text = ", ".join(f"{way} {cost:.3g} µs" for way, cost in costs.items())
        console.print(f"host time a slice: {text}", highlight=False)
    sizes = sorted({format_bytes(size) for size in summary["plan"]["bytes_per_rank"]})
    console.print(f"each rank pulls {' to '.join(sizes)}; every byte of every run was compared", highlight=False)
    console.print(f"over NVLink: {', '.join(sorted({r['over_nvlink'] for r in summary['ranks']}))}", highlight=False)
    skew = summary["start_skew_us"]
    if skew:
        console.print(f"start skew {skew['median']} µs (largest {skew['max']} µs)", highlight=False)
    if not summary["stable"]:
        console.print(f"UNSTABLE: {summary['unstable_reason']}", highlight=False)
    if summary["no_prediction"]:
        console.print(f"not predicted: {summary['no_prediction']}", highlight=False)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)
