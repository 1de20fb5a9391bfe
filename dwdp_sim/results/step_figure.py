"""Draw forward steps: one iteration of a rank, and the time around its longest wait for experts."""

from __future__ import annotations

import textwrap
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, StepPatch
from matplotlib.patheffects import withStroke

from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.units import format_seconds
from dwdp_sim.fabric.timeline import LinkRates
from dwdp_sim.plan.endpoints import HOST, endpoint_name
from dwdp_sim.results.palette import BLUE, BROWN, GREEN, GREY, ORANGE, ORDERED_MAP, PURPLE, SKY, VERMILLION, YELLOW
from dwdp_sim.results.png import write_png
from dwdp_sim.results.rate_over_time import arrivals_over_time, most_alone
from dwdp_sim.steps.bubbles import Bubble, explain
from dwdp_sim.steps.contention import Contention
from dwdp_sim.steps.focus import around, most_telling
from dwdp_sim.steps.step_timeline import StepTimeline

_MOST_RANKS = 8
_MOST_ZOOMED = 4
_MOST_BINS = 800
_CHANGES_PER_BIN = 12  # of a rank's rates: finer bins would show single slices as flicker
_CHARACTER_SHARE = 0.0135  # of the zoom's width, for each character of a label: what is narrower gets none
_TEXT_SHARE = 0.2  # of the highest rate: bands that are lower have no room for a name
_NUMBERED_EVERY = 10  # layers in the overview
_WIDTH_INCHES, _TEXT, _SMALL = 6.4, 10.5, 9  # points; so narrow that text can be read on a phone
_LINE_CHARACTERS = 62
_DOTS_PER_INCH = 150
_PREFETCH_LANE, _COMPUTE_LANE = 0.38, 0.46  # of a rank's height: top of the one, bottom of the other
_SOURCES = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BROWN, GREY)  # vermillion is kept for bubbles
_STYLES: dict[str, dict[str, Any]] = {
    "dense layers, attention": {"facecolor": "#DADADA"},
    "MoE": {"facecolor": "#A8A8A8"},
    "bubble: waits for experts": {"facecolor": VERMILLION},
    "waits for its launch": {"facecolor": "white", "hatch": "////", "edgecolor": "#555555"},
    "prefetch: its bytes alone": {"facecolor": "#26395A"},
    "prefetch: contention": {"facecolor": "#B9C6DD"},
    "prefetch: gaps, host": {"facecolor": "white", "edgecolor": "#26395A", "linewidth": 0.4},
}
_DENSE, _MOE, _BUBBLE, _LAUNCH, _TRANSFER, _CONTENTION, _IDLE = _STYLES


def draw_steps(path: Path, timeline: StepTimeline, contention: Contention, links: LinkRates, title: str) -> None:
    """Write `steps_figure` as a PNG."""
    write_png(steps_figure(timeline, contention, links, title), path, _DOTS_PER_INCH)


