"""Forward steps as a table for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dwdp_sim.base.units import format_seconds
from dwdp_sim.job.job import StepsJob
from dwdp_sim.results.step_rows import bubbles_table, ranks_table
from dwdp_sim.results.step_summary import IterationResult
from dwdp_sim.results.tables import layer_title, memory_line
from dwdp_sim.steps.scenario import FIGURES

_PLAIN_WIDTH = 120
_BUBBLES_SHOWN = 5
_ROUNDING = 1e-9


def print_iteration(
    console: Console, job: StepsJob, result: IterationResult, summary: dict[str, Any], written: list[Path]
) -> None:
    """Print the iteration time, where it goes, each rank, the longest bubbles, DEP beside it, and what it rests on."""
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH, file=console.file)
    console.print(_figures(job, summary))
    console.print(ranks_table(result.replications[0].timeline, job.scenario.workload.warmup))
    console.print(bubbles_table(result.bubbles[:_BUBBLES_SHOWN]))
    for line in (*_comparisons(summary), memory_line(job, summary["memory_bytes"])):
        console.print(line, highlight=False)
    assumed = ", ".join(summary["assumed_constants"])
    console.print(f"rests on assumed constants: {assumed}" if assumed else "rests on no assumed constant", style="dim")
    names = ", ".join(file.name for file in written)
    folder = escape(str(written[0].parent))
    console.print(f"[dim]written to {folder}: {escape(names)}[/dim]", highlight=False, soft_wrap=True)


def _figures(job: StepsJob, summary: dict[str, Any]) -> Table:
    workload = job.scenario.workload
    load = workload.load
    inputs = "from a file" if load.lengths else f"{load.ratio:g}–1 × {load.isl} tokens"
    title = (
        f"Forward steps of {layer_title(job)}\n"
        f"{job.layer.model.num_moe_layers} MoE layers, inputs {inputs}, at most {load.max_num_tokens} tokens a step, "
        f"compute {summary['compute']}, {summary['replications']} seeds × {workload.iterations} steps"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading, justify in (("", "left"), ("mean", "right"), ("± (95 %)", "right"), ("range over rules", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for name, meaning in FIGURES.items():
        figure = summary["figures"][name]
        show = format_seconds if name.endswith("_s") and name != "tokens_per_s" else _count
        half = "" if figure["half_width"] is None else show(_unless_rounding(figure["half_width"], figure["mean"]))
        low_high = summary.get("range_s", {}).get(name)
        ranged = " – ".join(show(value) for value in low_high) if low_high else ""
        table.add_row(meaning, show(figure["mean"]), half, ranged)
    return table


def _unless_rounding(half_width: float, mean: float) -> float:
    """0 where seeds differ by the last digits of a sum only."""
    return half_width if half_width > _ROUNDING * abs(mean) else 0.0


def _comparisons(summary: dict[str, Any]) -> list[str]:
    figures, bound = summary["figures"], summary["lower_bound_s"]
    mean = figures["iteration_s"]["mean"]
    lines = [
        f"a step takes {mean / bound:.3f} × its lower bound, {format_seconds(bound)} "
        "(its compute, or all bytes over the busiest link)",
        f"time to first token {format_seconds(summary['time_to_first_token_s'])} without queueing",
    ]
    if "dep" in summary:
        dep, gain = summary["dep"], summary["dep"]["gain"]
        half = "" if gain["half_width"] is None else f" ± {100 * gain['half_width']:.1f}"
        lines.append(
            f"DEP would take {format_seconds(dep['iteration_s']['mean'])} (compute "
            f"{format_seconds(dep['compute_s'])}, exchanges {format_seconds(dep['communication_s'])}, waiting for the "
            f"slowest rank {format_seconds(dep['synchronization_s'])}): DWDP gives {100 * gain['mean']:+.1f}{half} % "
            "tokens a second"
        )
    return lines


def _count(value: float) -> str:
    return f"{value:,.0f}"
