"""Print a prediction of forward steps for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.estimate import Estimate
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_percent, format_seconds
from dwdp_sim.results.step_rows import bubbles_table, ranks_table
from dwdp_sim.results.step_summary import IterationResult, StepsSummary
from dwdp_sim.results.summary import Span
from dwdp_sim.results.tables import assumed_line, files_line, memory_line
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.steps.scenario import FIGURES, Scenario

_BUBBLES_SHOWN = 5
_ROUNDING = 1e-9
_WORTH_SAYING = 0.005  # of a layer's time


def print_steps(
    console: Console,
    summary: StepsSummary,
    result: IterationResult,
    scenario: Scenario,
    title: str,
    gpu_bytes: float | None,
    files: list[Path],
) -> None:
    """Print the iteration time, where it goes, each rank, the longest bubbles, DEP beside it, and what it rests on.

    Args:
        console: Where.
        summary: What was found.
        result: What was run.
        scenario: The forward steps.
        title: What was run.
        gpu_bytes: Memory of a GPU; None if unknown.
        files: What was written, in one folder.
    """
    console = plain_console(console)
    console.print(_figures(summary, scenario, title))
    console.print(ranks_table(result.replications[0].timeline, scenario.workload.warmup))
    console.print(bubbles_table(result.bubbles[:_BUBBLES_SHOWN]))
    for line in (*_comparisons(summary), memory_line(summary.memory_bytes, gpu_bytes)):
        console.print(line, highlight=False)
    console.print(assumed_line(summary.assumed_constants), style="dim")
    say(console, files_line(files), dim=True)


def _figures(summary: StepsSummary, scenario: Scenario, title: str) -> Table:
    load = scenario.workload.load
    inputs = "from a file" if load.lengths else f"{load.ratio:g}–1 × {load.isl} tokens"
    title = (
        f"Forward steps of {title}\n"
        f"{scenario.model.num_moe_layers} MoE layers, inputs {inputs}, at most {load.max_num_tokens} tokens a step, "
        f"compute {summary.compute}, {summary.replications} seeds × {scenario.workload.iterations} steps"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading, justify in (
        ("", "left"),
        ("mean", "right"),
        ("± (95 %)", "right"),
        ("range over hypotheses", "right"),
    ):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for name, meaning in FIGURES.items():
        figure = summary.figures[name]
        show = format_seconds if name.endswith("_s") and name != "tokens_per_s" else _count
        half = "" if math.isnan(figure.half_width) else show(_unless_rounding(figure))
        span: Span | None = getattr(summary.range_s, name, None)  # hypotheses say something of a few figures only
        ranged = " – ".join(show(value) for value in span) if span else ""
        table.add_row(meaning, show(figure.mean), half, ranged)
    return table


def _unless_rounding(figure: Estimate) -> float:
    """Return the half width of the interval; 0 if the seeds differ only by rounding."""
    return figure.half_width if figure.half_width > _ROUNDING * abs(figure.mean) else 0.0


def _comparisons(summary: StepsSummary) -> list[str]:
    mean, bound = summary.figures["iteration_s"].mean, summary.lower_bound_s
    lines = [
        f"a step takes {mean / bound:.3f} × its lower bound, {format_seconds(bound)} "
        "(its compute, or all bytes over the busiest link)",
        f"time to first token {format_seconds(summary.time_to_first_token_s)} without queueing",
    ]
    if summary.compute_fallback:
        lines.append(
            f"compute is a roofline, a lower bound, since measured kernels lack it: {summary.compute_fallback}"
        )
    if summary.kernels:
        lines.append(_kernels_line(summary.kernels))
    if summary.dep is not None:
        dep, gain = summary.dep, summary.dep.gain
        half = "" if math.isnan(gain.half_width) else f" ± {100 * gain.half_width:.1f}"
        lines.append(
            f"DEP would take {format_seconds(dep.iteration_s.mean)} (compute "
            f"{format_seconds(dep.compute_s)}, exchanges {format_seconds(dep.communication_s)}, waiting for the "
            f"slowest rank {format_seconds(dep.synchronization_s)}): DWDP gives {100 * gain.mean:+.1f}{half} % "
            f"tokens a second{_over_hypotheses(dep.gain_range)}"
        )
    return lines


def _over_hypotheses(span: Span | None) -> str:
    if span is None:
        return ""
    low, high = (100 * end for end in span)
    return f", {low:+.1f} to {high:+.1f} % over hypotheses"


def _kernels_line(kernels: Sequence[Operation]) -> str:
    """What a layer's time rests on, by share of it, and what lies beyond the tables."""
    whole_s = seconds_of(kernels)
    shares = {
        how: seconds_of(one for one in kernels if one.time.how == how) / whole_s
        for how in dict.fromkeys(one.time.how for one in kernels)
    }
    beyond = [_beyond(one) for one in kernels if one.time.how in ("held", "neighbour")]
    worth = {how: share for how, share in shares.items() if share >= _WORTH_SAYING}
    parts = ", ".join(f"{format_percent(share, digits=0)} {how}" for how, share in worth.items())
    return f"a layer's kernels: {parts}" + (f"; beyond the tables: {', '.join(beyond)}" if beyond else "")


def _beyond(operation: Operation) -> str:
    time = operation.time
    far = f", {time.outside:.3g} × the last row" if time.how == "held" else ""
    return f"{operation.name} ({time.how}{far})"


def _count(value: float) -> str:
    return f"{value:,.0f}"
