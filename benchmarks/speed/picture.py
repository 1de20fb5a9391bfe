"""Draw the measured speeds: by ranks, by size of slices, and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.speed.cases import MIB, RANKS, SLICE_BYTES, USUAL_SLICE_BYTES
from benchmarks.speed.engines import ENGINES, LOOP, PLAIN, SIMGRID, SIMPY, SIMULATE
from benchmarks.speed.results import MOST_RANKS_OF_ALL_SIZES
from benchmarks.speed.table import Row, beyond_idle_bytes, rate
from dwdp_sim.results.palette import BLUE, GREEN, ORANGE, SKY, VERMILLION

_LOOKS: Mapping[str, Mapping[str, str]] = {
    LOOP: {"color": BLUE, "marker": "o"},
    SIMULATE: {"color": SKY, "marker": "s"},
    SIMGRID: {"color": ORANGE, "marker": "^"},
    SIMPY: {"color": GREEN, "marker": "D"},
    PLAIN: {"color": VERMILLION, "marker": "v"},
}
_RATE = "slices a second"


def draw_speed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a PNG in colours and with marks that colour-blind readers tell apart, legible on a phone.

    Args:
        path: Where.
        content: Of `docs/data/speed.json`.
    """
    rows = content["rows"]
    figure = Figure(figsize=(6.2, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    (in_step, out), (size, memory) = figure.subplots(2, 2)
    usual = [row for row in rows if row["slice_bytes"] == USUAL_SLICE_BYTES]
    _lines(in_step, [row for row in usual if row["in_step"]], "ranks")
    in_step.set_title(f"in step, {USUAL_SLICE_BYTES // MIB} MiB slices", fontsize=11)
    _lines(out, [row for row in usual if not row["in_step"]], "ranks")
    out.set_title(f"out of step, {USUAL_SLICE_BYTES // MIB} MiB slices", fontsize=11)
    all_sizes = [row for row in rows if row["ranks"] == MOST_RANKS_OF_ALL_SIZES and not row["in_step"]]
    _lines(size, all_sizes, "slice_bytes")
    size.set_title(f"out of step, {MOST_RANKS_OF_ALL_SIZES} ranks", fontsize=11)
    for axis in (in_step, out, size):
        axis.set_ylabel(_RATE)
        axis.set_ylim(_bounds(rows))
    _memory(memory, [row for row in rows if not row["in_step"]], content["idle_bytes"])
    for axis in (in_step, out):
        _ticks(axis, RANKS, [str(ranks) for ranks in RANKS])
        axis.set_xlabel("ranks")
    _ticks(size, SLICE_BYTES, [f"{size / MIB:g}" for size in SLICE_BYTES])
    size.set_xlabel("slice (MiB)")
    figure.legend(*in_step.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10.5)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _bounds(rows: Sequence[Row]) -> tuple[float, float]:
    """The same of all speeds, so that heights can be compared from one picture to the next."""
    rates = [rate(row) for row in rows]
    return min(rates) / 1.6, max(rates) * 1.6


def _lines(axis: Axes, rows: Sequence[Row], by: str) -> None:
    """A line for each engine."""
    for engine in ENGINES:
        own = [row for row in rows if row["engine"] == engine]
        axis.loglog([row[by] for row in own], [rate(row) for row in own], label=engine, markersize=5, **_LOOKS[engine])
    axis.grid(axis="y", color="0.88")


def _memory(axis: Axes, rows: Sequence[Row], idle_bytes: Mapping[str, int]) -> None:
    """Memory of the engines that run whole layers, against slices."""
    for engine in (SIMULATE, SIMGRID):
        own = sorted((row for row in rows if row["engine"] == engine), key=lambda row: row["slices"])
        megabytes = [max(beyond_idle_bytes(row, idle_bytes) / 1e6, 0.1) for row in own]
        axis.loglog([row["slices"] for row in own], megabytes, linestyle="", markersize=5, **_LOOKS[engine])
    axis.set_title("out of step, all cases", fontsize=11)
    axis.set_xlabel("slices simulated")
    axis.set_ylabel("memory beyond idle (MB)")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.grid(axis="y", color="0.88")


def _ticks(axis: Axes, at: Sequence[float], labels: Sequence[str]) -> None:
    axis.xaxis.set_major_locator(FixedLocator(at))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticklabels(labels)
