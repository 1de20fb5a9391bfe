"""Run a plan on host memory and check every byte: the proof of a plan that needs no GPU."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from dwdp_hw.executors.expected import Region, expected_regions, guard_regions, name_of_place, source_buffers
from dwdp_hw.executors.layout import Layout, rank_copies
from dwdp_hw.executors.pattern import Bytes, pattern_bytes
from dwdp_sim.plan.copy_plan import CopyPlan


def write_sources(arena: Bytes, layout: Layout, rank: int) -> None:
    """Fill the resident arena of `rank` with its pattern."""
    for region in source_buffers(layout, rank):
        arena[region.offset : region.offset + region.size] = _content(region)


def poison(arena: Bytes, plan: CopyPlan, layout: Layout, rank: int, layer: int, sources: Collection[int]) -> None:
    """Make every byte that `sources` bring into the slot of `layer` differ from what it must be; write the guards."""
    for region in expected_regions(plan, layout, rank, layer, sources):
        arena[region.offset : region.offset + region.size] = ~_content(region)
    for region in guard_regions(layout):
        arena[region.offset : region.offset + region.size] = _content(region)


def run_layer(
    plan: CopyPlan, layout: Layout, rank: int, layer: int, residents: Mapping[int, Bytes], slots: Bytes
) -> None:
    """Execute the copies of `rank` for `layer`, in issue order.

    Args:
        plan: The copies.
        layout: Where the buffers are.
        rank: The rank that pulls.
        layer: The layer; slot `layer` mod 2 receives it.
        residents: Resident arena of each rank that is read.
        slots: The slot arena of `rank`.
    """
    copies = rank_copies(plan, layout, rank, layer)
    columns = (copies.peer.tolist(), copies.src.tolist(), copies.dst.tolist(), copies.size.tolist())
    for peer, src, dst, size in zip(*columns, strict=True):
        slots[dst : dst + size] = residents[peer][src : src + size]


def first_wrong(
    arena: Bytes, plan: CopyPlan, layout: Layout, rank: int, layer: int, sources: Collection[int]
) -> str | None:
    """Compare what `sources` bring into the slot of `layer`, and all guards, in full.

    Returns:
        A description of the first wrong byte that names its slice, or None when every byte is right.
    """
    for region in [*expected_regions(plan, layout, rank, layer, sources), *guard_regions(layout)]:
        wrong = np.flatnonzero(arena[region.offset : region.offset + region.size] != _content(region))
        if len(wrong):
            return name_of_place(plan, layout, rank, layer, region, int(wrong[0]))
    return None


def _content(region: Region) -> Bytes:
    return pattern_bytes(region.seed, region.src_offset, region.size)
