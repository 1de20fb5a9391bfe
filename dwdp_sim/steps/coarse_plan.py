"""Replace many small slices by fewer, larger ones that share the links in the same way, to simulate faster.

How ranks meet on the links depends on the order of sources, hardly on how small the slices are, as long as every pull
is cut into many. What does depend on the number of slices and calls is counted for the real number: host time, gaps
between calls, barriers. docs/advice.md gives the error of doing so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from dwdp_sim.fabric.fabric_constants import FabricConstants, LinkTiming
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan, count_calls, pulls_of
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.strategy import Strategy

SLICES_A_PULL = 32  # pieces of the largest pull, at least
COARSE_SLICES = 12  # pieces if an error of a percent does not matter


@dataclass(frozen=True)
class CoarsePlan:
    """A strategy with larger slices that is simulated in place of the real one, and the factors between the two.

    Attributes:
        strategy: As simulated.
        plan: Of one layer, as simulated.
        slice_bytes: The real slice; None for whole pulls.
        copies: Real copies of one layer, all ranks together.
        calls: Real calls of one layer, all ranks together.
    """

    strategy: Strategy
    plan: CopyPlan = field(repr=False, compare=False)
    slice_bytes: int | None
    copies: int
    calls: int

    @property
    def simulated(self) -> int:
        """Simulated copies of one layer, all ranks together."""
        return len(self.plan.copy_bytes)

    @property
    def copies_scale(self) -> float:
        """Real copies ÷ simulated ones."""
        return self.copies / self.simulated

    @property
    def calls_scale(self) -> float:
        """Real calls ÷ simulated ones."""
        return self.calls / len(self.plan.call_rank)

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

    Raises:
        ConfigError: No plan can be made.
    """
    pulls = pulls_of(model, placement, strategy)
    coarse = 2 ** int(np.log2(max(int(pulls.bytes.max()) // slices, 1)))
    size = strategy.slice_bytes
    simulated = replace(strategy, slice_bytes=None if size is None else max(size, coarse))
    copies, calls = count_calls(pulls, strategy)
    return CoarsePlan(simulated, build_plan(model, placement, simulated), size, copies, calls)


def coarse_constants(constants: FabricConstants, coarse: CoarsePlan) -> FabricConstants:
    """Constants under which each simulated call and copy costs as much as the real ones that it stands for.

    A window of bytes grows with the slices, so that it holds as many of them.
    """
    constants = replace(constants, in_flight_bytes=constants.in_flight_bytes * coarse.slice_scale)
    if coarse.calls_scale == 1.0:
        return replace(constants, issue_slice_s=constants.issue_slice_s * coarse.copies_scale)
    peer = constants.timing["peer"]
    gap_s = peer.gap(coarse.slice_bytes or 1) * coarse.calls_scale
    return replace(
        constants,
        issue_slice_s=constants.issue_slice_s * coarse.copies_scale,
        issue_batch_s=constants.issue_batch_s * coarse.calls_scale,
        barrier_s=constants.barrier_s * coarse.calls_scale,
        timing={**constants.timing, "peer": LinkTiming(peer.fixed_s, ((1.0, gap_s),))},
    )
