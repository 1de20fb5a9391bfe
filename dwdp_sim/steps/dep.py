"""The baseline: attention with data parallelism, experts spread over the ranks (DEP), two exchanges for each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwdp_sim.steps.compute_times import ComputeTimes, lead_s, representatives
from dwdp_sim.steps.requests import Step


@dataclass(frozen=True)
class DepTimes:
    """Where the time of a layer or a forward step goes under DEP, in seconds; equally long for all ranks.

    Attributes:
        compute_s: Compute of a rank, mean over ranks.
        communication_s: Both exchanges.
        synchronization_s: Waiting for the slowest rank, mean over ranks.
    """

    compute_s: float
    communication_s: float
    synchronization_s: float

    @property
    def total_s(self) -> float:
        """The whole time of the layer or the step."""
        return self.compute_s + self.communication_s + self.synchronization_s


def dep_layer(times: ComputeTimes, steps: Sequence[Step], layer: int) -> DepTimes:
    """Time one MoE layer under DEP: attention, exchange, experts, exchange; each exchange waits for the slowest rank.

    Each rank computes an equal part of all tokens' routed experts; attention, router and shared experts it computes for
    its own tokens.

    Args:
        times: How long the model's layers compute.
        steps: What each rank processes in this forward step.
        layer: Counted from 0 over all layers.
    """
    tokens = [sum(chunk.new_tokens for chunk in step) for step in steps]
    own = [times.layer(step, layer) for step in steps]
    routed_s = times.routed_share_s(tokens)
    phases = [[each.before_s for each in own], [routed_s + each.own_moe_s for each in own]]
    found = _of_phases(phases, times.exchange_s(tokens))
    hottest_s = routed_s * (times.rank_imbalance - 1.0)  # all wait for the rank with the most loaded experts
    return replace(found, synchronization_s=found.synchronization_s + hottest_s)


def dep_step(times: ComputeTimes, steps: Sequence[Step]) -> DepTimes:
    """A forward step of all ranks: the layers without experts, then every MoE layer.

    Args:
        times: How long the model's layers compute.
        steps: What each rank processes in this forward step.
    """
    moe = representatives(times.model)
    found = {layer: dep_layer(times, steps, layer) for layer in set(moe)}
    parts = [_of_phases([[lead_s(times, step) for step in steps]], 0.0), *(found[layer] for layer in moe)]
    return DepTimes(
        math.fsum(part.compute_s for part in parts),
        math.fsum(part.communication_s for part in parts),
        math.fsum(part.synchronization_s for part in parts),
    )


def _of_phases(phases: Sequence[Sequence[float]], communication_s: float) -> DepTimes:
    """Phases that each end when the slowest rank has ended it; [phase][rank] seconds."""
    means = [math.fsum(ranks) / len(ranks) for ranks in phases]
    waits = [max(ranks) - mean for ranks, mean in zip(phases, means, strict=True)]
    return DepTimes(math.fsum(means), communication_s, math.fsum(waits))
