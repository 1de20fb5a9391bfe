"""Print what is known of a machine's health."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.health.judge import LOW, OK, Judgement
from dwdp_hw.health.nvml_facts import FINE, WARNING, Finding
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_percent

_GB = 1e9


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print each finding on a line."""
    for finding in findings:
        level = "" if finding.level == FINE else f"{finding.level}: "
        gpu = "" if finding.gpu is None else f"GPU {finding.gpu}: "
        say(console, f"{gpu}{level}{finding.text}")


def summary(findings: Sequence[Finding], judgements: Sequence[Judgement]) -> str:
    """Return the verdict on a machine, in one line."""
    warnings = [one.text for one in findings if one.level == WARNING]
    low = [f"{one.rate.copy} is low" for one in judgements if one.verdict == LOW]
    if warnings or low:
        return f"not healthy: {'; '.join([*low, *warnings])}"
    if not judgements:
        return "healthy: NVML reports nothing that slows a copy"
    known = sum(one.verdict == OK for one in judgements)
    rest = len(judgements) - known
    unknown = f"; nothing is known of {rest} further {'one' if rest == 1 else 'ones'}" if rest else ""
    return f"healthy: {known} {'rate' if known == 1 else 'rates'} as expected{unknown}"


def print_judgements(console: Console, judgements: Sequence[Judgement]) -> None:
    """Print each rate beside what it should be; one line where the rows show none."""
    if not judgements:
        say(console, "no stable row is long enough to show a rate")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("your card", "copy", "measured", "expected", "verdict", "expected by"):
        table.add_column(heading, justify="right" if heading in ("measured", "expected") else "left", overflow="fold")
    for one in judgements:
        rate, reference = one.rate, one.reference
        expected = "–"
        if reference is not None:
            share = format_percent(reference.tolerance, digits=0)
            expected = f"{reference.bytes_per_s / _GB:.4g} GB/s − {share}"
        both = ", both ways" if rate.ways == "both" else ""
        measured = f"{rate.bytes_per_s / _GB:.4g} GB/s"
        source = "–" if reference is None else f"{reference.source} ({reference.date})"
        table.add_row(one.gpu, f"{rate.copy}{both}", measured, expected, one.verdict, source)
    plain_console(console).print(table)
