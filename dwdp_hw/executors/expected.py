"""The bytes that a slot must hold after a prefetch, taken from the placement, so that a wrong plan is noticed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dwdp_hw.executors.layout import SLOTS, Layout
from dwdp_hw.executors.pattern import GUARD_RANK, seed_of
from dwdp_sim.plan.copy_plan import CopyPlan


@dataclass(frozen=True)
class Region:
    """A stretch of the slot arena and the pattern it must hold.

    Attributes:
        offset: Where it starts in the slot arena.
        size: Bytes.
        seed: Seed of the source buffer, see `pattern.seed_of`.
        src_offset: Offset in that source buffer of the region's first byte.
        parameter: Index of the parameter; −1 for a guard.
    """

    offset: int
    size: int
    seed: int
    src_offset: int
    parameter: int


def expected_regions(plan: CopyPlan, layout: Layout, rank: int, layer: int, sources: Collection[int]) -> list[Region]:
    """List what `rank` must find in the slot of `layer`: each remote expert of `sources`, from a rank that has it."""
    regions: list[Region] = []
    placement = plan.placement
    remote = [e for e in range(placement.num_experts) if e not in placement.resident(rank)]
    for parameter, size in enumerate(layout.parameter_bytes):
        start = layout.slot_offset(layer % SLOTS, parameter)
        holders = _sources(plan, rank, parameter, remote, size)
        first = 0
        for place in range(1, len(remote) + 1):  # neighbours from the same source are one region
            if place < len(remote) and holders[place] == holders[first] and remote[place] == remote[place - 1] + 1:
                continue
            peer = holders[first]
            region = Region(
                offset=start + first * size,
                size=(place - first) * size,
                seed=seed_of(peer, layer, parameter),
                src_offset=(remote[first] - placement.resident(peer).start) * size,
                parameter=parameter,
            )
            if peer in sources:
                regions.append(region)
            first = place
    return regions


def guard_regions(layout: Layout) -> list[Region]:
    """Return the stretches of the slot arena that no copy may touch."""
    seed = seed_of(GUARD_RANK, 0, 0)
    return [Region(offset, size, seed, 0, -1) for offset, size in layout.guards()]


def source_buffers(layout: Layout, rank: int) -> list[Region]:
    """Return what the resident arena of `rank` holds."""
    return [
        Region(layout.resident_offset(layer, p), layout.held * size, seed_of(rank, layer, p), 0, p)
        for layer in range(layout.layers)
        for p, size in enumerate(layout.parameter_bytes)
    ]


def name_of_place(plan: CopyPlan, layout: Layout, rank: int, layer: int, region: Region, offset: int) -> str:
    """Name the slice that should have written byte `offset` of `region`, for an error message."""
    if region.parameter < 0:
        return f"byte {region.offset + offset} of the slot arena, outside every slot buffer"
    in_slot = region.offset + offset - layout.slot_offset(layer % SLOTS, region.parameter)
    rows = np.flatnonzero(
        (plan.copy_rank == rank)
        & (plan.copy_parameter == region.parameter)
        & (plan.copy_dst_offset <= in_slot)
        & (in_slot < plan.copy_dst_offset + plan.copy_bytes)
    )
    place = f"{plan.parameters[region.parameter].name}, byte {in_slot} of the slot's buffer"
    if not len(rows):
        return f"{place}: no slice of the plan writes there"
    row = int(rows[0])
    within = row - int(np.flatnonzero(plan.copy_rank == rank)[0])
    return f"slice {within} of rank {rank} (layer {layer}, peer {plan.copy_peer[row]}, {place})"


def _sources(plan: CopyPlan, rank: int, parameter: int, remote: list[int], size: int) -> list[int]:
    """The rank that serves each remote expert: the one the plan reads, if that one holds it, else the first holder."""
    rows = (plan.copy_rank == rank) & (plan.copy_parameter == parameter)
    reads: dict[int, int] = {}
    for peer, dst, length in zip(
        plan.copy_peer[rows].tolist(), plan.copy_dst_offset[rows].tolist(), plan.copy_bytes[rows].tolist(), strict=True
    ):
        for place in range(-(-dst // size), -(-(dst + length) // size)):
            reads[place] = peer
    placement = plan.placement
    sources = []
    for place, expert in enumerate(remote):
        holders = [r for r in range(placement.dwdp_size) if r != rank and expert in placement.resident(r)]
        read = reads.get(place)
        sources.append(read if read in holders and read is not None else holders[0])
    return sources
