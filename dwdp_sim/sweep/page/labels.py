"""Format names, values and changes for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dwdp_sim.base.errors import visible
from dwdp_sim.base.units import format_bytes, format_seconds, format_slice

Value = str | int | float | bool | None

_LABELS = {
    "model_format": "weight format",
    "dwdp_size": "ranks N",
    "num_experts_per_worker": "experts held, L",
    "num_prefetch_experts": "experts pulled from a peer, P",
    "slice_bytes": "slice size",
    "in_flight_sources": "copies of a batch in flight",
    "issue_async_s": "host time a single copy",
    "issue_batch_s": "host time a batch",
    "issue_slice_s": "host time a slice",
    "launch_s": "host time to launch a layer",
    "isl": "longest input (tokens)",
    "max_num_tokens": "tokens of a step, at most",
}
_FORMATS: dict[str, Callable[[float], str]] = {
    "slice_bytes": lambda value: format_slice(int(value)),
    "_bytes_per_s": lambda value: f"{format_bytes(value)}/s",
    "_bytes": format_bytes,
    "_s": format_seconds,
    "": lambda value: f"{value:.6g}" if isinstance(value, float) else str(value),
}


def label_of(name: str) -> str:
    """Return a column's or key's name for people, without backslashes.

    A key may come from anybody's rows, and Vega-Lite writes titles into expressions with no more than quotes escaped.
    """
    if name in _LABELS:
        return _LABELS[name]
    short = name.removeprefix("cluster.constants.").removeprefix("compute.constants.").removesuffix(".value")
    if "." not in short:
        short = short.replace("_bytes_per_s", "_rate").removesuffix("_s").replace("_", " ")
    return visible(short).replace("\\", "∖")


def text_of(name: str, value: Value) -> str:
    """Return a value for people, with its unit."""
    if value is None:
        return format_slice(None) if name == "slice_bytes" else "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    short = name.removesuffix(".value")
    unit = next((unit for unit in _FORMATS if short.endswith(unit)), "")
    return _FORMATS[unit](value)


def figure(value: float | None) -> str:
    """Format a number with four significant figures, or all digits before the point if those are more."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:#.4g}".rstrip(".") if value else "0"
    return text.replace("-", "−")


def plain(value: Any) -> str:
    """Format a constant's value: a number, a name, a list, or one value for each kind."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in value)}]"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
