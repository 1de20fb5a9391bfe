"""The baseline: attention with data parallelism, experts spread over the ranks (DEP), two exchanges for each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.steps.requests import Step
from dwdp_sim.steps.roofline import Peaks, dense_layer_s, feed_forward_s, layer_times, representatives

_ACTIVATION_BYTES = 2  # BF16, to the experts and back


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


def remote_ranks(ranks: int, top_k: int) -> float:
    """Other ranks that hold at least one of a token's experts, expected: (N − 1)·(1 − (1 − 1/N)^k).

    Each expert of a token is on each rank with equal chance, whatever the token's other experts.
    """
    return (ranks - 1) * (1.0 - (1.0 - 1.0 / ranks) ** top_k)


def exchange_s(model: MoEModel, peaks: Peaks, tokens: Sequence[int]) -> float:
    """Time of one all-to-all exchange: a token goes once to each rank that holds one of its experts, or comes back.

    It ends when the rank that sends or receives most has done so.

    Args:
        model: Gives width, experts of a token.
        peaks: Gives the rate.
        tokens: New tokens of each rank.
    """
    ranks = len(tokens)
    if ranks == 1:
        return 0.0
    sent = remote_ranks(ranks, model.top_k)
    most = max(max(own, (sum(tokens) - own) / (ranks - 1)) for own in tokens)
    return most * sent * model.hidden_size * _ACTIVATION_BYTES / peaks.all_to_all_bytes_per_s


def dep_layer(model: MoEModel, peaks: Peaks, steps: Sequence[Step], layer: int) -> DepTimes:
    """Time one MoE layer under DEP: attention, exchange, experts, exchange; each exchange waits for the slowest rank.

    Each rank reads E/N experts and computes an equal part of all tokens' experts; attention, router and shared experts
    it computes for its own tokens.

    Args:
        model: With its attention.
        peaks: What each GPU can do.
        steps: What each rank processes in this forward step.
        layer: Counted from 0 over all layers.
    """
    ranks = len(steps)
    tokens = [sum(chunk.new_tokens for chunk in step) for step in steps]
    own = [layer_times(model, peaks, step, layer) for step in steps]
    routed = sum(tokens) * model.top_k / ranks
    routed_s = feed_forward_s(model, peaks, routed, model.intermediate_size, model.num_experts / ranks)
    return _of_phases(
        [[times.before_s for times in own], [routed_s + times.shared_s for times in own]],
        2 * exchange_s(model, peaks, tokens),
    )


def dep_step(model: MoEModel, peaks: Peaks, steps: Sequence[Step]) -> DepTimes:
    """A forward step of all ranks: the layers without experts, then every MoE layer.

    Args:
        model: With its attention.
        peaks: What each GPU can do.
        steps: What each rank processes in this forward step.
    """
    dense = range(model.num_dense_layers)
    lead = [math.fsum(dense_layer_s(model, peaks, step, layer) for layer in dense) for step in steps]
    moe = representatives(model)
    times = {layer: dep_layer(model, peaks, steps, layer) for layer in set(moe)}
    parts = [_of_phases([lead], 0.0), *(times[layer] for layer in moe)]
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
