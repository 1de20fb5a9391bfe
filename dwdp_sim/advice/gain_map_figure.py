"""Draw the map of gains: as configured, and its range over what is unmeasured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from dwdp_sim.advice.gain_map import MapPoint
from dwdp_sim.advice.search import ALIKE
from dwdp_sim.advice.window_ratio import Load
from dwdp_sim.base.arrays import Bools, Floats
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED
from dwdp_sim.results.palette import SIGNED_MAP, SIZE_MAP
from dwdp_sim.results.png import write_png

Grid = Floats  # (variations, ratios)

_MOST_LABELS = 13
_TEXT = 10.5  # points
_DOTS_PER_INCH = 150
_TITLE_CHARACTERS = 62  # of a line
_STAR: dict[str, Any] = {"marker": "*", "markerfacecolor": "white", "markeredgecolor": "black", "linestyle": ""}


def draw_map(path: Path, title: str, points: Sequence[MapPoint], load: Load) -> None:
    """Write a PNG, in colours that colour-blind readers tell apart.

    Args:
        path: Where.
        title: Model, machine and engine.
        points: A full grid.
        load: Where the user is.
    """
    ratios, cvs = sorted({p.ratio for p in points}), sorted({p.cv for p in points})
    at = {(p.ratio, p.cv): p for p in points}
    grid = [[at[ratio, cv] for ratio in ratios] for cv in cvs]
    gain = np.array([[100 * p.gains[AS_CONFIGURED].mean for p in row] for row in grid])
    unsure = np.array([[not p.gains[AS_CONFIGURED].excludes_zero for p in row] for row in grid])
    over_states = np.array([[[100 * g.mean for g in p.gains.values()] for p in row] for row in grid])
    figure = Figure(figsize=(6.4, 8.4), layout="constrained")  # so narrow that text can be read on a phone
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    most = max(float(np.abs(gain).max()), 1.0)
    mesh = _mesh(upper, ratios, cvs, gain, cmap=SIGNED_MAP, norm=TwoSlopeNorm(0.0, -most, most))
    _hatch(upper, ratios, cvs, unsure)
    if gain.min() < 100 * ALIKE < gain.max():
        upper.contour(np.log(ratios), range(len(cvs)), gain, [100 * ALIKE], colors="black", linewidths=1.5)
    figure.colorbar(mesh, ax=upper, label="gain of batched over default (%)")
    upper.set_title("as configured", fontsize=_TEXT)
    span = over_states.max(axis=2) - over_states.min(axis=2)
    mesh = _mesh(lower, ratios, cvs, span, cmap=SIZE_MAP, vmin=0.0, vmax=max(float(span.max()), 1.0))
    figure.colorbar(mesh, ax=lower, label="highest − lowest gain (points)")
    lower.set_title("difference between one source in flight and all", fontsize=_TEXT)
    for axis in (upper, lower):
        _mark(axis, ratios, cvs, load)
        axis.set_ylabel("variation of the ranks' steps (%)", fontsize=_TEXT)
    lower.set_xlabel("compute window of a layer ÷ its uncontended prefetch", fontsize=_TEXT)
    figure.suptitle(textwrap.fill(title, _TITLE_CHARACTERS), x=0.01, ha="left", fontsize=11, parse_math=False)
    figure.legend(
        handles=[
            Patch(facecolor="white", edgecolor="0.35", hatch="///", label="95 % interval contains zero"),
            Line2D([], [], color="black", label=f"gain of {100 * ALIKE:g} %: no difference beyond"),
            Line2D(
                [], [], color="black", marker="*", markerfacecolor="white", markersize=13, linestyle="", label="yours"
            ),
        ],
        loc="outside lower center",
        ncols=2,
        fontsize=_TEXT,
        frameon=False,
    )
    write_png(figure, path, _DOTS_PER_INCH)


def _mesh(axis: Axes, ratios: Sequence[float], cvs: Sequence[float], values: Grid, **colours: Any) -> QuadMesh:
    """One cell for each place that was simulated, equally high, as wide as its place in log(ratio)."""
    return axis.pcolormesh(_edges(np.log(ratios)), np.arange(len(cvs) + 1) - 0.5, values, **colours)


def _hatch(axis: Axes, ratios: Sequence[float], cvs: Sequence[float], unsure: Bools) -> None:
    edges = _edges(np.log(ratios))
    for row, column in zip(*np.nonzero(unsure), strict=True):
        corner = float(edges[column]), float(row) - 0.5
        width = float(edges[column + 1] - edges[column])
        axis.add_patch(Rectangle(corner, width, 1.0, fill=False, hatch="///", edgecolor="0.35", linewidth=0))


def _mark(axis: Axes, ratios: Sequence[float], cvs: Sequence[float], load: Load) -> None:
    """Axes, and the user's own place; at the border where it lies outside."""
    x = float(np.clip(np.log(max(load.ratio, 1e-9)), *np.log([ratios[0], ratios[-1]])))
    y = float(np.interp(load.cv, cvs, range(len(cvs))))
    axis.plot(x, y, **_STAR, markersize=17)
    columns, rows = _labelled(len(ratios)), _labelled(len(cvs))
    axis.set_xticks([float(np.log(ratios[at])) for at in columns], [f"{ratios[at]:.3g}" for at in columns])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_yticks(rows, [f"{100 * cvs[at]:.3g}" for at in rows])


def _labelled(count: int) -> list[int]:
    """Places along an axis that have room for a label, evenly spaced, the first one among them."""
    return list(range(0, count, -(-count // _MOST_LABELS)))


def _edges(centres: Grid) -> Grid:
    """Borders half way between neighbours."""
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
