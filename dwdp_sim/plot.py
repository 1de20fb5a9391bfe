"""The timeline as a picture: one lane a rank, coloured by peer, and the use of every GPU's egress under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, StepPatch

from dwdp_sim.build import Job
from dwdp_sim.link_use import rate_over_time
from dwdp_sim.program import HOST
from dwdp_sim.simulate import Floats, Timeline
from dwdp_sim.units import format_seconds, format_slice

# Okabe & Ito's palette, safe for colour-blind readers; black is left for text.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_MOST_BINS = 600
_COPIES_PER_BIN = 12  # finer bins would show single slices as flicker
_MOST_LANES = 16


def draw_timeline(path: Path, job: Job, timeline: Timeline) -> None:
    """Write a PNG. The height of a lane is the rate at which the rank's bytes arrive, stacked by where they come from.

    With more than 16 ranks, 16 of them, evenly chosen, are shown.
    """
    program = job.program
    last_s = max(float(timeline.copy_end_s.max(initial=0.0)), 1e-9)
    copies_per_gpu = len(program.copy_bytes) / max(len(set(program.stream_gpu.tolist())), 1)
    bins = _MOST_BINS if copies_per_gpu < _MOST_BINS else max(100, int(copies_per_gpu / _COPIES_PER_BIN))
    edges = np.linspace(0.0, last_s * 1.02, min(bins, _MOST_BINS) + 1)
    scale, unit = (1e3, "ms") if last_s >= 1e-3 else (1e6, "µs")
    ranks = sorted(set(program.stream_gpu.tolist()))
    if len(ranks) > _MOST_LANES:
        ranks = [ranks[i] for i in np.linspace(0, len(ranks) - 1, _MOST_LANES).round().astype(int)]
    figure = Figure(figsize=(11, 2.6 + 0.75 * len(ranks)), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [1.0] * len(ranks) + [1.6]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    colours = _colours(sorted({*program.copy_src.tolist(), *program.copy_dst.tolist()}))
    best = max(job.constants.rates.values(), default=1.0)
    for axis, rank in zip(axes, ranks, strict=False):
        _draw_lane(axis, job, timeline, rank, edges * scale, edges, colours, best)
    _draw_links(axes[-1], timeline, edges * scale, edges, colours)
    axes[-1].set_xlabel(f"time since the first rank's start ({unit})")
    axes[-1].set_xlim(0, edges[-1] * scale)
    figure.suptitle(_title(job), x=0.01, ha="left", fontsize=11)
    _legend(figure, colours)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_lane(
    axis: Axes, job: Job, timeline: Timeline, rank: int, x: Floats, edges: Floats, colours: dict[int, Any], best: float
) -> None:
    program = job.program
    own = program.stream_gpu[program.call_stream[program.copy_call]] == rank
    other = np.where(program.copy_src == rank, program.copy_dst, program.copy_src)
    base = np.zeros(len(edges) - 1)
    for peer in sorted(set(other[own].tolist())):
        top = base + rate_over_time(timeline, own & (other == peer), edges) / 1e9
        # As an artist, not by `stairs`: that would walk every vertex to find limits which are set below anyway.
        axis.add_artist(StepPatch(top, x, baseline=cast(Any, base), fill=True, color=colours[peer], linewidth=0))
        base = top
    streams = np.flatnonzero(program.stream_gpu == rank)
    end_s = (program.stream_start_s + timeline.stream_elapsed_s)[streams].max()
    axis.axvline(end_s * x[-1] / edges[-1], color="black", linewidth=1)
    axis.annotate(
        format_seconds(float(timeline.stream_elapsed_s[streams].max())),
        (end_s * x[-1] / edges[-1], best / 1e9),
        xytext=(-4, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
    )
    axis.set_ylim(0, best * 1.05 / 1e9)
    axis.set_ylabel(f"rank {rank}\nGB/s", fontsize=8)
    _tidy(axis)


def _draw_links(axis: Axes, timeline: Timeline, x: Floats, edges: Floats, colours: dict[int, Any]) -> None:
    highest = 0.0
    for source in sorted(set(timeline.program.copy_src.tolist())):
        rate = rate_over_time(timeline, timeline.program.copy_src == source, edges) / 1e9
        axis.step(x, np.append(rate, 0.0), where="post", color=colours[source], linewidth=1.4)
        highest = max(highest, float(rate.max()))
    axis.set_ylabel("leaving each\nsource, GB/s", fontsize=8)
    axis.set_ylim(0, highest * 1.1)
    _tidy(axis)


def _tidy(axis: Axes) -> None:
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)


def _colours(endpoints: list[int]) -> dict[int, Any]:
    gpus = [endpoint for endpoint in endpoints if endpoint != HOST]
    if len(gpus) <= len(_PALETTE):
        named: dict[int, Any] = {gpu: _PALETTE[gpu % len(_PALETTE)] for gpu in gpus}
    else:
        named = {gpu: colormaps["viridis"](i / (len(gpus) - 1)) for i, gpu in enumerate(gpus)}
    return {HOST: "#444444", **named}


def _legend(figure: Figure, colours: dict[int, Any]) -> None:
    gpus = [endpoint for endpoint in colours if endpoint != HOST]
    shown = gpus if len(gpus) <= len(_PALETTE) else [gpus[0], gpus[len(gpus) // 2], gpus[-1]]
    patches = [Patch(color=colours[gpu], label=f"GPU {gpu}") for gpu in shown]
    figure.legend(
        handles=patches,
        loc="upper right",
        ncols=len(patches),
        fontsize=8,
        frameon=False,
        title="bytes from",
        title_fontsize=8,
    )


def _title(job: Job) -> str:
    if job.layer is None:
        return f"copy program on {job.cluster.name}"
    strategy, model = job.layer.strategy, job.layer.model
    slices = f", {format_slice(strategy.slice_bytes)} slices" if strategy.slices and strategy.slice_bytes else ""
    return (
        f"{model.name}: one layer's prefetch on {job.cluster.name}, N = {job.layer.placement.dwdp_size}\n"
        f"{strategy.name} ({strategy.implementation}{slices}), {job.issue_mode}"
    )
