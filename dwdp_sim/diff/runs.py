"""Read a run's folder as a side of a comparison: the figures of its `summary.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.diff.side import Figure, Side

RUNS = "runs"
_SUMMARY = "summary.json"
_Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
_Width = Annotated[float, Meta(ge=0, le=1e18)]


class _Rank(Struct):
    rank: Annotated[int, Meta(ge=0)]
    prefetch_latency_s: _Number
    min_s: _Number | None = None
    max_s: _Number | None = None


class _Stream(Struct):
    elapsed_s: _Number


class _Estimate(Struct):
    mean: _Number
    half_width: _Width | None = None


class _Summary(Struct):
    """What is compared of a summary; it says more."""

    model: str | None = None
    cluster: str | None = None
    strategy: str | None = None
    implementation: str | None = None
    dwdp_size: int | None = None
    issue_mode: str | None = None
    home: str | None = None
    start: str | None = None
    measured: bool = False
    prefetch_latency_s: dict[str, _Number] | None = None
    ranks: list[_Rank] = []
    streams: list[_Stream] = []
    figures: dict[str, _Estimate] = {}
    lower_bound_s: _Number | None = None
    draw_spread: _Width | None = None


_SETTINGS = ("model", "cluster", "strategy", "implementation", "dwdp_size", "issue_mode", "home", "start", "measured")


def read_run_side(path: str) -> Side | None:
    """A folder with a `summary.json`, of a prediction or of a measurement.

    Raises:
        ConfigError: The file is damaged.
    """
    file = Path(path) / _SUMMARY
    if not file.is_file():
        return None
    summary = convert(read_json(str(file), "diff"), _Summary, str(file), "diff")
    settings = {name: str(value) for name in _SETTINGS if (value := getattr(summary, name)) not in (None, False)}
    return Side(path, RUNS, settings, dict(_figures(summary)))


def _figures(summary: _Summary) -> Iterator[tuple[str, Figure]]:
    """Every figure, with the spread of draws, of replications or of timed runs."""
    share = summary.draw_spread or 0.0
    for name, value in (summary.prefetch_latency_s or {}).items():
        yield f"prefetch_latency_s {name}", Figure(value, "s", abs(value) * share, abs(value) * share)
    for rank in summary.ranks:
        value = rank.prefetch_latency_s
        below = value * share if rank.min_s is None else value - rank.min_s
        above = value * share if rank.max_s is None else rank.max_s - value
        yield f"prefetch_latency_s rank {rank.rank}", Figure(value, "s", max(below, 0.0), max(above, 0.0))
    for number, stream in enumerate(summary.streams):
        value = stream.elapsed_s
        yield f"elapsed_s stream {number}", Figure(value, "s", value * share, value * share)
    for name, estimate in summary.figures.items():
        half = estimate.half_width or 0.0
        yield name, Figure(estimate.mean, "s" if name.endswith("_s") else "", half, half)
    if summary.lower_bound_s is not None:
        yield "lower_bound_s", Figure(summary.lower_bound_s, "s")
