"""Print an advice on one screen: in colour on a terminal, plain elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from dwdp_sim.advice.advice import Advice
from dwdp_sim.advice.engine_settings import engine_settings
from dwdp_sim.advice.placements import PlacementRow
from dwdp_sim.advice.provenance import source_lines
from dwdp_sim.advice.search import ALIKE
from dwdp_sim.advice.sensitivity import HostRow, SizeRow
from dwdp_sim.advice.turns import what_would_change
from dwdp_sim.advice.verdict import break_even_lines, not_looked_at, percent, percent_range, verdict
from dwdp_sim.base.errors import visible
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_bytes, format_seconds, format_slice
from dwdp_sim.job.job import StepsJob
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.results.tables import files_line


def print_advice(
    console: Console, job: StepsJob, advice: Advice, found: dict[str, list[str]], written: list[Path]
) -> None:
    """Print the verdict first, what would change it, then what it rests on.

    Args:
        console: Where.
        job: What the user runs.
        advice: What was found.
        found: Constants by where they came from.
        written: Files of the run.
    """
    console = plain_console(console)
    for sentence in verdict(advice.findings, advice.own):
        console.print(sentence, style="bold", highlight=False)
    if change := what_would_change(advice, hides_host=job.issue_mode == "queued"):
        console.print(change, highlight=False)
    if advice.missing:
        console.print(not_looked_at(advice.missing), highlight=False)
    console.print(_candidates(job, advice))
    load, today = job.scenario.workload.load, advice.findings.today.candidate
    for heading, lines in (
        ("where it turns", [_load_line(advice), *break_even_lines(advice.break_evens or ())]),
        ("slice size", [_slice_line(advice.sizes)] if advice.sizes else []),
        ("if the host's time counts (issue_mode=as_issued), batched over default", _host_lines(advice.host or ())),
        ("placement", _placement_lines(advice.placements or [advice.own])),
        ("rests on", [*source_lines(found, job.scenario.workload.compute), _method_line(advice)]),
        ("to paste", engine_settings(today, job.layer.placement, load.max_num_tokens).split("\n")),
    ):
        if lines:
            console.print(heading, style="bold", highlight=False)
            console.print(Padding("\n".join(lines), (0, 0, 0, 2)), highlight=False)
    if written:
        say(console, files_line(written), dim=True)


def _candidates(job: StepsJob, advice: Advice) -> Table:
    layer, workload = job.layer, job.scenario.workload
    placement, load = layer.placement, workload.load
    inputs = "from a file" if load.lengths else f"{load.ratio:g}–1 × {load.isl} tokens"
    table = Table(
        title=f"{visible(layer.model.name)} on {visible(job.cluster.name)}, {layer.strategy.implementation}, "
        f"N = {placement.dwdp_size}, L = {placement.num_experts_per_worker}, P = {placement.num_prefetch_experts}\n"
        f"inputs {inputs}, at most {load.max_num_tokens} tokens a step, "
        f"compute {workload.compute.name}, issue mode {job.issue_mode}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("candidate")
    whole = advice.findings.layers == advice.findings.of_layers and not advice.findings.missing
    step = "forward step" if whole else f"{advice.findings.layers} MoE layers"
    span = "range so far" if advice.findings.missing else "range over hypotheses"
    for heading in (step, "gain ± 95 %", span, "host a layer"):
        table.add_column(heading, justify="right")
    table.add_column("engine must change")
    current = advice.findings.rows[0]
    for row in advice.findings.rows:
        own = row is current
        table.add_row(
            row.candidate.label + (" (yours)" if own else ""),
            format_seconds(row.iteration.mean),
            "" if own else percent(row) if row.gain.excludes_zero else f"no difference ({percent(row)})",
            "" if own else percent_range(row),
            format_seconds(advice.costs[row.candidate].seconds),
            ", ".join(row.changes) or "nothing",
        )
    return table


def _load_line(advice: Advice) -> str:
    load = advice.load
    return (
        f"yours: {format_seconds(load.window_s)} a layer, {load.ratio:.2f} × its uncontended prefetch "
        f"({format_seconds(load.prefetch_s)}); steps vary by {100 * load.cv:.0f} %"
    )


def _slice_line(sizes: Sequence[SizeRow]) -> str:
    """How flat the optimum is."""
    alike = [row for row in sizes if abs(row.gain.mean) < ALIKE or not row.gain.excludes_zero]
    names = [format_slice(row.slice_bytes) for row in alike]
    others = [f"{format_slice(row.slice_bytes)} {100 * row.gain.mean:+.1f} %" for row in sizes if row not in alike]
    hosts = [row.cost.seconds for row in alike]
    host = f"host {format_seconds(max(hosts))} to {format_seconds(min(hosts))} a layer"
    text = f"{names[0]} to {names[-1]} are alike ({host})"
    against = f"; against {format_slice(CONTENTION_OPT_SLICE_BYTES)}: {', '.join(others)}" if others else ""
    return f"batched, as configured: {text}{against}. Where an engine counts bytes in flight, larger slices lose"


def _host_lines(host: Sequence[HostRow]) -> list[str]:
    """For each slice size a line: what its slices may cost, and what that does."""
    lines = []
    for size in dict.fromkeys(row.slice_bytes for row in host):
        rows = [row for row in host if row.slice_bytes == size]
        costs = " / ".join(f"{1e6 * row.issue_slice_s:g}" for row in rows)
        layers = " / ".join(f"{1e3 * row.host_s:.2g}" for row in rows)
        ahead, behind = (" / ".join(_short(getattr(row, name)) for row in rows) for name in ("ahead", "behind"))
        lines.append(
            f"{format_slice(size)} at {costs} µs a slice = {layers} ms a layer: {ahead} % with a host that runs ahead, "
            f"{behind} % with one that does not"
        )
    return lines


def _short(gain: Estimate) -> str:
    return f"{100 * gain.mean:+.1f}" if gain.excludes_zero else "±0"


def _placement_lines(placements: Sequence[PlacementRow]) -> list[str]:
    lines = []
    for number, row in enumerate(placements):
        fits = {True: "fits", False: "does NOT fit", None: "memory of the GPU unknown"}[row.fits]
        gain = "yours" if number == 0 else "" if row.gain is None else _gain(row.gain)
        lines.append(
            f"L = {row.placement.num_experts_per_worker}, P = {row.placement.num_prefetch_experts}: experts and slots "
            f"{format_bytes(row.memory_bytes)} a GPU ({fits}), pulls {format_bytes(row.pulled_bytes)} a layer"
            + (f": {gain}" if gain else "")
        )
    return [*lines, "attention weights, KV cache and activations come on top"]


def _method_line(advice: Advice) -> str:
    findings = advice.findings
    extreme = len(findings.rows[0].gains)
    if findings.missing:
        return (
            f"simulation: {len(findings.rows)} candidates compared over {findings.layers} MoE layers, "
            f"{findings.rows[0].iteration.count} seeds as configured and one in each other state; small slices "
            "simulated as larger ones"
        )
    return (
        f"simulation: {len(findings.screened)} candidates screened in {len(findings.states)} states of the machine, "
        f"{len(findings.rows)} compared over {findings.layers} MoE layers and {findings.rows[0].iteration.count} seeds "
        f"in the {extreme} that came out extreme; small slices simulated as larger ones"
    )


def _gain(gain: Estimate) -> str:
    half = "" if math.isnan(gain.half_width) else f" ± {100 * gain.half_width:.1f}"
    text = f"{100 * gain.mean:+.1f}{half} %"
    return text if gain.excludes_zero else f"no difference ({text})"
