"""Find the groups whose ranks pull from one another, and who is which rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dwdp_hw.record.layers import Prefetch
from dwdp_hw.record.orders import Order, issued_order


@dataclass(frozen=True)
class Issued:
    """What the ranks of a group issued.

    Attributes:
        gpus: Of the group, recorded or only read.
        prefetches: By rank; ranks that were not recorded are missing.
        peers: For each rank, the rank that each memory belongs to.
        size: Ranks of the group.
        slice_bytes: The size by which most bytes of batches move; None if there was no batch. Where the engine cuts
            nothing, it is the largest pull.
        most_copies: Most copies of a batch.
        most_calls: Most calls of a rank's layer.
    """

    gpus: tuple[int, ...]
    prefetches: Mapping[int, Prefetch]
    peers: Mapping[int, Mapping[int, int]]
    size: int
    slice_bytes: int | None
    most_copies: int
    most_calls: int

    @property
    def orders(self) -> dict[int, Order]:
        """The order of each rank's layer."""
        return {rank: issued_order(part, self.peers[rank]) for rank, part in self.prefetches.items()}


def groups_of(prefetches: Sequence[Prefetch], kind: str) -> tuple[Issued, ...]:
    """Return the groups, by their lowest GPU.

    Over `peer` links a group is the GPUs that reach one another by what they read, and its ranks are those GPUs in the
    order of their numbers. Otherwise each GPU is rank 0 of a group of its own, and the memory of its virtual peers is
    told apart by its allocations, in the order in which they are first read. Of several streams of a GPU the one with
    most layers counts.
    """
    busiest = {part.gpu: part for part in sorted(prefetches, key=lambda part: len(part.layers))}
    if kind != "peer":
        return tuple(_virtual_group(busiest[gpu]) for gpu in sorted(busiest))
    groups: list[set[int]] = []
    for part in busiest.values():
        reached = {part.gpu, *(gpu for gpu in part.sources if gpu >= 0)}
        apart = [group for group in groups if not group & reached]
        groups = [*apart, reached.union(*(group for group in groups if group & reached))]
    return tuple(_group(sorted(group), busiest) for group in sorted(groups, key=min))


def _group(gpus: Sequence[int], busiest: Mapping[int, Prefetch]) -> Issued:
    ranks = {gpu: rank for rank, gpu in enumerate(gpus)}
    own = {ranks[gpu]: busiest[gpu] for gpu in gpus if gpu in busiest}
    peers = {rank: {memory: ranks.get(memory, rank) for memory in part.sources} for rank, part in own.items()}
    return _issued(gpus, own, peers, len(gpus))


def _virtual_group(part: Prefetch) -> Issued:
    peers = {memory: rank for rank, memory in enumerate(part.sources, 1)}
    return _issued([part.gpu], {0: part}, {0: peers}, 1 + len(peers))


def _issued(
    gpus: Sequence[int], own: Mapping[int, Prefetch], peers: Mapping[int, Mapping[int, int]], size: int
) -> Issued:
    batches = [call.copies.bytes for part in own.values() for call in part.layer if call.is_batch]
    counts = Counter(size for sizes in batches for size in sizes)
    return Issued(
        gpus=tuple(gpus),
        prefetches=own,
        peers=peers,
        size=size,
        slice_bytes=max(counts, key=lambda size: size * counts[size], default=None),
        most_copies=max(map(len, batches), default=1),
        most_calls=max(len(part.layer) for part in own.values()),
    )
