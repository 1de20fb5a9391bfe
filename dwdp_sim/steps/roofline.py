"""Compute times of a transformer layer on one GPU by the roofline: FLOPs and bytes against peak rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, attention_of, dense_width, matrix_bytes, remote_ranks
from dwdp_sim.steps.compute_times import LayerTimes
from dwdp_sim.steps.requests import Chunk, Step

_ROUTER_FORMAT = "bf16"
_ACTIVATION_BYTES = 2  # BF16, to the experts and back


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
class Roofline:
    """Compute times of a model at a GPU's peak rates; a `ComputeTimes`.

    Attributes:
        model: With its attention.
        peaks: What the GPU can do.
        rank_imbalance: Time of the rank with the most loaded experts ÷ the mean, where experts are spread over ranks.
    """

    model: MoEModel
    peaks: Peaks
    rank_imbalance: float = 1.0

    def layer(self, step: Step, layer: int) -> LayerTimes:
        """Time MoE layer `layer`, counted from 0 over all layers, under DWDP.

        The rank processes its own tokens alone and reads every one of the layer's experts, its own and the prefetched
        ones.
        """
        model, tokens = self.model, _new_tokens(step)
        return LayerTimes(
            attention_s=self.attention_s(step, layer),
            router_s=self.peaks.product_s(tokens, model.num_experts, model.hidden_size, _ROUTER_FORMAT),
            routed_s=self.feed_forward_s(tokens * model.top_k, model.intermediate_size, model.num_experts),
            shared_s=self.feed_forward_s(tokens, model.shared_intermediate_size),
        )

    def dense_layer_s(self, step: Step, layer: int) -> float:
        """Time a layer without experts.

        Raises:
            ConfigError: The model does not say how wide its feed-forward block is.
        """
        feed_s = self.feed_forward_s(_new_tokens(step), dense_width(self.model))
        return self.attention_s(step, layer) + feed_s

    def routed_share_s(self, tokens: Sequence[int]) -> float:
        """Time one rank's equal part of all ranks' routed experts under DEP; it reads E/N experts."""
        model, ranks = self.model, len(tokens)
        routed = sum(tokens) * model.top_k / ranks
        return self.feed_forward_s(routed, model.intermediate_size, model.num_experts / ranks)

    def exchange_s(self, tokens: Sequence[int]) -> float:
        """Time both exchanges of a layer under DEP.

        A token goes once to each rank that holds one of its experts, and comes back. An exchange ends when the rank
        that sends or receives most has done so.

        Args:
            tokens: New tokens of each rank.
        """
        ranks = len(tokens)
        if ranks == 1:
            return 0.0
        sent = remote_ranks(ranks, self.model.top_k)
        most = max(max(own, (sum(tokens) - own) / (ranks - 1)) for own in tokens)
        return 2 * most * sent * self.model.hidden_size * _ACTIVATION_BYTES / self.peaks.all_to_all_bytes_per_s

    def attention_s(self, step: Step, layer: int) -> float:
        """Time the attention of transformer layer `layer`, counted from 0, for the chunks of one forward step."""
        attention, peaks = attention_of(self.model), self.peaks
        new = _new_tokens(step)
        context = sum(chunk.context_tokens for chunk in step)
        projections_s = sum(
            peaks.product_s(new + context * matrix.on_context, matrix.rows, matrix.columns, attention.weight_format)
            for matrix in attention.projections(self.model.hidden_size)
        )
        pairs = sum(causal_pairs(chunk, attention.window(layer)) for chunk in step)
        scores_s = pairs * attention.flops_per_pair / (peaks.attention_flops * peaks.attention_efficiency)
        return projections_s + scores_s

    def feed_forward_s(self, tokens: float, intermediate_size: int, matrices: float = 1.0) -> float:
        """Time gated feed-forward blocks: gate and up projections as one product, then the down projection.

        Args:
            tokens: Rows of activations, over all blocks together.
            intermediate_size: Width inside a block.
            matrices: Blocks that are read.
        """
        if not intermediate_size:
            return 0.0
        hidden, weights = self.model.hidden_size, self.model.weight_format
        up_s = self.peaks.product_s(tokens, 2 * intermediate_size, hidden, weights, matrices)
        return up_s + self.peaks.product_s(tokens, hidden, intermediate_size, weights, matrices)


def _new_tokens(step: Step) -> int:
    return sum(chunk.new_tokens for chunk in step)


def causal_pairs(chunk: Chunk, window: int) -> int:
    """Pairs of query and key that a chunk scores: a token sees itself and those before it, at most `window` of them.

    Cutting a request into chunks does not change the sum: n·c + n·(n + 1)/2 for n new tokens behind c others.
    """
    total = chunk.context_tokens + chunk.new_tokens
    return _pairs_up_to(total, window) - _pairs_up_to(chunk.context_tokens, window)


def _pairs_up_to(tokens: int, window: int) -> int:
    ramp = min(tokens, window) if window else tokens
    return ramp * (ramp + 1) // 2 + (tokens - ramp) * window
