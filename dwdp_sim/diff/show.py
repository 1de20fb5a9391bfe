"""Show a comparison on the terminal or as JSON."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_percent, format_seconds
from dwdp_sim.diff.compare import Change, Diff

_FEWEST = 20  # lines of the table, with what is within noise, if there are so many
_MOST_NAMES = 5  # that one line lists


def print_diff(console: Console, diff: Diff) -> None:
    """Print what moved, then the largest changes within noise, and what one side alone has."""
    for name, first, second in diff.settings:
        say(console, f"{name}: {first or '–'} → {second or '–'}")
    changed = [change for change in diff.changes if change.first != change.second]
    shown = changed[: max(len(diff.moved), _FEWEST)]
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("figure", "first", "second", "change", "noise", "beyond noise"):
        table.add_column(heading, justify="left" if heading == "figure" else "right", overflow="fold")
    for change in shown:
        table.add_row(change.name, *_cells(change))
    if shown:
        plain_console(console).print(table)
    if len(shown) < len(changed):
        say(console, f"and {len(changed) - len(shown)} smaller changes within noise")
    for names, side in ((diff.only_first, diff.first), (diff.only_second, diff.second)):
        if names:
            listed = ", ".join(names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")
            say(console, f"only in {side}, not judged: {len(names)} ({listed})")
    say(console, f"{len(diff.moved) or 'none'} of {len(diff.changes)} figures moved beyond noise")


def print_json(diff: Diff) -> None:
    """Print the comparison as JSON, a figure a line."""
    sys.stdout.write(json_rows(diff.as_dict()))


def _cells(change: Change) -> list[str]:
    relative, noise = change.relative, change.noise
    base = change.first if isinstance(change.first, float) and change.first else None
    return [
        _value(change.first, change.unit),
        _value(change.second, change.unit),
        "–" if relative is None else format_percent(relative, digits=2, signed=True),
        "–" if noise is None or base is None else f"± {format_percent(noise / abs(base), digits=2)}",
        "yes" if change.moved else "no",
    ]


def _value(value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return value
    return format_seconds(value) if unit == "s" else f"{value:.5g} {unit.removeprefix('1')}".strip()
