"""How long one GPU computes the layers of a forward step, whoever knows it: a roofline or measured kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.steps.requests import Step, count_tokens
from dwdp_sim.steps.windows import StepWindows


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of the parts of one MoE layer in one forward step of one rank.

    Attributes:
        attention_s: Projections, scores and weighted values.
        router_s: Choice of the experts.
        routed_s: Routed experts.
        shared_s: Shared experts.
        other_before_s: What else runs before the MoE block: norms, residuals, quantisation.
        other_moe_s: What else runs in the MoE block: activations, the sum over a token's experts.
        before_slowdown: How many times as long the part before the MoE block takes while copies arrive.
        moe_slowdown: The same of the MoE block.
    """

    attention_s: float
    router_s: float
    routed_s: float
    shared_s: float
    other_before_s: float = 0.0
    other_moe_s: float = 0.0
    before_slowdown: float = 1.0
    moe_slowdown: float = 1.0

    @property
    def before_s(self) -> float:
        """Time before the MoE block, which needs the prefetched experts."""
        return self.attention_s + self.router_s + self.other_before_s

    @property
    def own_moe_s(self) -> float:
        """Time in the MoE block that a rank spends on its own tokens wherever their experts are."""
        return self.shared_s + self.other_moe_s

    @property
    def moe_s(self) -> float:
        """Time of the MoE block."""
        return self.routed_s + self.own_moe_s

    @property
    def total_s(self) -> float:
        """Time of the whole layer: `before_s` and `moe_s`."""
        return self.before_s + self.moe_s


class ComputeTimes(Protocol):
    """What knows how long a model's layers compute on one kind of GPU."""

    @property
    def model(self) -> MoEModel:
        """The model."""

    @property
    def rank_imbalance(self) -> float:
        """Time of the rank with the most loaded experts ÷ the mean, where experts are spread over the ranks (DEP)."""

    def layer(self, step: Step, layer: int) -> LayerTimes:
        """Time MoE layer `layer`, counted from 0 over all layers, of a rank that has all experts (DWDP)."""

    def dense_layer_s(self, step: Step, layer: int) -> float:
        """Time a layer without experts."""

    def routed_share_s(self, tokens: Sequence[int]) -> float:
        """Time one rank's equal part of all ranks' routed experts, by the ranks' new tokens (DEP)."""

    def exchange_s(self, tokens: Sequence[int]) -> float:
        """Time both exchanges of a layer, to the experts and back, by the ranks' new tokens (DEP)."""


def step_windows(times: ComputeTimes, steps: Sequence[Sequence[Step]]) -> StepWindows:
    """Return the compute windows of forward steps under DWDP.

    Args:
        times: How long the model's layers compute.
        steps: For each rank, each iteration: the chunks it processes. As many iterations for every rank.

    Raises:
        ConfigError: The model lacks what its times rest on, or the GPU a rate.
    """
    moe = representatives(times.model)

    def layer_columns(step: Step) -> list[tuple[float, ...]]:
        found = {layer: times.layer(step, layer) for layer in set(moe)}
        return [(t.before_s, t.moe_s, t.before_slowdown, t.moe_slowdown) for t in map(found.__getitem__, moe)]

    layers = np.array([[layer_columns(step) for step in rank] for rank in steps])
    return StepWindows(
        lead_s=np.array([[lead_s(times, step) for step in rank] for rank in steps]),
        before_s=layers[..., 0],
        moe_s=layers[..., 1],
        tokens=np.array(count_tokens(steps), dtype=np.int64),
        before_slowdown=layers[..., 2],
        moe_slowdown=layers[..., 3],
    )


def lead_s(times: ComputeTimes, step: Step) -> float:
    """Return the time of the layers without experts, which come first."""
    return math.fsum(times.dense_layer_s(step, layer) for layer in range(times.model.num_dense_layers))


def representatives(model: MoEModel) -> list[int]:
    """Return, for each MoE layer, the first one that takes as long: layers differ only in their attention's window."""
    layers = range(model.num_dense_layers, model.num_layers)
    windows = [attention_of(model).window(layer) for layer in layers]
    return [layers[windows.index(window)] for window in windows]
