"""The measured speeds as tables on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table

from benchmarks.speed.cases import MIB
from benchmarks.speed.engines import ENGINES, LOOP, SIMGRID, SIMPY

Row = Mapping[str, Any]


def rate(row: Row) -> float:
    """Slices a second of the fastest repetition."""
    return float(row["slices"] / row["seconds"])


def speeds(rows: Sequence[Row]) -> Table:
    """A line for each case: slices a second of each engine, marked where it ran only the first slices, and ratios."""
    table = Table(title="slices a second, of the fastest repetition (* of the first slices of each rank)")
    for name in ("ranks", "slice, MiB", "", "slices", *ENGINES, f"loop ÷ {SIMGRID}", f"loop ÷ {SIMPY}"):
        table.add_column(name, justify="left" if not name else "right")
    for of, same in groupby(rows, key=_case):
        found = {row["engine"]: row for row in same}
        rates = [f"{rate(found[e]):,.0f}{_first(found[e])}" if e in found else "" for e in ENGINES]
        ratios = [f"{rate(found[LOOP]) / rate(found[e]):,.1f}" if e in found else "" for e in (SIMGRID, SIMPY)]
        ranks, slice_bytes, in_step = of
        pace = "in step" if in_step else "out of step"
        table.add_row(str(ranks), f"{slice_bytes / MIB:g}", pace, f"{found[LOOP]['of_slices']:,}", *rates, *ratios)
    return table


def memory(rows: Sequence[Row], idle_bytes: Mapping[str, int]) -> Table:
    """A line for each case: most memory of each engine's process, beyond what it has with nothing to simulate."""
    idle = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in idle_bytes.items())
    table = Table(
        title=f"most memory in MB beyond the idle process ({idle}), and µs a slice with spread of repetitions"
    )
    for name in ("ranks", "slice, MiB", "", *ENGINES):
        table.add_column(name, justify="left" if not name else "right")
    for of, same in groupby(rows, key=_case):
        found = {row["engine"]: row for row in same}
        cells = [_memory_and_time(found[e], idle_bytes) if e in found else "" for e in ENGINES]
        ranks, slice_bytes, in_step = of
        table.add_row(str(ranks), f"{slice_bytes / MIB:g}", "in step" if in_step else "out of step", *cells)
    return table


def beyond_idle_bytes(row: Row, idle_bytes: Mapping[str, int]) -> int:
    """Memory that a case needs beyond the modules."""
    return int(row["peak_bytes"] - idle_bytes[SIMGRID if row["engine"] == SIMGRID else "Python"])


def growths(rows: Sequence[Row]) -> Table:
    """A line for each fit."""
    table = Table(title="time grows with size to the power of")
    for name in ("engine", "with", "at", "sizes", "exponent", "farthest off"):
        table.add_column(name, justify="right" if name in ("exponent", "farthest off") else "left")
    for row in rows:
        at = f"{row['ranks']} ranks" if "ranks" in row else f"{row['slices_a_rank']} slices a rank"
        sizes = f"{row['sizes'][0]:,} … {row['sizes'][-1]:,}"
        table.add_row(row["engine"], row["of"], at, sizes, f"{row['exponent']:.2f}", f"{100 * row['off']:.0f} %")
    return table


def profiles(rows: Sequence[Row]) -> Table:
    """A line for each profile."""
    table = Table(title="where the time goes, out of step")
    for name in ("engine", "ranks", "parts"):
        table.add_column(name)
    for row in rows:
        parts = [f"{name} {100 * share:.0f} %" for name, share in row.get("shares", {}).items()]
        parts += [f"{name} {seconds:.2f} s" for name, seconds in row.get("s_a_million", {}).items()]
        suffix = " (a million slices)" if "s_a_million" in row else ""
        table.add_row(row["engine"], str(row["ranks"]), ", ".join(parts) + suffix)
    return table


def _case(row: Row) -> tuple[int, int, bool]:
    return row["ranks"], row["slice_bytes"], row["in_step"]


def _first(row: Row) -> str:
    return "*" if row["slices"] < row["of_slices"] else " "


def _memory_and_time(row: Row, idle_bytes: Mapping[str, int]) -> str:
    megabytes, us = beyond_idle_bytes(row, idle_bytes) / 1e6, 1e6 / rate(row)
    return f"{megabytes:.0f} | {us:.3g} +{100 * row['spread']:.0f} %"
