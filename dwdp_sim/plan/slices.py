"""Pulls of every rank, whole or cut into slices, with the columns that a strategy sorts by."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from dwdp_sim.base.arrays import Bools, Ints
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import Parameter
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.engines import Implementation

MOST_COPIES = 5_000_000  # of all ranks: about half a gigabyte of columns


@dataclass(frozen=True)
class Slices:
    """Slices of the pulls of one layer, one row each; every column has the shape (slices,).

    A *pull* is what one rank reads of one parameter from one peer: a contiguous range in both memories.

    Attributes:
        rank: The rank that pulls.
        peer: The rank that it pulls from.
        rotation: (peer − rank) mod N: 1 for the next rank, N − 1 for the one before.
        parameter: Index of the parameter.
        slice: Index of the slice in its pull.
        position: Index of the slice among all that the rank pulls from the peer, parameter by parameter.
        src_offset: Byte offset in the peer's resident buffer of that parameter.
        dst_offset: Byte offset in the rank's slot buffer of that parameter.
        bytes: Length, never zero.
    """

    rank: Ints
    peer: Ints
    rotation: Ints
    parameter: Ints
    slice: Ints
    position: Ints
    src_offset: Ints
    dst_offset: Ints
    bytes: Ints

    def columns(self, names: tuple[str, ...]) -> tuple[Ints, ...]:
        """The columns with these names."""
        return tuple(getattr(self, name) for name in names)

    def take(self, rows: Ints | Bools) -> Slices:
        """These rows only, in this order."""
        return Slices(*(getattr(self, field.name)[rows] for field in fields(self)))


def whole_pulls(placement: Placement, parameters: tuple[Parameter, ...], implementation: Implementation) -> Slices:
    """Return the pulls of all ranks, uncut, ordered by rank, peer and parameter."""
    served = placement.served_by_lowest if implementation.lowest_rank_serves else placement.served_by_distance
    rows: list[tuple[int, ...]] = []
    for rank in range(placement.dwdp_size):
        for peer in range(placement.dwdp_size):
            experts = served(rank, peer) if peer != rank else range(0)
            if not experts:
                continue
            src = experts.start - placement.resident(peer).start
            dst = placement.remote_index(rank, experts.start)
            rows.extend(
                (rank, peer, index, src * p.bytes, dst * p.bytes, len(experts) * p.bytes)
                for index, p in enumerate(parameters)
            )
    rank_, peer_, parameter, src_offset, dst_offset, total = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    rotation = (peer_ - rank_) % placement.dwdp_size
    return Slices(rank_, peer_, rotation, parameter, np.zeros_like(rank_), parameter, src_offset, dst_offset, total)


def count_slices(pulls: Slices, slice_bytes: int | None) -> Ints:
    """Number of slices of each pull, shape (pulls,)."""
    return np.ones_like(pulls.bytes) if slice_bytes is None else -(-pulls.bytes // slice_bytes)


def cut(pulls: Slices, slice_bytes: int | None) -> Slices:
    """Cut pulls into slices of at most `slice_bytes`; None leaves them whole.

    Raises:
        ConfigError: More than `MOST_COPIES` slices.
    """
    pieces = count_slices(pulls, slice_bytes)
    if pieces.sum() > MOST_COPIES:
        raise ConfigError(
            "strategy.slice_bytes",
            slice_bytes,
            f"would make {int(pieces.sum()):,} copies; at most {MOST_COPIES:,} are planned, so take larger slices",
        )
    if slice_bytes is None:
        return pulls
    row = np.repeat(np.arange(len(pieces)), pieces)
    index = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    slices = pulls.take(row)
    # Position in the peer's list: the row's number less that of the first row of its (rank, peer).
    starts = np.r_[True, (slices.rank[1:] != slices.rank[:-1]) | (slices.peer[1:] != slices.peer[:-1])]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(row)), 0))
    return Slices(
        rank=slices.rank,
        peer=slices.peer,
        rotation=slices.rotation,
        parameter=slices.parameter,
        slice=index,
        position=np.arange(len(row)) - first,
        src_offset=slices.src_offset + index * slice_bytes,
        dst_offset=slices.dst_offset + index * slice_bytes,
        bytes=np.minimum(slice_bytes, slices.bytes - index * slice_bytes),
    )
