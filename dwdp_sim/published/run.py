"""Run the published cases, write them down, and print them beside what was published."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import plain_console, progress_line, say
from dwdp_sim.published.rows import PublishedRow, published_rows
from dwdp_sim.steps.replications import workers

_PLAIN_WIDTH = 140


def run_published(folder: Path, processes: int | None, console: Console) -> None:
    """Predict every published case into `folder`/published.json.

    Args:
        folder: Where to write.
        processes: Processes to use; None for one a core.
        console: Where to print.
    """
    with workers(processes or os.cpu_count() or 1) as pool, progress_line(console, "parts") as show:
        rows = published_rows(pool, partial(show, "simulating"))
    text = json_rows([asdict(row) | {"difference": row.difference} for row in rows], levels=1)
    path = write_whole(folder / "published.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    console = plain_console(console, _PLAIN_WIDTH)
    console.print(published_table(rows))
    say(console, f"written to {path}", dim=True)


def published_table(rows: list[PublishedRow]) -> Table:
    """The rows for people; differences of ratios and times in percent, of gains in points."""
    table = Table(title="Published figures and what this model says", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("case", "published", "predicted", "± (95 %)", "difference", "assumed"):
        table.add_column(heading, justify="left" if heading in ("case", "assumed") else "right")
    for row in rows:
        unit = {"x": "", "%": " %", "ms": " ms"}[row.unit]
        difference = f"{row.difference:+.1f} points" if row.unit == "%" else f"{100 * row.difference:+.1f} %"
        half = "" if row.half_width is None else f"{row.half_width:.2g}"
        table.add_row(row.what, f"{row.published:g}{unit}", f"{row.predicted:.3g}{unit}", half, difference, row.assumed)
    return table
