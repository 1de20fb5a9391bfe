"""The best choices as a table, and what to paste."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dwdp_sim.sweep.columns import find
from dwdp_sim.tune.config import TuneTree
from dwdp_sim.tune.search import ALIKE, Trial, alike
from dwdp_sim.units import format_seconds

_SHOWN = 10
_PLAIN_WIDTH = 120


def print_trials(
    console: Console,
    config: TuneTree,
    overrides: Sequence[str],
    trials: Sequence[Trial],
    best: Mapping[str, Any],
    written: Path,
) -> None:
    """Print the first trials, how sure the first one is, and the command that runs it."""
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH, file=console.file)
    what = "forward step" if config.workload.kind == "iteration" else "prefetch latency"
    title = f"{best['model']} on {best['cluster']}, N = {best['dwdp_size']}: {what}, {config.tune.objective}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("strategy", "slices", "copies of a wave", what, "over the best"):
        table.add_column(heading, justify="left" if heading == "strategy" else "right")
    least = trials[0].value_s
    for trial in trials[:_SHOWN]:
        choice = trial.choice
        size = "whole pulls" if choice.slice_bytes in (None, "null") else choice.slice_bytes
        wave = "" if choice.wave_copies is None else str(choice.wave_copies)
        over = f"{100 * (trial.value_s / least - 1):.2f} %"
        table.add_row(choice.strategy, size, wave, format_seconds(trial.value_s), over)
    console.print(table)
    near = alike(trials)
    _say(
        console, f"tried {len(trials)}; {len(near)} within {100 * ALIKE:g} % of the best, of which this is the easiest:"
    )
    _say(console, "dwdp-sim " + shlex.join([*_without_tuning(overrides), *near[0].choice.overrides()]))
    for line in _doubts(best):
        _say(console, line)
    _say(console, f"written to {written}")


def _doubts(best: Mapping[str, Any]) -> list[str]:
    """What the answer rests on."""
    low_high = find(best, "range_s.iteration_s") or find(best, "range_s.mean")
    ranged = "" if low_high is None else f"{format_seconds(low_high[0])} – {format_seconds(low_high[1])}"
    assumed = ", ".join(best["assumed_constants"])
    lines = [f"its time over hypotheses: {ranged}"] if ranged else []
    return lines + ([f"rests on assumed constants: {assumed}"] if assumed else [])


def _without_tuning(overrides: Sequence[str]) -> list[str]:
    return [text for text in overrides if not text.startswith("tune.")]


def _say(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)