def steps_figure(timeline: StepTimeline, contention: Contention, links: LinkRates, title: str) -> Figure:
    """Return a picture of one iteration of one rank, what the others did meanwhile, and its longest bubble.

    It is `focus.most_telling`.

    Above, each rank's compute lane and prefetch lane, all on one clock. A prefetch is a bar from its engine's first
    work on it to its last byte, filled up to the share of that time which its bytes need alone. Below, three layers
    around the bubble, on up to four ranks: the same lanes, and the rate at which bytes arrive from each source. Of more
    than eight ranks, those that wait longest in that iteration are shown.

    Args:
        timeline: From `simulate_steps`.
        contention: Its contention.
        links: Rates during `focus.around`.
        title: What was run.
    """
    focus = explain(timeline, contention, *most_telling(timeline))
    ranks = _shown(timeline, focus)
    zoomed = _zoomed(timeline, focus)
    zero_s = float(timeline.step_begin_s[focus.rank, focus.step])
    heights = [0.9, 0.5 * len(ranks), *[1.3] * len(zoomed)]
    figure = Figure(figsize=(_WIDTH_INCHES, 2.6 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    span_s = around(timeline, (focus.rank, focus.step, focus.layer))
    _draw_head(axes[0], title)
    _draw_overview(axes[1], timeline, focus, ranks, zero_s, span_s)
    sources = _draw_zoom(axes[2:], timeline, links, focus, zoomed, zero_s, span_s)
    figure.legend(handles=sources, loc="outside lower left", ncols=3, fontsize=_TEXT, frameon=False)
    return figure


def _shown(timeline: StepTimeline, focus: Bubble) -> list[int]:
    waited_s = timeline.bubble_s[:, focus.step].sum(axis=1)
    waited_s[focus.rank] = np.inf
    return sorted(np.argsort(-waited_s, kind="stable")[:_MOST_RANKS].tolist())


def _zoomed(timeline: StepTimeline, focus: Bubble) -> list[int]:
    """The rank that waits, those that read its worst source as well, and others up to four."""
    ranks = range(len(timeline.bubble_s))
    wanted = [focus.rank, *(reader for reader in focus.readers if reader in ranks), *ranks]
    return list(dict.fromkeys(wanted))[:_MOST_ZOOMED]


def _draw_head(axis: Axes, title: str) -> None:
    """The title, and what the lanes' colours mean."""
    axis.axis("off")
    axis.set_title(_wrapped(title), loc="left", fontsize=11, parse_math=False)
    handles: list[Artist] = [Patch(label=label, **({"edgecolor": "none"} | style)) for label, style in _STYLES.items()]
    axis.legend(handles=handles, loc="center left", ncols=2, fontsize=_TEXT, frameon=False, borderpad=0)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, _LINE_CHARACTERS) for line in text.split("\n"))


def _draw_overview(
    axis: Axes, timeline: StepTimeline, focus: Bubble, ranks: list[int], zero_s: float, span_s: tuple[float, float]
) -> None:
    end_s = float(timeline.step_end_s[focus.rank, focus.step])
    axis.set_xlim(0, (end_s - zero_s) * 1e3)
    axis.set_ylim(-len(ranks), 0.1)
    for row, rank in enumerate(ranks):
        _draw_rank(axis, timeline, rank, zero_s, -row - 0.85, 0.7)
        layers = range(0, timeline.bubble_s.shape[2], _NUMBERED_EVERY)
        for step, layer in product(range(timeline.bubble_s.shape[1]), layers):
            x = float(timeline.moe_begin_s[rank, step, layer] - zero_s) * 1e3
            axis.text(
                x, -row - 0.11, str(layer), fontsize=_SMALL, color="#555555", ha="left", va="bottom", clip_on=True
            )
    axis.set_yticks([-row - 0.5 for row in range(len(ranks))], [f"rank {rank}" for rank in ranks])
    axis.axvspan(*((edge - zero_s) * 1e3 for edge in span_s), color="#F7E3A1", alpha=0.6, zorder=0, linewidth=0)
    bubbles_s = float(timeline.bubble_s[focus.rank, focus.step].sum())
    text = f"iteration {focus.step} of rank {focus.rank}: {format_seconds(end_s - zero_s)}, "
    text += f"of which {format_seconds(bubbles_s)} in bubbles; small figures number the layers"
    if len(ranks) < len(timeline.bubble_s):
        text += f"; shown are the {len(ranks)} of {len(timeline.bubble_s)} ranks that wait longest"
    axis.set_title(_wrapped(text), loc="left", fontsize=_TEXT)
    axis.set_xlabel(f"ms since iteration {focus.step} of rank {focus.rank} began; shaded: below", fontsize=_TEXT)
    _tidy(axis)


