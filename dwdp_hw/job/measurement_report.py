"""Write and print a measurement in the same form as a prediction, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.cases.result import RankResult
from dwdp_hw.job.measured_timeline import measured_timeline
from dwdp_hw.job.measurement import Measurement
from dwdp_hw.job.measurement_summary import MeasuredRank, MeasurementSummary, summarize_measurement
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.write import measured_row
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_bytes, format_percent, format_seconds
from dwdp_sim.results.chrome_trace import chrome_trace
from dwdp_sim.results.files import trace_head, write_config, write_copies, write_summary, write_trace
from dwdp_sim.results.titles import group_words, strategy_words


def write_measurement(folder: Path, measurement: Measurement, results: Sequence[RankResult]) -> MeasurementSummary:
    """Write the row, the copies and the trace where they were watched, and last `summary.json`; returns that."""
    row = measured_row(measurement.case, results)
    summary = summarize_measurement(measurement, row)
    rows = measurement_file(dict(results[0].machine), "", [row], [])
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: write_config(path, measurement.config),
        "rows.json": partial(_write_text, text=rows),
    }
    if all(result.detail is not None for result in results if result.pulls):
        timeline, plan = measured_timeline(measurement.case, results), measurement.case.plan
        trace = chrome_trace(timeline, trace_head(summary.head), plan=plan)
        writers["copies.parquet"] = lambda path: write_copies(path, timeline, measurement.config_hash, plan)
        writers["trace.json"] = lambda path: write_trace(path, trace)
    for result in results:
        if result.witness is not None and result.witness.trace:
            writers[f"profiler_rank{result.rank}.json"] = partial(_write_text, text=result.witness.trace)
    writers["summary.json"] = lambda path: write_summary(path, summary.to_dict())
    for name, write in writers.items():
        write_whole(folder / name, write)
    return summary


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def print_measurement(console: Console, measurement: Measurement, summary: MeasurementSummary, folder: Path) -> None:
    """Print what was measured, what was predicted, and whether it may be trusted."""
    console = plain_console(console)
    row, head, layer = summary.row, summary.head, measurement.layer
    case = measurement.case
    what = f"a step of {case.layers} MoE layers" if case.pipeline else "one MoE layer"
    title = (
        f"Measured: {what} of {head.model}, {strategy_words(layer.strategy)}\n"
        f"{group_words(layer.placement)}, issue mode {head.issue_mode}, home {head.home}, {row['path']}"
    )
    if summary.ranks:
        console.print(_ranks(summary.ranks, title))
    lines = [f"host time a slice: {_issue_costs(ways)}" for ways in row.get("issue_cost_us_a_slice") or []]
    sizes = sorted({format_bytes(size) for size in head.plan.bytes_per_rank})
    a_layer = " a layer" if case.pipeline else ""
    lines.append(f"each rank pulls {' to '.join(sizes)}{a_layer}; every byte of every run was compared")
    lines.append(f"over NVLink: {', '.join(sorted({rank.over_nvlink for rank in summary.ranks}))}")
    if skew := row["start_skew_us"]:
        lines.append(f"start skew {skew['median']} µs (largest {skew['max']} µs)")
    if not row["stable"]:
        lines.append(f"UNSTABLE: {row['unstable_reason']}")
    lines += _step_lines(summary)
    if summary.no_prediction:
        lines.append(f"not predicted: {summary.no_prediction}")
    for line in lines:
        console.print(line, highlight=False)
    say(console, f"written to {folder}", dim=True)


def _ranks(ranks: Sequence[MeasuredRank], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("rank", "median", "min", "max", "host issue", "predicted", "error"):
        table.add_column(heading, justify="right")
    for rank in ranks:
        times = [format_seconds(seconds) for seconds in (rank.prefetch_latency_s, rank.min_s, rank.max_s)]
        host = "—" if rank.host_s is None else format_seconds(rank.host_s)
        predicted = "—" if rank.predicted_s is None else format_seconds(rank.predicted_s)
        error = "—" if rank.error is None else f"{rank.error:+.1%}"
        table.add_row(str(rank.rank), *times, host, predicted, error)
    return table


def _step_lines(summary: MeasurementSummary) -> Iterator[str]:
    """What a pipeline's step was predicted from; the table has the first, of which lines have the slowest rank."""
    if summary.steps is None:
        return
    measured_s = max(rank.prefetch_latency_s for rank in summary.ranks)
    for basis, step_s in summary.steps.step_s.items():
        error = format_percent(max(step_s) / measured_s - 1, signed=True)
        yield f"step predicted from {basis}: {format_seconds(max(step_s))} ({error})"
    for basis, why in summary.steps.missing.items():
        yield f"not predicted from {basis}: {why}"


def _issue_costs(ways: dict[str, Any]) -> str:
    return ", ".join(f"{way} {spread['median']:.3g} µs" for way, spread in ways.items())
