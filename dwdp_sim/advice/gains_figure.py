"""Draw what each strategy of the final comparison gains: as configured, and its range over what is unmeasured."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dwdp_sim.advice.findings import Row
from dwdp_sim.results.palette import BLUE, SKY

_WIDTH_INCHES, _ROW_INCHES = 7.0, 0.42


def gains_figure(rows: Sequence[Row]) -> Figure:
    """Return a picture with a line for each candidate: a point with its 95 % interval, over a bar of the range.

    Args:
        rows: Of the final comparison, in the order of the picture.
    """
    figure = Figure(figsize=(_WIDTH_INCHES, 1.1 + _ROW_INCHES * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, row in enumerate(rows):
        low, high = row.gain_range
        name = "range over hypotheses" if place == 0 else None
        axis.barh(place, 100 * (high - low), left=100 * low, height=0.5, color=SKY, alpha=0.6, label=name)
    axis.errorbar(
        [100 * row.gain.mean for row in rows],
        range(len(rows)),
        xerr=[100 * row.gain.half_width for row in rows],
        fmt="o",
        color=BLUE,
        label="as configured, 95 % interval",
    )
    axis.axvline(0.0, color="black", linewidth=1)
    axis.set_yticks(range(len(rows)), [row.candidate.label for row in rows], fontsize=10)
    axis.invert_yaxis()
    axis.set_xlabel("gain over what runs now (% tokens a second)", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    axis.set_axisbelow(True)
    figure.legend(loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    return figure
