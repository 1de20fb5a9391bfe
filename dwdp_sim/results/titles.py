"""Titles that say what was run."""

from __future__ import annotations

from dwdp_sim.base.errors import visible
from dwdp_sim.base.units import format_slice
from dwdp_sim.job.job import Layer
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import is_hypothetical
from dwdp_sim.plan.strategy import Strategy

_MOST_CHARACTERS = 40  # of a name in a title, for which a picture has room


def in_title(name: str) -> str:
    """Return a name of a model or cluster as titles show it: on one line, and its beginning if it is long."""
    shown = visible(name)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[:_MOST_CHARACTERS]}…"


def layer_title(layer: Layer, cluster: str, issue_mode: str) -> str:
    """Return model, cluster, strategy and group in two lines."""
    return (
        f"{in_title(layer.model.name)} on {in_title(cluster)}: {strategy_words(layer.strategy, offered=True)}\n"
        f"{group_words(layer.placement)}, issue mode {issue_mode}"
    )


def picture_title(layer: Layer | None, cluster: str, issue_mode: str) -> str:
    """Return the title of a picture; for a replayed program, which has no layer, only its cluster."""
    if layer is None:
        return f"copy program on {in_title(cluster)}"
    return (
        f"{in_title(layer.model.name)}: one layer's prefetch on {in_title(cluster)}, N = {layer.placement.dwdp_size}\n"
        f"{strategy_words(layer.strategy)}, {issue_mode}"
    )


def strategy_words(strategy: Strategy, *, offered: bool = False) -> str:
    """Return name, implementation and slice size of a strategy and, if wanted, whether an engine offers it."""
    slices = f", {format_slice(strategy.slice_bytes)} slices" if strategy.slice_bytes else ""
    hypothetical = ", hypothetical: no engine offers it" if offered and is_hypothetical(strategy) else ""
    return f"{strategy.name} ({strategy.implementation}{slices}{hypothetical})"


def group_words(placement: Placement) -> str:
    """Ranks, experts that each holds, and experts that it pulls from each peer."""
    return f"N = {placement.dwdp_size}, L = {placement.num_experts_per_worker}, P = {placement.num_prefetch_experts}"
