"""Draw a timeline: one lane for each rank, coloured by peer, and below them the rate that leaves each source."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, StepPatch

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.base.units import format_seconds
from dwdp_sim.fabric.timeline import LinkRates, Timeline
from dwdp_sim.plan.endpoints import HOST, endpoint_name
from dwdp_sim.results.intervals import Chosen, call_edges_s
from dwdp_sim.results.palette import CATEGORIES, ORDERED_MAP
from dwdp_sim.results.png import write_png
from dwdp_sim.results.rate_over_time import rate_over_time

_HOST_COLOUR = "#444444"
_LEAST_BINS, _MOST_BINS = 24, 600
_ROUNDS_PER_BIN = 4  # of one slice from each peer; finer bins would show single slices as flicker
_MOST_LANES = 16
_WIDTH_INCHES, _LANE_INCHES, _ROW_INCHES = 6.2, 0.62, 0.24  # so narrow that text can be read on a phone
_TEXT, _TITLE = 10.5, 11  # points
_TITLE_CHARACTERS = 62  # of a line
_LEGEND_COLUMNS = 5
_DOTS_PER_INCH = 150
_ROW_FILL = 0.85  # of a source's row, at the highest rate
_PUSH_HATCH = "////"
_TIME_UNITS = ((1.0, "s"), (1e3, "ms"), (1e6, "µs"))


@dataclass(frozen=True)
class Picture:
    """What a picture of a timeline says and shows.

    Attributes:
        title: What was run.
        highest_bytes_per_s: The top of each lane.
        lane: What a lane is: `rank` or `GPU`.
    """

    title: str
    highest_bytes_per_s: float
    lane: str = "rank"


@dataclass(frozen=True)
class _Scene:
    """What all lanes share: the run, its span, axis units a second, each endpoint's colour, bins over the span."""

    timeline: Timeline
    links: LinkRates | None
    first_s: float
    last_s: float
    scale: float
    colours: Mapping[int, Any]
    bins: int

    @property
    def issuer(self) -> Ints:
        """GPU that issues each copy."""
        return self.timeline.program.copy_gpu

    @property
    def pushed(self) -> Chosen:
        """Copies whose bytes leave the GPU that issues them."""
        program = self.timeline.program
        pushed: Chosen = (program.copy_src == self.issuer) & (program.copy_dst != program.copy_src)
        return pushed

    def rate(self, chosen: Chosen, edges_s: Floats) -> Floats:
        """Mean rate of some copies in each interval, in GB/s."""
        return rate_over_time(self.timeline, chosen, edges_s, self.links) / 1e9

    def x(self, time_s: Any) -> Any:
        """Times on the axis."""
        return (time_s - self.first_s) * self.scale


def draw_timeline(path: Path, timeline: Timeline, picture: Picture, links: LinkRates | None = None) -> None:
    """Write `timeline_figure` as a PNG."""
    figure = timeline_figure(timeline, picture, links)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # in names of a script that the font lacks
        write_png(figure, path, _DOTS_PER_INCH)


def timeline_figure(timeline: Timeline, picture: Picture, links: LinkRates | None = None) -> Figure:
    """Return the picture of a run.

    The height of a lane is the rate of the copies that a rank issues, stacked by their other end: where pulled bytes
    come from and, hatched, where pushed bytes go. Below, each source has a row, as high as the rate that leaves it.
    With more than 16 ranks or sources, 16 of them, evenly chosen, are shown.

    Args:
        timeline: Predicted or measured.
        picture: How it is drawn.
        links: The simulator's rates, if they were recorded; see `rate_over_time`.
    """
    program = timeline.program
    first_s = float(program.stream_start_s.min())
    last_s = max(float(timeline.copy_end_s.max(initial=0.0)), first_s + 1e-9)
    scale, unit = next(unit for unit in _TIME_UNITS if (last_s - first_s) * unit[0] >= 1 or unit is _TIME_UNITS[-1])
    colours = _colours(sorted({*program.copy_src.tolist(), *program.copy_dst.tolist()}))
    scene = _Scene(timeline, links, first_s, last_s, scale, colours, _bins(timeline))
    ranks, sources = _evenly(program.stream_gpu), _evenly(program.copy_src)
    heights = [_LANE_INCHES] * len(ranks) + [_ROW_INCHES * len(sources) + 0.1]
    title = "\n".join(textwrap.fill(line, _TITLE_CHARACTERS) for line in picture.title.split("\n"))
    figure, axes = _panels(heights, title.count("\n") + 1)
    shown = set().union(*(_draw_lane(axis, scene, picture, rank) for axis, rank in zip(axes, ranks, strict=False)))
    _draw_sources(axes[-1], scene, sources)
    axes[-1].set_xlabel(f"time since the first start ({unit})", fontsize=_TEXT)
    axes[-1].set_xlim(0, scene.x(last_s) * 1.02)
    top = 1 - 0.08 / figure.get_figheight()
    figure.suptitle(title, x=0.01, y=top, ha="left", fontsize=_TITLE, parse_math=False)
    _legend(figure, colours, sorted({*shown, *sources}), bool(scene.pushed.any()))
    return figure


