"""Run the published cases, write them down, and print them beside what was published."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import TextConsole, plain_console, print_file, progress_line, say
from dwdp_sim.fabric.engine_choice import takes_many_compiled
from dwdp_sim.fabric.workers import workers
from dwdp_sim.published.row import PublishedRow
from dwdp_sim.published.rows import published_rows

_PLAIN_WIDTH = 160
_UNITS = {"x": "", "%": " %", "ms": " ms"}


def run_published(folder: Path, processes: int | None, console: Console, *, as_json: bool = False) -> None:
    """Predict every published case into `folder`/published.json.

    Args:
        folder: Where to write.
        processes: Threads to use, or processes where there is only SimPy; None for one a core.
        console: Where to print.
        as_json: Print the content of `published.json` instead of the table.
    """
    count, threads = processes or usable_cores(), takes_many_compiled("auto")
    with workers(count, threads=threads) as pool, progress_line(TextConsole(stderr=True), "runs") as show:
        rows = published_rows(pool, partial(show, "simulating"))
    text = json_rows([asdict(row) | {"difference": row.difference, "in_range": row.in_range} for row in rows], levels=1)
    path = write_whole(folder / "published.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    if as_json:
        print_file(path)
        return
    console = plain_console(console, _PLAIN_WIDTH)
    console.print(published_table(rows))
    say(console, f"written to {path}", dim=True)


def published_table(rows: list[PublishedRow]) -> Table:
    """The rows for people; errors of ratios and times in percent, of gains in points."""
    title = (
        "Predicted and published. Ranges change one assumption at a time; *: the published figure lies inside.\n"
        "Undisturbed: copies take the least from every kind of kernel at once, which is in no range."
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("case", "predicted", "± 95 %", "range", "undisturbed", "published", "error", "decided by"):
        table.add_column(heading, justify="left" if heading in ("case", "decided by") else "right", no_wrap=True)
    for row in rows:
        unit = _UNITS[row.unit]
        half = "" if row.half_width is None else f"{row.half_width:.2g}"
        span = f"{_short(row.low)} to {_short(row.high)}" if row.low < row.high else ""
        within = "*" if row.in_range else " "
        error = f"{row.difference:+.1f} points" if row.unit == "%" else f"{100 * row.difference:+.1f} %"
        published = f"{_short(row.published)}{unit} {within}"
        alone = "" if row.undisturbed is None else _short(row.undisturbed)
        table.add_row(row.what, f"{_short(row.predicted)}{unit}", half, span, alone, published, error, row.decides)
    return table


def _short(value: float) -> str:
    """Three digits, or one behind the point for what is above 10."""
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
