"""Compute times of a transformer layer on one GPU by the roofline: FLOPs and bytes against peak rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel, matrix_bytes
from dwdp_sim.steps.requests import Chunk, Step, count_tokens
from dwdp_sim.steps.windows import StepWindows

_ROUTER_FORMAT = "bf16"


@dataclass(frozen=True)
class Peaks:
    """Peak rates of one GPU, and the share of them that is reached.

    Attributes:
        flops: Dense FLOP/s of a product by the format of its weights, as in `moe.FORMATS`.
        attention_flops: FLOP/s at which attention scores keys and weighs values.
        memory_bytes_per_s: Rate of the GPU's memory.
        all_to_all_bytes_per_s: Rate at which a rank sends, and at the same time receives, in an all-to-all exchange.
        gemm_efficiency: Share of `flops` that products reach; 1.0 is the pure roofline, here and below.
        attention_efficiency: Share of `attention_flops`.
        memory_efficiency: Share of `memory_bytes_per_s`.
    """

    flops: Mapping[str, float]
    attention_flops: float
    memory_bytes_per_s: float
    all_to_all_bytes_per_s: float
    gemm_efficiency: float = 1.0
    attention_efficiency: float = 1.0
    memory_efficiency: float = 1.0

    def __post_init__(self) -> None:
        rates = {f"flops_{name}": rate for name, rate in self.flops.items()}
        rates |= {n: getattr(self, n) for n in ("attention_flops", "memory_bytes_per_s", "all_to_all_bytes_per_s")}
        for name, rate in rates.items():
            if not 0 < rate < math.inf:
                raise ConfigError(f"compute.constants.{name}.value", rate, "a rate above zero is wanted")
        for name in ("gemm_efficiency", "attention_efficiency", "memory_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                allowed = "a share above 0 and at most 1 is wanted"
                raise ConfigError(f"compute.constants.{name}.value", getattr(self, name), allowed)

    def product_s(self, tokens: float, rows: int, columns: int, weight_format: str, matrices: float = 1.0) -> float:
        """Time of `tokens` rows of activations times weights: max(FLOPs ÷ peak, bytes of weights ÷ memory rate).

        Args:
            tokens: Rows of activations, over all matrices together (a grouped product).
            rows: Outputs of each matrix.
            columns: Inputs of each matrix.
            weight_format: Format of the weights.
            matrices: Matrices that are read.

        Raises:
            ConfigError: This GPU's rate for the format is not known.
        """
        if weight_format not in self.flops:
            key = f"compute.constants.flops_{weight_format}"
            raise ConfigError(key, "missing", "the model's weights have this format; add value, unit and source")
        if not tokens:
            return 0.0
        compute_s = 2.0 * tokens * rows * columns / (self.flops[weight_format] * self.gemm_efficiency)
        weights = matrices * matrix_bytes(weight_format, rows, columns)
        return max(compute_s, weights / (self.memory_bytes_per_s * self.memory_efficiency))


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of the parts of one MoE layer in one forward step of one rank.

    Attributes:
        attention_s: Projections, scores and weighted values.
        router_s: Choice of the experts.
        routed_s: Routed experts.
        shared_s: Shared experts.
    """

    attention_s: float
    router_s: float
    routed_s: float
    shared_s: float

    @property
    def before_s(self) -> float:
        """Time before the MoE block: attention and router."""
        return self.attention_s + self.router_s

    @property
    def moe_s(self) -> float:
        """Time of the MoE block: routed and shared experts."""
        return self.routed_s + self.shared_s

    @property
    def total_s(self) -> float:
        """Time of the whole layer: `before_s` and `moe_s`."""
        return self.before_s + self.moe_s


def attention_s(model: MoEModel, peaks: Peaks, step: Step, layer: int) -> float:
    """Time of the attention of transformer layer `layer`, counted from 0, for the chunks of one forward step."""
    attention = _attention(model)
    new = sum(chunk.new_tokens for chunk in step)
    context = sum(chunk.context_tokens for chunk in step)
    projections_s = sum(
        peaks.product_s(new + context * matrix.on_context, matrix.rows, matrix.columns, attention.weight_format)
        for matrix in attention.projections(model.hidden_size)
    )
    pairs = sum(causal_pairs(chunk, attention.window(layer)) for chunk in step)
    scores_s = pairs * attention.flops_per_pair / (peaks.attention_flops * peaks.attention_efficiency)
    return projections_s + scores_s