def _panels(heights: list[float], title_lines: int) -> tuple[Figure, Any]:
    """A figure and its axes, one below the other; Matplotlib's own layouts would draw all of it once more, to measure.

    Args:
        heights: Of the axes, in inches.
        title_lines: For which there is to be room.
    """
    left, right, top, bottom, between = 0.8, 0.1, 0.18 + 0.19 * title_lines, 0.95, 0.14
    figure = Figure(figsize=(_WIDTH_INCHES, top + bottom + sum(heights) + between * (len(heights) - 1)))
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    place = {
        "left": left / _WIDTH_INCHES,
        "right": 1 - right / _WIDTH_INCHES,
        "top": 1 - top / height,
        "bottom": bottom / height,
        "hspace": between * len(heights) / sum(heights),
    }
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False, gridspec_kw=place)
    return figure, axes[:, 0]


def _bins(timeline: Timeline) -> int:
    program = timeline.program
    copies_per_gpu = len(program.copy_bytes) / len(np.unique(program.stream_gpu))
    if copies_per_gpu < _MOST_BINS:
        return _MOST_BINS
    peers = max(len(np.unique(program.copy_src)) - 1, 1)
    return min(max(_LEAST_BINS, int(copies_per_gpu / (_ROUNDS_PER_BIN * peers))), _MOST_BINS)


def _evenly(endpoints: Ints) -> list[int]:
    """The different endpoints, or some evenly chosen ones where there are too many to draw."""
    found: list[int] = np.unique(endpoints).tolist()
    if len(found) <= _MOST_LANES:
        return found
    return [found[i] for i in np.linspace(0, len(found) - 1, _MOST_LANES).round().astype(int)]


def _draw_lane(axis: Axes, scene: _Scene, picture: Picture, rank: int) -> set[int]:
    """What a rank's copies move; returns their other ends."""
    timeline, program = scene.timeline, scene.timeline.program
    own, pushed = scene.issuer == rank, scene.pushed
    other = np.where(pushed, program.copy_dst, program.copy_src)
    streams = np.flatnonzero(program.stream_gpu == rank)
    last = streams[np.argmax((program.stream_start_s + timeline.stream_elapsed_s)[streams])]
    start_s = float(program.stream_start_s[streams].min())
    end_s = float(program.stream_start_s[last] + timeline.stream_elapsed_s[last])
    edges_s = _edges_s(scene, own, start_s, end_s)
    base, highest = np.zeros(len(edges_s) - 1), picture.highest_bytes_per_s / 1e9
    for peer, push in sorted(set(zip(other[own].tolist(), pushed[own].tolist(), strict=True))):
        top = base + scene.rate(own & (other == peer) & (pushed == push), edges_s)
        _fill(axis, scene.x(edges_s), base, top, scene.colours[peer], hatched=push)
        base = top
    axis.axvline(scene.x(end_s), color="black", linewidth=1)
    _note(axis, format_seconds(float(timeline.stream_elapsed_s[last])), scene.x(end_s), highest)
    axis.set_ylim(0, highest * 1.05)
    axis.set_ylabel(f"{picture.lane} {rank}\nGB/s", fontsize=_TEXT)
    _tidy(axis)
    return set(other[own].tolist())


