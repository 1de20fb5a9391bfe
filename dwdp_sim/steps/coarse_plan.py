"""A strategy with small slices, simulated with fewer, larger ones that share the links in the same way.

How ranks meet on the links depends on the order of sources, hardly on how small the slices are, as long as every pull
is cut into many. What does depend on the number of slices and calls is counted for the real number: host time, gaps
between calls, barriers. docs/advice.md gives the error of doing so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.fabric_constants import FabricConstants, LinkTiming
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.strategy import Strategy, build_plan

SLICES_A_PULL = 32  # at least so many of the largest pull
COARSE_SLICES = 12  # where a percent does not matter


@dataclass(frozen=True)
class CoarsePlan:
    """What is simulated in place of a strategy.

    Attributes:
        strategy: As simulated.
        slice_bytes: The real slice; None for whole pulls.
        copies: Real copies of one layer, all ranks together.
        calls: Real calls of one layer, all ranks together.
        simulated: Simulated copies of one layer, all ranks together.
        copies_scale: Real copies ÷ simulated ones.
        calls_scale: Real calls ÷ simulated ones.
    """

    strategy: Strategy
    slice_bytes: int | None
    copies: int
    calls: int
    simulated: int
    copies_scale: float
    calls_scale: float

    @property
    def slice_scale(self) -> float:
        """Simulated slice ÷ real one."""
        return (self.strategy.slice_bytes or 1) / (self.slice_bytes or self.strategy.slice_bytes or 1)


def make_coarse_plan(
    model: MoEModel, placement: Placement, strategy: Strategy, slices: int = SLICES_A_PULL
) -> CoarsePlan:
    """Cut the largest pull of `strategy` into about `slices` pieces, where it has more.

    Args:
        model: Gives the pulls' sizes.
        placement: Who pulls from whom.
        strategy: The real one.
        slices: Pieces of the largest pull; up to twice as many are simulated, since slices are powers of two.
    """
    whole = build_plan(model, placement, replace(strategy, slice_bytes=None))
    pulls = [whole.copy_bytes[whole.copy_rank == rank] for rank in range(placement.dwdp_size)]
    coarse = 2 ** int(np.log2(max(int(whole.copy_bytes.max()) // slices, 1)))
    size = strategy.slice_bytes if strategy.slices else None
    simulated = size if size is None else max(size, coarse)
    copies, calls = _count(pulls, strategy, size)
    simulated_copies, simulated_calls = _count(pulls, strategy, simulated)
    return CoarsePlan(
        strategy=replace(strategy, slice_bytes=simulated),
        slice_bytes=size,
        copies=copies,
        calls=calls,
        simulated=simulated_copies,
        copies_scale=copies / simulated_copies,
        calls_scale=calls / simulated_calls,
    )


def _count(pulls: Sequence[Ints], strategy: Strategy, slice_bytes: int | None) -> tuple[int, int]:
    """Copies and calls of one layer over all ranks, whose pulls have these bytes."""
    copies = [len(sizes) if slice_bytes is None else int((-(-sizes // slice_bytes)).sum()) for sizes in pulls]
    rounds = -(-(len(pulls) - 1) // strategy.call_rounds)
    match strategy.name:
        case "default" | "ring":
            calls = copies
        case "batched":
            calls = [1] * len(pulls)
        case "batched_per_round":
            calls = [rounds] * len(pulls)
        case _:
            calls = [-(-count // strategy.wave_copies) for count in copies]
    return sum(copies), sum(calls)


def coarse_constants(constants: FabricConstants, twin: CoarsePlan) -> FabricConstants:
    """Constants under which each simulated call and copy costs as much as the real ones that it stands for.

    A window of bytes grows with the slices, so that it holds as many of them.
    """
    constants = replace(constants, in_flight_bytes=constants.in_flight_bytes * twin.slice_scale)
    if twin.calls_scale == 1.0:
        return replace(constants, issue_slice_s=constants.issue_slice_s * twin.copies_scale)
    peer = constants.timing["peer"]
    gap_s = peer.gap(twin.slice_bytes or 1) * twin.calls_scale
    return replace(
        constants,
        issue_slice_s=constants.issue_slice_s * twin.copies_scale,
        issue_batch_s=constants.issue_batch_s * twin.calls_scale,
        barrier_s=constants.barrier_s * twin.calls_scale,
        timing={**constants.timing, "peer": LinkTiming(peer.fixed_s, ((1.0, gap_s),))},
    )