def _draw_zoom(
    axes: Any,
    timeline: StepTimeline,
    links: LinkRates,
    focus: Bubble,
    ranks: list[int],
    zero_s: float,
    span_s: tuple[float, float],
) -> list[Artist]:
    """Lanes and arriving bytes of some ranks; what stands for which source."""
    edges_s = np.linspace(*span_s, _bins(links, len(timeline.bubble_s)) + 1)
    rates = {pair: rate / 1e9 for pair, rate in arrivals_over_time(links, ranks, edges_s).items()}
    full = (most_alone(links, ranks) or 1e9) / 1e9
    x = (edges_s - zero_s) * 1e3
    sources = sorted({source for _, source in rates})
    colours = _colours(sources)
    for axis, rank in zip(axes, ranks, strict=True):
        axis.set_xlim(x[0], x[-1])
        axis.set_ylim(0, 2.1 * full)
        base = np.zeros(len(x) - 1)
        own = {source: rates.get((rank, source), np.zeros_like(base)) for source in sources}
        total = np.sum(list(own.values()), axis=0)
        for source, rate in own.items():
            # As an artist, not by `stairs`: that would walk every vertex to find limits which are set anyway.
            colour = colours[source]
            axis.add_artist(StepPatch(base + rate, x, baseline=cast(Any, base), fill=True, color=colour, linewidth=0))
            _name_runs(axis, x, base, rate, endpoint_name(source), full, total)
            base = base + rate
        _draw_rank(axis, timeline, rank, zero_s, 1.15 * full, 0.85 * full)
        _name_layers(axis, timeline, rank, zero_s, 1.15 * full, 0.85 * full)
        axis.axhline(full, color="black", linewidth=0.6, linestyle=":")
        axis.set_yticks([0, full], ["0", f"{full:.0f}"])
        axis.set_ylabel(f"rank {rank}\nGB/s", fontsize=_TEXT, y=0.3)
        _tidy(axis)
    why = focus.reason if focus.cause else "did not wait; its prefetch was the slowest"
    axes[0].set_title(_wrapped(f"rank {focus.rank}, layer {focus.layer} {why}"), loc="left", fontsize=_TEXT)
    axes[-1].set_xlabel(f"ms since iteration {focus.step} of rank {focus.rank} began", fontsize=_TEXT)
    shown = sources if len(sources) <= len(_SOURCES) else [sources[0], sources[len(sources) // 2], sources[-1]]
    most = Line2D([], [], color="black", linewidth=0.6, linestyle=":", label="one engine alone")
    return [*(Patch(color=colours[source], label=f"from {endpoint_name(source)}") for source in shown), most]


def _bins(links: LinkRates, ranks: int) -> int:
    changes = len(links.time_s) / ranks
    return _MOST_BINS if changes < _MOST_BINS / 2 else int(np.clip(changes / _CHANGES_PER_BIN, 100, _MOST_BINS))


def _draw_rank(axis: Axes, timeline: StepTimeline, rank: int, zero_s: float, bottom: float, height: float) -> None:
    """A rank's compute lane above its prefetch lane, between `bottom` and `bottom` + `height`."""
    column = {name: (getattr(timeline, name)[rank] - zero_s) * 1e3 for name in _CLOCKS}
    launched = column["ready_s"] + timeline.launch_wait_s[rank] * 1e3
    low, high = bottom + _COMPUTE_LANE * height, bottom + height
    _boxes(axis, column["step_begin_s"], column["step_lead_end_s"], low, high, _DENSE)
    _boxes(axis, launched, column["wait_begin_s"], low, high, _DENSE)
    _boxes(axis, column["moe_begin_s"], column["moe_end_s"], low, high, _MOE)
    _boxes(axis, column["ready_s"], launched, low, high, _LAUNCH)
    _boxes(axis, column["wait_begin_s"], column["moe_begin_s"], low - 0.05 * height, high + 0.05 * height, _BUBBLE)
    begin, end = column["prefetch_begin_s"] + timeline.own_engine_s[rank] * 1e3, column["prefetch_end_s"]
    share = {
        _TRANSFER: timeline.transfer_s[rank],
        _CONTENTION: timeline.contention_s[rank],
        _IDLE: timeline.gap_s[rank] + timeline.host_s[rank],
    }
    base = np.zeros_like(begin)
    for label, seconds in share.items():
        top = base + seconds / np.maximum(sum(share.values()), 1e-12)
        lane = _PREFETCH_LANE * height
        _boxes(axis, begin, end, bottom + lane * base, bottom + lane * top, label)
        base = top
    until = float(column["step_end_s"][-1])
    right = axis.get_xlim()[1]
    if until < right - 0.1 * (right - axis.get_xlim()[0]):
        at = ((until + right) / 2, bottom + height / 2)
        axis.text(*at, "steps over", ha="center", va="center", fontsize=_SMALL, color="#666666")


def _name_layers(axis: Axes, timeline: StepTimeline, rank: int, zero_s: float, bottom: float, height: float) -> None:
    """Write into the lanes which layer each piece belongs to, where that fits."""
    left, right = axis.get_xlim()
    of = {name: (getattr(timeline, name)[rank] - zero_s) * 1e3 for name in _CLOCKS}
    own_engine = timeline.own_engine_s[rank] * 1e3
    compute, prefetch = bottom + (1 + _COMPUTE_LANE) / 2 * height, bottom + _PREFETCH_LANE / 2 * height
    pieces = (
        ("attention {}", of["ready_s"] + timeline.launch_wait_s[rank] * 1e3, of["wait_begin_s"], compute, "black"),
        ("{} waits", of["wait_begin_s"], of["moe_begin_s"], compute, "white"),
        ("MoE {}", of["moe_begin_s"], of["moe_end_s"], compute, "black"),
        ("prefetch {}", of["prefetch_begin_s"] + own_engine, of["prefetch_end_s"], prefetch, "black"),
    )
    for text, from_ms, to_ms, y, colour in pieces:
        begin, end = np.clip(from_ms, left, right), np.clip(to_ms, left, right)
        least = _CHARACTER_SHARE * len(text.format(0)) * (right - left)
        for step, layer in np.argwhere(end - begin > least).tolist():
            x = (begin[step, layer] + end[step, layer]) / 2
            name = axis.text(x, y, text.format(layer), ha="center", va="center", fontsize=_SMALL, color=colour)
            if y == prefetch:  # over two colours
                name.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


_CLOCKS = (
    "step_begin_s",
    "step_lead_end_s",
    "step_end_s",
    "ready_s",
    "wait_begin_s",
    "moe_begin_s",
    "moe_end_s",
    "prefetch_begin_s",
    "prefetch_end_s",
)


def _boxes(axis: Axes, begin: Floats, end: Floats, low: Any, high: Any, label: str) -> None:
    """Rectangles, those without a length left out."""
    left, right, bottom, top = (np.ravel(edge) for edge in np.broadcast_arrays(begin, end, low, high))
    drawn = (right > left) & (top > bottom)
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    vertices = np.stack([np.stack(corner, axis=1)[drawn] for corner in corners], axis=1)
    axis.add_collection(PolyCollection(list(vertices), **({"linewidth": 0} | _STYLES[label])), autolim=False)


def _name_runs(axis: Axes, x: Floats, base: Floats, rate: Floats, name: str, full: float, total: Floats) -> None:
    """Name a source where its bytes have room for the name, and above them where there are few bytes at all."""
    reads = np.concatenate([[False], rate > 0.05 * full, [False]])
    edges = np.flatnonzero(np.diff(reads.astype(np.int8)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin > _CHARACTER_SHARE * len(name) * len(rate):
            middle = (begin + end) // 2
            low = float(base[begin:end].mean())
            high = low + float(rate[begin:end].mean())
            few = float(total[begin:end].mean()) < 0.25 * full
            if high - low < _TEXT_SHARE * full and not few:
                continue
            y, side = (high, "bottom") if few else ((low + high) / 2, "center_baseline")
            axis.text(x[middle], y, name, ha="center", va=side, fontsize=_SMALL)


def _colours(sources: list[int]) -> dict[int, Any]:
    gpus = [source for source in sources if source != HOST]
    if max(gpus, default=0) < len(_SOURCES):
        return {HOST: "#666666", **{gpu: _SOURCES[gpu] for gpu in gpus}}
    return {HOST: "#666666", **{gpu: colormaps[ORDERED_MAP](i / len(gpus)) for i, gpu in enumerate(gpus)}}


def _tidy(axis: Axes) -> None:
    axis.tick_params(labelsize=_TEXT)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)