def _draw_sources(axis: Axes, scene: _Scene, sources: list[int]) -> None:
    """A row for each source, whose highest step is the highest rate of all."""
    program = scene.timeline.program
    rates = {}
    for source in sources:
        read = program.copy_src == source
        edges_s = _edges_s(scene, read, scene.first_s, scene.last_s)
        rates[source] = edges_s, scene.rate(read, edges_s)
    highest = max([1e-9, *(float(rate.max()) for _, rate in rates.values())])
    for row, (source, (edges_s, rate)) in enumerate(rates.items()):
        base = np.full(len(rate), len(sources) - 1.0 - row)
        _fill(axis, scene.x(edges_s), base, base + _ROW_FILL * rate / highest, scene.colours[source])
    axis.set_yticks(np.arange(len(sources))[::-1] + _ROW_FILL / 2, [endpoint_name(source) for source in sources])
    axis.set_ylim(0, len(sources))
    axis.set_ylabel("leaving", fontsize=_TEXT)
    _note(axis, f"full row: {highest:.0f} GB/s", scene.x(scene.last_s), len(sources))
    _tidy(axis)
    axis.tick_params(axis="y", length=0)


def _edges_s(scene: _Scene, chosen: Chosen, first_s: float, last_s: float) -> Floats:
    share = (last_s - first_s) / (scene.last_s - scene.first_s)
    return call_edges_s(scene.timeline, chosen, first_s, last_s, max(round(scene.bins * share), 1))


def _fill(axis: Axes, x: Floats, base: Floats, top: Floats, colour: Any, *, hatched: bool = False) -> None:
    # As an artist, not by `stairs`: that would walk every vertex to find limits which are set anyway.
    style = {"facecolor": "white", "edgecolor": colour, "hatch": _PUSH_HATCH} if hatched else {"color": colour}
    axis.add_artist(StepPatch(top, x, baseline=cast(Any, base), fill=True, linewidth=0, **style))


def _note(axis: Axes, text: str, x: float, y: float) -> None:
    """Text that ends at a place, over what is drawn there."""
    axis.annotate(
        text,
        (x, y),
        xytext=(-4, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=_TEXT,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
    )


def _tidy(axis: Axes) -> None:
    axis.tick_params(labelsize=_TEXT)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)


def _colours(endpoints: list[int]) -> dict[int, Any]:
    gpus = [endpoint for endpoint in endpoints if endpoint != HOST]
    if len(gpus) <= len(CATEGORIES):
        named: dict[int, Any] = dict(zip(gpus, CATEGORIES, strict=False))
    else:
        named = {gpu: colormaps[ORDERED_MAP](i / (len(gpus) - 1)) for i, gpu in enumerate(gpus)}
    return {HOST: _HOST_COLOUR, **named}


def _legend(figure: Figure, colours: Mapping[int, Any], used: list[int], pushed: bool) -> None:
    """Endpoints in the picture; of many GPUs only three, which show the scale."""
    gpus = [endpoint for endpoint in used if endpoint != HOST]
    shown = gpus if len(gpus) <= len(CATEGORIES) else [gpus[0], gpus[len(gpus) // 2], gpus[-1]]
    named = [*shown, HOST] if HOST in used else shown
    patches = [Patch(color=colours[end], label=endpoint_name(end)) for end in named]
    if pushed:
        patches.append(Patch(facecolor="white", edgecolor="black", hatch=_PUSH_HATCH, label="hatched: pushed to it"))
    entries = [Patch(alpha=0, label="bytes from"), *patches]
    columns = [entries[place::_LEGEND_COLUMNS] for place in range(_LEGEND_COLUMNS)]
    figure.legend(
        handles=[entry for column in columns for entry in column],  # Matplotlib fills column by column
        loc="lower right",
        ncols=min(len(entries), _LEGEND_COLUMNS),
        fontsize=_TEXT,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.2,
        borderaxespad=0.2,
    )
