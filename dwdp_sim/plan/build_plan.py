"""Build a copy plan from a strategy: cut pulls into slices, sort them, and group them into calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from dwdp_sim.base.arrays import Bools, Ints
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, Parameter
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.copy_plan import NO_BARRIER, CopyPlan
from dwdp_sim.plan.slices import Slices, count_slices, cut, whole_pulls
from dwdp_sim.plan.strategy import Strategy

T = TypeVar("T")


def build_plan(model: MoEModel, placement: Placement, strategy: Strategy) -> CopyPlan:
    """Build the copies of one layer for all ranks, in issue order.

    Raises:
        ConfigError: The implementation cannot do it (overlapping experts in sglang), or the strategy is a record of the
            user's that cannot be used.
    """
    parameters = _parameters(model, strategy)
    slices, call, starts, part = in_issue_order(pulls_of(model, placement, strategy), strategy)
    first = np.flatnonzero(starts)
    plan = CopyPlan(
        placement=placement,
        parameters=parameters,
        copy_rank=slices.rank,
        copy_call=np.cumsum(starts) - 1,
        copy_peer=slices.peer,
        copy_parameter=slices.parameter,
        copy_src_offset=slices.src_offset,
        copy_dst_offset=slices.dst_offset,
        copy_bytes=slices.bytes,
        call_rank=slices.rank[first],
        call_issue=np.full(len(first), strategy.kind.issue, dtype=np.int64),
        call_barrier=_barriers(call[first], part[first], strategy),
    )
    if not plan.is_complete():
        raise ConfigError("strategy", strategy.name, "must pull every remote byte once, from where it is, and does not")
    return plan


def in_issue_order(pulls: Slices, strategy: Strategy) -> tuple[Slices, Ints, Bools, Ints]:
    """Cut pulls into slices and put them in the order in which each rank issues them.

    Returns:
        The slices, by rank; the number that the strategy gives the call of each; whether a call begins with it; and in
        which part of its numbered call it is, where the strategy limits the copies of a call.

    Raises:
        ConfigError: The strategy is a record of the user's that cannot be used.
    """
    slices = cut(pulls, strategy.slice_bytes)
    call = _call_of(slices, strategy)
    keys = _ask(strategy, "keys", lambda: [_column(key, slices) for key in strategy.kind.keys(slices, strategy)])
    order = np.lexsort([*reversed(keys), call, slices.rank])
    slices, call = slices.take(order), call[order]
    return slices, call, *_parts(slices.rank, call, strategy.most_copies)


def pulls_of(model: MoEModel, placement: Placement, strategy: Strategy) -> Slices:
    """Return what the ranks pull, uncut.

    Raises:
        ConfigError: The implementation does not allow overlapping experts.
    """
    if placement.overlaps and not strategy.engine.allows_overlap:
        raise ConfigError(
            "strategy.implementation",
            strategy.implementation,
            f"does not allow overlapping experts (num_experts_per_worker={placement.num_experts_per_worker} > "
            f"num_prefetch_experts={placement.num_prefetch_experts}); use trtllm_ipc or trtllm_vmm",
        )
    return whole_pulls(placement, _parameters(model, strategy), strategy.engine)


def count_calls(pulls: Slices, strategy: Strategy) -> tuple[int, int]:
    """Count the copies and calls of all ranks without building the plan, which small slices make large.

    Args:
        pulls: Of all ranks, as `pulls_of` returns them.
        strategy: Cuts and issues them.
    """
    pieces = count_slices(pulls, strategy.slice_bytes)
    calls = 0
    for rank in np.unique(pulls.rank):
        own = pulls.rank == rank
        copies = pieces[own].sum(keepdims=True)
        if strategy.kind.call is not None:
            call = _call_of(cut(pulls.take(own), strategy.slice_bytes), strategy)
            copies = np.unique(call, return_counts=True)[1]
        calls += int((-(-copies // strategy.most_copies)).sum())
    return int(pieces.sum()), calls


def _parameters(model: MoEModel, strategy: Strategy) -> tuple[Parameter, ...]:
    return tuple(p for p in model.parameters if p.kind in strategy.engine.kinds)


def _call_of(slices: Slices, strategy: Strategy) -> Ints:
    """Number of the call that issues each slice, as the strategy says."""
    number = strategy.kind.call
    if number is None:
        return np.zeros_like(slices.rank)
    call = _ask(strategy, "call", lambda: _column(number(slices, strategy), slices))
    if call.min() < 0:
        raise ConfigError("strategy", strategy.name, f"its call must be at least 0, not {call.min()}")
    return call


def _ask(strategy: Strategy, function: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Exception as error:  # a function of the user's may raise anything
        why = f"its function {function} fails: {type(error).__name__}: {error}"
        raise ConfigError("strategy", strategy.name, why) from error


def _column(values: Ints, slices: Slices) -> Ints:
    """What a strategy's function returned, as one whole number a slice."""
    column = np.asarray(values)
    if column.shape != slices.rank.shape or column.dtype.kind not in "iu":
        raise ValueError(f"one whole number a slice is wanted, not {column.dtype} of shape {column.shape}")
    return column.astype(np.int64)


def _parts(rank: Ints, call: Ints, most: int) -> tuple[Bools, Ints]:
    """Which copies begin a call, and in which part of its numbered call each copy is, a part having `most` copies."""
    numbered = np.r_[True, (rank[1:] != rank[:-1]) | (call[1:] != call[:-1])]
    place = np.arange(len(rank))
    place = place - np.maximum.accumulate(np.where(numbered, place, 0))
    return numbered | (place % most == 0), place // most


def _barriers(call: Ints, part: Ints, strategy: Strategy) -> Ints:
    """The barrier of each call: the n-th calls of the ranks go together."""
    if strategy.barrier == "none":
        return np.full(len(call), NO_BARRIER, dtype=np.int64)
    return np.unique(np.stack([call, part]), axis=1, return_inverse=True)[1].reshape(-1)
