"""A prediction as a table for people: rich on a terminal, plain elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dwdp_sim.base.units import format_bytes, format_seconds, format_slice
from dwdp_sim.job.build import Job, Layer
from dwdp_sim.plan.kinds import is_hypothetical

_PLAIN_WIDTH = 120
_MOST_ROWS = 16


def print_prediction(console: Console, job: Job, summary: dict[str, Any], folder: Path, files: list[Path]) -> None:
    """Print what was predicted, where the time goes, what it rests on, and where the files are."""
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH, file=console.file)
    if job.layer is None:
        _print_streams(console, job, summary)
        for line in (*start_lines(summary), *range_lines(summary)):
            console.print(line, highlight=False)
    else:
        _print_layer(console, job, job.layer, summary)
    bound = summary["lower_bound_s"]
    console.print(f"lower bound {format_seconds(bound)} (bytes over the busiest link)", highlight=False)
    assumed = ", ".join(summary["assumed_constants"])
    console.print(
        f"rests on assumed constants: {assumed}" if assumed else "rests on no assumed constant", highlight=False
    )
    names = ", ".join(file.name for file in files)
    console.print(f"[dim]written to {escape(str(folder))}: {escape(names)}[/dim]", highlight=False, soft_wrap=True)


def _print_streams(console: Console, job: Job, summary: dict[str, Any]) -> None:
    table = Table(title=f"copy program on {escape(job.cluster.name)}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("stream", "gpu", "copies", "bytes", "elapsed"):
        table.add_column(heading, justify="right")
    program = job.program
    owner = program.call_stream[program.copy_call]
    for index, stream in enumerate(summary["streams"][:_MOST_ROWS]):
        size = program.copy_bytes[owner == index]
        cells = (str(index), str(stream["gpu"]), str(len(size)), format_bytes(int(size.sum())))
        table.add_row(*cells, format_seconds(stream["elapsed_s"]))
    console.print(table)


def _print_layer(console: Console, job: Job, layer: Layer, summary: dict[str, Any]) -> None:
    table = Table(title=f"One MoE layer of {layer_title(job, layer)}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("rank", "prefetch latency", "host issue", "gaps", "transfer", "contention"):
        table.add_column(heading, justify="right")
    ranged = "range_s" in summary
    if ranged:
        table.add_column("range over hypotheses", justify="right")
    rows = summary["ranks"]
    for row in rows if len(rows) <= _MOST_ROWS else rows[: _MOST_ROWS - 1]:
        cells = [str(row["rank"])]
        cells += [format_seconds(row[f"{p}_s"]) for p in ("prefetch_latency", "host", "gap", "transfer", "contention")]
        table.add_row(*cells, *([_range(summary["range_s"]["ranks"][row["rank"]])] if ranged else []))
    if len(rows) > _MOST_ROWS:
        table.add_row(f"… {len(rows) - _MOST_ROWS + 1} more")
    mean = summary["prefetch_latency_s"]["mean"]
    table.add_section()
    table.add_row(
        "mean",
        format_seconds(mean),
        *[_mean(rows, p) for p in ("host", "gap", "transfer", "contention")],
        *([_range(summary["range_s"]["mean"])] if ranged else []),
    )
    console.print(table)
    plan, memory = summary["plan"], summary["memory_bytes"]
    if summary["lower_bound_s"] > 0:
        console.print(f"mean latency is {mean / summary['lower_bound_s']:.3f} × the lower bound", highlight=False)
    calls = _spread(plan["calls_per_rank"], str)
    console.print(
        f"each rank pulls {_spread(plan['bytes_per_rank'], format_bytes)} in {_spread(plan['copies_per_rank'], str)} "
        f"copies, issued in {calls} {'call' if calls == '1' else 'calls'}",
        highlight=False,
    )
    console.print(memory_line(job, memory), highlight=False)
    for line in (*start_lines(summary), *range_lines(summary)):
        console.print(line, highlight=False)
    if job.cluster.home != "peer":
        console.print(f"experts come from {job.cluster.home} memory: not over NVLink", highlight=False)


def layer_title(job: Job, layer: Layer) -> str:
    """Model, machine, strategy and group, in two lines, for rich."""
    strategy, placement = layer.strategy, layer.placement
    slices = f", {format_slice(strategy.slice_bytes)} slices" if strategy.slice_bytes else ""
    hypothetical = ", hypothetical: no engine offers it" if is_hypothetical(strategy) else ""
    return (
        f"{escape(layer.model.name)} on {escape(job.cluster.name)}: {strategy.name} "
        f"({strategy.implementation}{slices}{hypothetical})\n"
        f"N = {placement.dwdp_size}, L = {placement.num_experts_per_worker}, P = {placement.num_prefetch_experts}, "
        f"issue mode {job.issue_mode}"
    )


def start_lines(summary: dict[str, Any]) -> list[str]:
    """How the starts were chosen, and how far single runs lie apart."""
    draws, spread = summary["draws"], summary["draw_spread"]
    if spread is not None:
        return [f"mean over {draws} draws of the starts; single runs differ from it by up to {100 * spread:.1f} %"]
    if summary["start"] == "lockstep":
        return ["lock step: a singular case; starts a microsecond apart can add half to it (workload.start=random)"]
    if summary["start"] == "file":
        return ["starts exactly as in the file; workload.start=random shifts them by what was measured"]
    return []


def range_lines(summary: dict[str, Any]) -> list[str]:
    """Under which hypotheses about what nobody has measured the latency is lowest and highest."""
    found = summary.get("range_s")
    if found is None:
        return []
    low, high = found["mean"]
    if len(found["under"]) == 1:
        return ["range: no hypothesis about what nobody has measured touches this program"]
    return [
        f"range over {len(found['under'])} machines that hypotheses allow: {_range([low, high])} in the mean; lowest "
        f'with "{found["lowest"]}", highest with "{found["highest"]}"'
    ]


def memory_line(job: Job, memory: dict[str, int]) -> str:
    """What a GPU must hold, and whether it can."""
    need = memory["experts"] + memory["slots"]
    text = f"memory a GPU: experts {format_bytes(memory['experts'])} + slots {format_bytes(memory['slots'])}"
    size = job.cluster.memory_bytes
    if size is None:
        return text
    verdict = "fits" if need <= size else "does NOT fit"
    return f"{text}: {verdict} in {format_bytes(size)}"


def _mean(rows: list[dict[str, float]], part: str) -> str:
    return format_seconds(sum(row[f"{part}_s"] for row in rows) / len(rows))


def _range(low_high: list[float]) -> str:
    low, high = (format_seconds(value) for value in low_high)
    return low if low == high else f"{low} – {high}"


def _spread(values: list[int], show: Any) -> str:
    low, high = show(min(values)), show(max(values))
    return str(low) if low == high else f"{low} to {high}"
