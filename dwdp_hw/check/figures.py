"""Pictures of a validation, as SVG text for embedding."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dwdp_hw.check.validate import Ranking, ValidationRow

_COUNTS, _FITTED, _UNSTABLE = "#0072B2", "#E69F00", "#999999"  # Okabe & Ito


def error_figure(rows: list[ValidationRow], bar: float) -> str:
    """Signed error of every row in per cent, with its measured spread; the bar for the 95th percentile is shaded."""
    figure = Figure(figsize=(9, 1.4 + 0.24 * len(rows)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(rows))[::-1]
    axis.axvspan(-100 * bar, 100 * bar, color="#009E73", alpha=0.12, linewidth=0)
    axis.axvline(0, color="black", linewidth=0.8)
    styles = (
        ("not used for fitting", _COUNTS, "o", [row.counts for row in rows]),
        ("used for fitting", _FITTED, "s", [row.fitted and row.stable for row in rows]),
        ("unstable, does not count", _UNSTABLE, "x", [not row.stable for row in rows]),
    )
    for label, colour, marker, chosen in styles:
        own = [(place, row) for place, row, wanted in zip(places, rows, chosen, strict=True) if wanted]
        if not own:
            continue
        error = np.array([100 * row.error for _, row in own])
        low = np.array([100 * (row.predicted_s / row.measured_max_s - 1) for _, row in own])
        high = np.array([100 * (row.predicted_s / row.measured_min_s - 1) for _, row in own])
        spread = np.maximum([error - low, high - error], 0.0)
        where = [place for place, _ in own]
        axis.errorbar(error, where, xerr=spread, fmt=marker, color=colour, markersize=5, elinewidth=1, label=label)
    axis.set_yticks(places, [f"{row.case}, rank {row.rank}" for row in rows], fontsize=7)
    axis.set_xlabel("predicted ÷ measured − 1 (%), line: the measured spread")
    limit = max(2.5 * 100 * bar, *(abs(100 * row.error) * 1.1 for row in rows if row.stable))
    axis.set_xlim(-limit, limit)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    axis.legend(loc="upper center", bbox_to_anchor=(0.4, 1.0 + 0.9 / figure.get_figheight()), ncols=3, frameon=False,
                fontsize=8)  # fmt: skip
    return _svg(figure)


def gain_figure(rankings: list[Ranking]) -> str:
    """Measured against predicted gain of the second case over the first, in per cent, with the measured spread."""
    figure = Figure(figsize=(6, 1.3 + 0.5 * len(rankings)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(rankings))[::-1]
    gain = [100 * r.measured_gain for r in rankings]
    spread = [100 * r.measured_spread for r in rankings]
    axis.errorbar(gain, places + 0.1, xerr=spread, fmt="o", color=_COUNTS, label="measured")
    axis.plot([100 * r.predicted_gain for r in rankings], places - 0.1, "D", color="#D55E00", label="predicted")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(places, [f"{r.second}\nover {r.first}" for r in rankings], fontsize=7)
    axis.set_xscale("symlog", linthresh=10)
    axis.set_xlabel("gain in time (%), logarithmic beyond ±10")
    axis.legend(frameon=False, fontsize=8)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "dwdp", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
