"""Print a prediction for people: in colour on a terminal, plain elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.errors import visible
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_bytes, format_seconds
from dwdp_sim.plan.program import Program
from dwdp_sim.results.summary import Basis, LatencyRange, LayerSummary, RankLatency, ReplaySummary, Span
from dwdp_sim.results.summary_head import MemoryBytes

_MOST_ROWS = 16


def print_replay(console: Console, summary: ReplaySummary, program: Program, files: list[Path]) -> None:
    """Print how long each stream of a replayed program takes, what that rests on, and where the files are.

    Args:
        console: Where.
        summary: What was predicted.
        program: What was run.
        files: What was written, in one folder.
    """
    console = plain_console(console)
    title = f"copy program on {visible(summary.head.cluster)}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("stream", "gpu", "copies", "bytes", "elapsed"):
        table.add_column(heading, justify="right")
    owner = program.call_stream[program.copy_call]
    for index, stream in enumerate(summary.streams[:_MOST_ROWS]):
        size = program.copy_bytes[owner == index]
        cells = (str(index), str(stream.gpu), str(len(size)), format_bytes(int(size.sum())))
        table.add_row(*cells, format_seconds(stream.elapsed_s))
    console.print(table)
    _print_basis(console, summary.basis, summary.range_s)
    _print_end(console, summary.basis, files)


def print_layer(
    console: Console, summary: LayerSummary, title: str, gpu_bytes: float | None, files: list[Path]
) -> None:
    """Print how long a layer's prefetch takes, where the time goes, what it rests on, and where the files are.

    Args:
        console: Where.
        summary: What was predicted.
        title: What was run.
        gpu_bytes: Memory of a GPU; None if unknown.
        files: What was written, in one folder.
    """
    console = plain_console(console)
    console.print(_ranks(summary, f"One MoE layer of {title}"))
    plan, bound_s = summary.head.plan, summary.basis.lower_bound_s
    if bound_s > 0:
        ratio = summary.prefetch_latency_s.mean / bound_s
        console.print(f"mean latency is {ratio:.3f} × the lower bound", highlight=False)
    calls = _spread(plan.calls_per_rank, str)
    console.print(
        f"each rank pulls {_spread(plan.bytes_per_rank, format_bytes)} in {_spread(plan.copies_per_rank, str)} "
        f"copies, issued in {calls} {'call' if calls == '1' else 'calls'}",
        highlight=False,
    )
    console.print(memory_line(summary.memory_bytes, gpu_bytes), highlight=False)
    _print_basis(console, summary.basis, summary.range_s)
    if summary.head.home != "peer":
        console.print(f"experts come from {summary.head.home} memory: not over NVLink", highlight=False)
    _print_end(console, summary.basis, files)


def _ranks(summary: LayerSummary, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("rank", "prefetch latency", "host issue", "gaps", "transfer", "contention"):
        table.add_column(heading, justify="right")
    range_s, rows = summary.range_s, summary.ranks
    if range_s:
        table.add_column("range over hypotheses", justify="right")
    for row in rows if len(rows) <= _MOST_ROWS else rows[: _MOST_ROWS - 1]:
        times_s = (row.prefetch_latency_s, row.host_s, row.gap_s, row.transfer_s, row.contention_s)
        ranged = [_range(range_s.each[row.rank])] if range_s else []
        table.add_row(str(row.rank), *map(format_seconds, times_s), *ranged)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"… {len(rows) - _MOST_ROWS + 1} more")
    table.add_section()
    parts = [_mean(rows, part) for part in ("host_s", "gap_s", "transfer_s", "contention_s")]
    ranged = [_range(range_s.mean)] if range_s else []
    table.add_row("mean", format_seconds(summary.prefetch_latency_s.mean), *parts, *ranged)
    return table


def _print_basis(console: Console, basis: Basis, range_s: LatencyRange | None) -> None:
    for line in (*start_lines(basis), *range_lines(range_s)):
        console.print(line, highlight=False)


def _print_end(console: Console, basis: Basis, files: list[Path]) -> None:
    bound = format_seconds(basis.lower_bound_s)
    console.print(f"lower bound {bound} (bytes over the busiest link)", highlight=False)
    console.print(assumed_line(basis.assumed_constants), highlight=False)
    say(console, files_line(files), dim=True)


def assumed_line(names: list[str]) -> str:
    """Return the line that names the assumed constants of a prediction."""
    return f"rests on assumed constants: {', '.join(names)}" if names else "rests on no assumed constant"


def files_line(files: list[Path]) -> str:
    """Return the line that says where the files of a run are.

    Args:
        files: At least one, all in one folder.
    """
    return f"written to {files[0].parent}: {', '.join(file.name for file in files)}"


def start_lines(basis: Basis) -> list[str]:
    """Return lines that say how the starts were chosen and how far single runs lie apart."""
    if basis.draw_spread is not None:
        apart = f"single runs differ from it by up to {100 * basis.draw_spread:.1f} %"
        return [f"mean over {basis.draws} draws of the starts; {apart}"]
    if basis.start == "lockstep":
        return ["lock step: a singular case; starts a microsecond apart can add half to it (workload.start=random)"]
    if basis.start == "file":
        return ["starts exactly as in the file; workload.start=random shifts them by what was measured"]
    return []


def range_lines(found: LatencyRange | None) -> list[str]:
    """Return lines that name the hypotheses with the lowest and the highest latency."""
    if found is None:
        return []
    if len(found.under) == 1:
        return ["range: no hypothesis about what nobody has measured touches this program"]
    return [
        f"range over {len(found.under)} machines that hypotheses allow: {_range(found.mean)} in the mean; lowest "
        f'with "{found.lowest}", highest with "{found.highest}"'
    ]


def memory_line(need: MemoryBytes, gpu_bytes: float | None) -> str:
    """Return the line that says how much memory a GPU needs, and whether it has that.

    Args:
        need: What it must hold.
        gpu_bytes: Its memory; None if unknown.
    """
    text = f"memory a GPU: experts {format_bytes(need.experts)} + slots {format_bytes(need.slots)}"
    if gpu_bytes is None:
        return text
    verdict = "fits" if need.total <= gpu_bytes else "does NOT fit"
    return f"{text}: {verdict} in {format_bytes(gpu_bytes)}"


def _mean(rows: list[RankLatency], part: str) -> str:
    return format_seconds(sum(getattr(row, part) for row in rows) / len(rows))


def _range(low_high: Span) -> str:
    low, high = (format_seconds(value) for value in low_high)
    return low if low == high else f"{low} – {high}"


def _spread(values: list[int], show: Any) -> str:
    low, high = show(min(values)), show(max(values))
    return str(low) if low == high else f"{low} to {high}"
