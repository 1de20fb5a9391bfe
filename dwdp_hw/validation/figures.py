"""Draw the pictures of a validation as SVG text for embedding."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from dwdp_hw.validation.arrivals import CaseTimeline, RankTimeline
from dwdp_hw.validation.comparison import ValidationRow
from dwdp_hw.validation.ranking import Ranking
from dwdp_sim.results.palette import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION

_MEASURED, _PREDICTED = SKY, VERMILLION
_FEW_COPIES = 60  # up to here each arrival has a marker of its own
_COUNTS, _FITTED, _UNSTABLE = BLUE, ORANGE, GREY


def error_figure(rows: list[ValidationRow], bar: float) -> str:
    """Signed error of every row in per cent, with its measured spread and the range of its prediction.

    The bar for the 95th percentile is shaded.
    """
    figure = Figure(figsize=(9, 1.4 + 0.24 * len(rows)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(rows))[::-1]
    axis.axvspan(-100 * bar, 100 * bar, color=GREEN, alpha=0.12, linewidth=0)
    axis.axvline(0, color="black", linewidth=0.8)
    styles = (
        ("not used for fitting", _COUNTS, "o", [row.counts for row in rows]),
        ("used for fitting", _FITTED, "s", [row.fitted and row.stable for row in rows]),
        ("unstable, does not count", _UNSTABLE, "x", [not row.stable for row in rows]),
    )
    ranges = [(100 * (row.predicted_low_s / row.measured_s - 1), 100 * row.width * (1 + row.error)) for row in rows]
    if any(width for _, width in ranges):
        left, width = zip(*ranges, strict=True)
        axis.barh(places, width, 0.6, left, color=_PREDICTED, alpha=0.25, linewidth=0, label="predicted range")
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
    axis.set_yticks(places, [f"{row.case}, rank {row.rank}" for row in rows], fontsize=7, parse_math=False)
    axis.set_ylim(-1, len(rows))
    axis.set_xlabel("predicted ÷ measured − 1 (%), line: the measured spread")
    limit = max([2.5 * 100 * bar, *(abs(100 * row.error) * 1.1 for row in rows if row.stable)])
    axis.set_xlim(-limit, limit)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    axis.legend(loc="upper center", bbox_to_anchor=(0.4, 1.0 + 0.9 / figure.get_figheight()), ncols=4, frameon=False,
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
    axis.plot([100 * r.predicted_gain for r in rankings], places - 0.1, "D", color=_PREDICTED, label="predicted")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(places, [f"{r.second}\nover {r.first}" for r in rankings], fontsize=7, parse_math=False)
    axis.set_ylim(-0.8, len(rankings) - 0.2)
    axis.set_xscale("symlog", linthresh=10)
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("gain in time (%), logarithmic beyond ±10")
    axis.legend(frameon=False, fontsize=8)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    return _svg(figure)


def timeline_figure(timeline: CaseTimeline) -> str:
    """Bytes arrived over time, measured and predicted, a column for each rank; the residual of each copy below."""
    ranks = timeline.ranks
    figure = Figure(figsize=(max(11.0, 3.5 * len(ranks)), 5.2), layout="constrained")
    axes = figure.subplots(2, len(ranks), sharex="col", sharey="row", squeeze=False, height_ratios=(3, 2))
    for number, rank in enumerate(ranks):
        _draw_arrivals(axes[0, number], rank)
        _draw_residual(axes[1, number], rank)
        axes[0, number].set_title(f"rank {rank.rank}", fontsize=9)
        axes[1, number].set_xlabel("time since the stream's start (µs)")
    axes[0, 0].set_ylabel("arrived (MB)")
    axes[1, 0].set_ylabel("predicted − measured\narrival (µs)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(timeline.case, x=0.01, ha="left", fontsize=10, parse_math=False)
    figure.align_ylabels(axes[:, 0])
    return _svg(figure)


def _draw_arrivals(axis: Axes, rank: RankTimeline) -> None:
    arrived_mb = rank.issued_bytes / 1e6
    few = len(arrived_mb) <= _FEW_COPIES
    styles = (
        ("measured", rank.measured_s, _MEASURED, 5.0, "o", 8.0),
        ("predicted", rank.predicted_s, _PREDICTED, 1.2, "D", 3.5),
    )
    for label, times_s, colour, width, marker, size in styles:
        axis.plot(
            np.sort(times_s) * 1e6, arrived_mb, color=colour, linewidth=width, label=label,
            marker=marker if few else "", markersize=size,
        )  # fmt: skip
    axis.set_ylim(0, 1.08 * float(arrived_mb.max()))
    axis.set_xlim(left=0)
    axis.grid(linewidth=0.4, alpha=0.6)


def _draw_residual(axis: Axes, rank: RankTimeline) -> None:
    """At the measured arrival, so that it stands under the measured curve."""
    order = np.argsort(rank.measured_s)
    few = len(order) <= _FEW_COPIES
    axis.plot(
        rank.measured_s[order] * 1e6, rank.residual_s[order] * 1e6, color="#222222", linewidth=0.7,
        marker="o" if few else "", markersize=4,
    )  # fmt: skip
    axis.axhline(0, color="black", linewidth=0.8, linestyle=":")
    axis.grid(linewidth=0.4, alpha=0.6)


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "dwdp", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