def feed_forward_s(
    model: MoEModel, peaks: Peaks, tokens: float, intermediate_size: int, matrices: float = 1.0
) -> float:
    """Time of gated feed-forward blocks: gate and up projections as one product, then the down projection.

    Args:
        model: Gives the width and the format of the weights.
        peaks: What the GPU can do.
        tokens: Rows of activations, over all blocks together.
        intermediate_size: Width inside a block.
        matrices: Blocks that are read.
    """
    if not intermediate_size:
        return 0.0
    hidden, weights = model.hidden_size, model.weight_format
    up_s = peaks.product_s(tokens, 2 * intermediate_size, hidden, weights, matrices)
    return up_s + peaks.product_s(tokens, hidden, intermediate_size, weights, matrices)


def dense_layer_s(model: MoEModel, peaks: Peaks, step: Step, layer: int) -> float:
    """Return the time of a layer without experts.

    Raises:
        ConfigError: The model does not say how wide its feed-forward block is.
    """
    if not model.dense_intermediate_size:
        allowed = f"a width is wanted: {model.num_dense_layers} of {model.num_layers} layers have no experts"
        raise ConfigError("model.dense_intermediate_size", 0, allowed)
    tokens = sum(chunk.new_tokens for chunk in step)
    feed_s = feed_forward_s(model, peaks, tokens, model.dense_intermediate_size)
    return attention_s(model, peaks, step, layer) + feed_s


def layer_times(model: MoEModel, peaks: Peaks, step: Step, layer: int) -> LayerTimes:
    """Return the times of MoE layer `layer`, counted from 0 over all layers, under DWDP.

    The rank processes its own tokens alone and reads every one of the layer's experts, its own and the prefetched ones.
    """
    tokens = sum(chunk.new_tokens for chunk in step)
    routed = tokens * model.top_k
    return LayerTimes(
        attention_s=attention_s(model, peaks, step, layer),
        router_s=peaks.product_s(tokens, model.num_experts, model.hidden_size, _ROUTER_FORMAT),
        routed_s=feed_forward_s(model, peaks, routed, model.intermediate_size, model.num_experts),
        shared_s=feed_forward_s(model, peaks, tokens, model.shared_intermediate_size),
    )


def representatives(model: MoEModel) -> list[int]:
    """Return, for each MoE layer, the first one that takes as long: layers differ only in their attention's window."""
    layers = range(model.num_dense_layers, model.num_layers)
    windows = [_attention(model).window(layer) for layer in layers]
    return [layers[windows.index(window)] for window in windows]


def step_windows(model: MoEModel, peaks: Peaks, steps: Sequence[Sequence[Step]]) -> StepWindows:
    """Return the compute windows of forward steps under DWDP.

    Args:
        model: With its attention.
        peaks: What each GPU can do.
        steps: For each rank, each iteration: the chunks it processes. As many iterations for every rank.

    Raises:
        ConfigError: The model lacks what the roofline needs, or the GPU a rate.
    """
    dense = range(model.num_dense_layers)
    moe = representatives(model)

    def lead_s(step: Step) -> float:
        return math.fsum(dense_layer_s(model, peaks, step, layer) for layer in dense)

    def layers_s(step: Step) -> list[tuple[float, float]]:
        times = {layer: layer_times(model, peaks, step, layer) for layer in set(moe)}
        return [(times[layer].before_s, times[layer].moe_s) for layer in moe]

    layers = np.array([[layers_s(step) for step in rank] for rank in steps])
    return StepWindows(
        lead_s=np.array([[lead_s(step) for step in rank] for rank in steps]),
        before_s=layers[..., 0],
        moe_s=layers[..., 1],
        tokens=np.array(count_tokens(steps), dtype=np.int64),
    )


def _attention(model: MoEModel) -> Attention:
    if model.attention is None:
        raise ConfigError("model.attention", "missing", "a roofline needs kind, num_heads and widths of the attention")
    return model.attention


def causal_pairs(chunk: Chunk, window: int) -> int:
    """Pairs of query and key that a chunk scores: a token sees itself and those before it, at most `window` of them.

    Cutting a request into chunks does not change the sum: n·c + n·(n + 1)/2 for n new tokens behind c others.
    """
    total = chunk.context_tokens + chunk.new_tokens
    return _pairs_up_to(total, window) - _pairs_up_to(chunk.context_tokens, window)


def _pairs_up_to(tokens: int, window: int) -> int:
    ramp = min(tokens, window) if window else tokens
    return ramp * (ramp + 1) // 2 + (tokens - ramp) * window
