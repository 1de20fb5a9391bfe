"""Strategies: in which order a rank pulls its experts, cut how, issued how. Each returns a `CopyPlan`.

Every strategy is a sort of slices. A slice knows its peer, its *rotation* (peer − rank) mod N, its parameter, its index
in its (peer, parameter) pull and its position in its peer's list; a strategy is the tuple of keys to sort by and the
rule that cuts the sorted slices into calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, Parameter
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER, CopyPlan

_MOST_COPIES = 5_000_000  # of all ranks: about half a gigabyte of columns
STRATEGIES = ("default", "batched", "ring", "batched_per_round", "waves")
BARRIERS = ("none", "group")


@dataclass(frozen=True)
class Implementation:
    """What an engine does differently from the others (read in its public source).

    Attributes:
        kinds: Kinds of parameters it pulls.
        default_keys: Sort keys of its one-by-one order, most significant first.
        batched_keys: Sort keys of its batched order.
        lowest_rank_serves: Overlapping experts come from the lowest rank that holds them, not by distance.
        allows_overlap: Whether L > P is possible.
    """

    kinds: tuple[str, ...]
    default_keys: tuple[str, ...]
    batched_keys: tuple[str, ...]
    lowest_rank_serves: bool
    allows_overlap: bool


IMPLEMENTATIONS = {
    "trtllm_ipc": Implementation(
        ("weight", "scale", "alpha", "bias"), ("peer", "parameter"), ("parameter", "slice", "rotation"), False, True
    ),
    "trtllm_vmm": Implementation(("weight", "scale", "bias"), ("parameter", "peer"), ("position", "peer"), True, True),
    # sglang has no batched path: its copies in trtllm_ipc's batched order, hypothetical.
    "sglang": Implementation(("weight",), ("parameter", "peer"), ("parameter", "slice", "rotation"), False, False),
}


@dataclass(frozen=True)
class Strategy:
    """How to pull one layer.

    Attributes:
        name: One of `STRATEGIES`.
        implementation: Whose order and parameters; one of `IMPLEMENTATIONS`.
        slice_bytes: Largest copy in bytes; None copies each (peer, parameter) whole. `default` and `ring` never slice.
        wave_copies: Copies in flight per wave (`waves` only).
        call_rounds: Peers pulled from, one after another, by each call (`batched_per_round` only).
        barrier: `group` makes each wave, or call of rounds, wait until the whole group has finished the one before
            (`waves` and `batched_per_round` only).
    """

    name: str
    implementation: str = "trtllm_ipc"
    slice_bytes: int | None = 2 * 2**20
    wave_copies: int = 8
    call_rounds: int = 1
    barrier: str = "none"

    def __post_init__(self) -> None:
        if self.name not in STRATEGIES:
            raise ConfigError("strategy.name", self.name, f"allowed: {', '.join(STRATEGIES)}")
        if self.implementation not in IMPLEMENTATIONS:
            raise ConfigError("strategy.implementation", self.implementation, f"allowed: {', '.join(IMPLEMENTATIONS)}")
        if self.slice_bytes is not None and self.slice_bytes < 1:
            raise ConfigError("strategy.slice_bytes", self.slice_bytes, "must be at least one byte")
        for field in ("wave_copies", "call_rounds"):
            if not 1 <= getattr(self, field) <= _MOST_COPIES:
                raise ConfigError(f"strategy.{field}", getattr(self, field), f"must be from 1 to {_MOST_COPIES}")
        if self.barrier not in BARRIERS:
            raise ConfigError("strategy.barrier", self.barrier, f"allowed: {', '.join(BARRIERS)}")

    @property
    def slices(self) -> bool:
        """Whether this strategy cuts pulls into slices."""
        return self.name not in ("default", "ring") and self.slice_bytes is not None

    @property
    def hypothetical(self) -> bool:
        """Whether no engine offers this: sglang issues one copy at a time only."""
        return self.implementation == "sglang" and self.name != "default"


def build_plan(model: MoEModel, placement: Placement, strategy: Strategy) -> CopyPlan:
    """The copies of one layer for all ranks, in issue order.

    Raises:
        ConfigError: The implementation cannot do it (overlapping experts in sglang).
    """
    implementation = IMPLEMENTATIONS[strategy.implementation]
    if placement.overlaps and not implementation.allows_overlap:
        raise ConfigError(
            "strategy.implementation",
            strategy.implementation,
            f"does not allow overlapping experts (num_experts_per_worker={placement.num_experts_per_worker} > "
            f"num_prefetch_experts={placement.num_prefetch_experts}); use trtllm_ipc or trtllm_vmm",
        )
    parameters = tuple(p for p in model.parameters if p.kind in implementation.kinds)
    columns = _slice_columns(placement, parameters, strategy, implementation)
    keys = _sort_keys(strategy, implementation)
    order = np.lexsort([columns[key] for key in reversed(("rank", *keys))])
    columns = {name: column[order] for name, column in columns.items()}
    call, call_rank, call_issue, call_barrier = _cut_into_calls(strategy, columns)
    return CopyPlan(
        placement=placement,
        parameters=parameters,
        copy_rank=columns["rank"],
        copy_call=call,
        copy_peer=columns["peer"],
        copy_parameter=columns["parameter"],
        copy_src_offset=columns["src_offset"],
        copy_dst_offset=columns["dst_offset"],
        copy_bytes=columns["bytes"],
        call_rank=call_rank,
        call_issue=call_issue,
        call_barrier=call_barrier,
    )


def _sort_keys(strategy: Strategy, implementation: Implementation) -> tuple[str, ...]:
    match strategy.name:
        case "default":
            return implementation.default_keys
        case "ring":  # the default order, rotated to start at rank + 1
            return tuple("rotation" if key == "peer" else key for key in implementation.default_keys)
        case "batched_per_round":
            return ("rotation", "parameter", "slice")
        case _:
            return implementation.batched_keys


def _pulls(placement: Placement, parameters: tuple[Parameter, ...], implementation: Implementation) -> Ints:
    """One row for each contiguous range that a rank pulls: rank, peer, parameter, src offset, dst offset, bytes."""
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
    return np.array(rows, dtype=np.int64).reshape(-1, 6)


def _slice_columns(
    placement: Placement, parameters: tuple[Parameter, ...], strategy: Strategy, implementation: Implementation
) -> dict[str, Ints]:
    """All slices of all ranks with every sort key, in (rank, peer, parameter, slice) order."""
    rank, peer, parameter, src, dst, total = _pulls(placement, parameters, implementation).T
    limit = strategy.slice_bytes if strategy.slices and strategy.slice_bytes else max(int(total.max()), 1)
    pieces = -(-total // limit)
    if pieces.sum() > _MOST_COPIES:
        raise ConfigError(
            "strategy.slice_bytes",
            limit,
            f"would make {int(pieces.sum()):,} copies; at most {_MOST_COPIES:,} are planned, so take larger slices",
        )
    row = np.repeat(np.arange(len(total)), pieces)
    index = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    # Position in the peer's list: the row's number less that of the first row of its (rank, peer).
    pair = (rank * placement.dwdp_size + peer)[row]
    starts = np.r_[True, pair[1:] != pair[:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(row)), 0))
    return {
        "rank": rank[row],
        "peer": peer[row],
        "rotation": (peer - rank)[row] % placement.dwdp_size,
        "parameter": parameter[row],
        "slice": index,
        "position": np.arange(len(row)) - first,
        "src_offset": src[row] + index * limit,
        "dst_offset": dst[row] + index * limit,
        "bytes": np.minimum(limit, total[row] - index * limit),
    }


def _cut_into_calls(strategy: Strategy, columns: dict[str, Ints]) -> tuple[Ints, Ints, Ints, Ints]:
    """Call index of each copy, and the call columns (rank, issue, barrier)."""
    rank = columns["rank"]
    within = np.arange(len(rank)) - np.searchsorted(rank, rank)  # place in the rank's sequence
    barrier = np.full(len(rank), NO_BARRIER, dtype=np.int64)
    match strategy.name:
        case "default" | "ring":
            group, issue = within, ASYNC
        case "batched":
            group, issue = np.zeros_like(within), BATCH
        case "batched_per_round":
            group, issue = (columns["rotation"] - 1) // strategy.call_rounds, BATCH
        case _:
            group, issue = within // strategy.wave_copies, BATCH
    if strategy.barrier == "group" and strategy.name in ("batched_per_round", "waves"):
        barrier = group
    new_call = np.r_[True, (rank[1:] != rank[:-1]) | (group[1:] != group[:-1])]
    first = np.flatnonzero(new_call)
    return np.cumsum(new_call) - 1, rank[first], np.full(len(first), issue, dtype=np.int64), barrier[first]
