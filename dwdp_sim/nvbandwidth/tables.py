"""The tables that people read: for a terminal, plain text, or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_sim.base.terminal import plain_console
from dwdp_sim.nvbandwidth.harness import artefact_share
from dwdp_sim.nvbandwidth.judge import Verdict
from dwdp_sim.nvbandwidth.published import Compared, summarize

Cells = Sequence[Sequence[str]]

COUNTED = ("machine", "GPUs", "testcase", "predicted", "published", "error")
SHOWN = ("machine", "testcase", "predicted", "published", "÷ pair", "error", "why it is not counted")
JUDGED = ("file", "testcase", "k", "loop", "GB/s", "÷ pair", "artefact", "lost", "verdict", "why")
_FIGURES = {"GPUs", "predicted", "published", "error", "÷ pair", "k", "loop", "GB/s", "artefact", "lost", "readers"}
_PLAIN_WIDTH = 130
_MOST_OF_A_PATH = 20  # characters


def counted_cells(compared: Iterable[Compared]) -> Cells:
    """The rows that the model claims."""
    return [
        [
            one.row.machine,
            str(one.row.gpus),
            one.row.testcase,
            _prediction(one),
            f"{one.row.gb_per_s:.1f}",
            _error(one),
        ]
        for one in compared
        if not one.why_not
    ]


def shown_cells(compared: Iterable[Compared]) -> Cells:
    """The rows that are shown and not counted, and why."""
    return [
        [
            one.row.machine,
            one.row.testcase,
            _prediction(one),
            f"{one.row.gb_per_s:.1f}",
            f"{one.row.gb_per_s / one.pair_gb_per_s:.3f}",
            _error(one),
            one.why_not,
        ]
        for one in compared
        if one.why_not
    ]


def _prediction(one: Compared) -> str:
    if one.low_gb_per_s is None or one.high_gb_per_s is None:
        return "—"
    low, high = f"{one.low_gb_per_s:.1f}", f"{one.high_gb_per_s:.1f}"
    return low if low == high else f"{low} – {high}"


def _error(one: Compared) -> str:
    if one.error is None:
        return "—"
    return (
        f"{round(100 * one.error, 2) + 0.0:+.2f} %" if one.error or one.low_gb_per_s == one.high_gb_per_s else "within"
    )


def summary_line(compared: Sequence[Compared]) -> str:
    """Rows, machines and errors in one sentence, with those that do not fit."""
    of = summarize(compared)
    worst = max(abs(one.error) for one in compared if one.error is not None)
    return (
        f"{of.rows} rows on {of.machines} machines: median error {100 * of.median_error:.2f} %, "
        f"largest {100 * of.largest_error:.1f} %; with those that do not fit, {100 * worst:.1f} %."
    )


def forecast_cells(readers: Sequence[int], loop_counts: Sequence[int]) -> tuple[Sequence[str], Cells]:
    """Headings and rows of what longer runs will print, as shares of a pair's bandwidth.

    Args:
        readers: Numbers of GPUs that read from one source.
        loop_counts: nvbandwidth's `--loopCount`; the first one is what the figures of a real loss start from.
    """
    headings = ("readers", "if it is", *(f"loopCount {count}" for count in loop_counts))
    cells = []
    for k in readers:
        shares = [f"{artefact_share(k, count):.3f}" for count in loop_counts]
        cells += [[str(k), "the artefact", *shares], ["", "a real loss", *[shares[0]] * len(shares)]]
    return headings, cells


def verdict_cells(verdicts: Iterable[Verdict]) -> Cells:
    """One row a verdict."""
    return [
        [
            one.file if len(one.file) <= _MOST_OF_A_PATH else f"…{one.file[-_MOST_OF_A_PATH:]}",
            one.testcase,
            str(one.readers),
            str(one.loop_count),
            f"{one.gb_per_s:.1f}",
            f"{one.share:.3f}",
            f"{one.artefact:.3f}",
            f"{max(one.lost_copies, 0.0):.1f}",
            one.verdict,
            one.why,
        ]
        for one in verdicts
    ]


def print_table(console: Console, title: str, headings: Sequence[str], cells: Cells) -> None:
    """Print a table: rich on a terminal, plain elsewhere."""
    console = plain_console(console, _PLAIN_WIDTH)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        is_figure = heading in _FIGURES or heading.startswith("loopCount ")
        table.add_column(
            heading, justify="right" if is_figure else "left", overflow="fold", no_wrap=heading == "testcase"
        )
    for row in cells:
        table.add_row(*row)
    console.print(table)


def markdown(headings: Sequence[str], cells: Cells) -> str:
    """The same as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
