"""All operations of one transformer layer on one rank, with their times from measured tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.attention import CACHES, AttentionTime, Chunk, gqa, has_module, mla, mla_module, whole_requests
from dwdp_sim.silicon.choices import AS_MODEL, Choices
from dwdp_sim.silicon.dense import gemm, memory_bound, split_gemm
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import finalize, moe
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.products import Product, attention_products, feed_forward_products, router_product
from dwdp_sim.silicon.tables import Kernels, Tables

Kind = Literal["attention", "dense", "grouped", "other", "communication"]
Bound = Literal["power", "memory", "neither"]
_BOUNDS: dict[Kind, Bound] = {
    "attention": "power",
    "dense": "neither",
    "grouped": "neither",
    "other": "memory",
    "communication": "neither",
}
_BYTES = 2  # of an activation, BF16
_MIN_SECONDS = 1e-9  # a part below it is no kernel


@dataclass(frozen=True)
class Operation:
    """One kernel, or several of a kind, in the order in which they run.

    Attributes:
        name: What it computes.
        kind: `attention` (scores and values), `dense` (a product), `grouped` (routed experts), `communication`,
            `other`.
        bound: What a copy beside it takes away: `power` (of the clock), `memory`, or `neither`.
        in_moe: Whether it belongs to the MoE block, which needs the layer's experts, or comes before it.
        time: How long it runs.
    """

    name: str
    kind: Kind
    bound: Bound
    in_moe: bool
    time: KernelTime

    @property
    def seconds(self) -> float:
        """Time of the best estimate."""
        return self.time.seconds


def layer_operations(
    model: MoEModel, tables: Tables, gpu: str, choices: Choices, step: Sequence[Chunk], layer: int | None = None
) -> tuple[Operation, ...]:
    """The operations of a layer for the chunks of one forward step.

    The rank computes its own tokens and has every expert, as under DWDP. Layers without experts come first; all of
    their operations count as before the MoE block.

    Args:
        model: With its attention.
        tables: Measured times.
        gpu: Name of the GPU.
        choices: Engine, kernels, load and formats.
        step: Chunks with `new_tokens` and `context_tokens`.
        layer: Counted from 0 over all layers; None takes the first with experts.

    Raises:
        ConfigError: The tables do not cover the layer; the message says what is missing.
    """
    kernels = choices.kernels(tables, gpu)
    at = model.num_dense_layers if layer is None else layer
    before = before_moe(kernels, model, choices, step, at)
    if at < model.num_dense_layers:
        return before + dense_block(kernels, model, step)
    return before + moe_block(kernels, model, choices, step)


def exchange_operations(
    model: MoEModel, tables: Tables, gpu: str, choices: Choices, tokens: int, ranks: int
) -> tuple[Operation, ...]:
    """The two exchanges of a MoE layer whose experts are spread over ranks, for a rank's tokens (DEP).

    Raises:
        ConfigError: The tables have no such exchange.
    """
    found = all_to_all(choices.kernels(tables, gpu), model, tokens, ranks)
    names = ("prepare", "dispatch", "combine")[-len(found.times) :]
    return _kept(_operation(name, "communication", True, time) for name, time in zip(names, found.times, strict=True))


def before_moe(
    kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk], layer: int
) -> tuple[Operation, ...]:
    """Norms, attention and, in a layer with experts, the router."""
    attention, tokens = _attention(model), _new_tokens(step)
    dtype, context = choices.projection_dtype(attention), sum(chunk.context_tokens for chunk in step)
    products = attention_products(attention, model.hidden_size, dtype)
    projected = [_product(kernels, one, tokens + context * one.on_context, False) for one in products]
    core = _core(kernels, attention, choices.cache_of(model), attention.window(layer), step)
    norm = memory_bound(kernels.gpu, tokens * model.hidden_size * 4 * _BYTES)  # x and the residual, read and written
    linear = "rotary position, cache" if attention.kind == "gqa" else "rotary position, cache, quantisation"
    return _kept(
        (
            _operation("input norm", "other", False, norm),
            *(operation for parts in projected[:-1] for operation in parts),
            *_unmeasured_parts(kernels, model, choices, step),
            _operation(linear, "other", False, core.linear),
            _operation("attention", "attention", False, core.quadratic),
            *projected[-1],
            _operation("norm before feed-forward", "other", False, norm),
            *(_product(kernels, router_product(model), tokens, False) if layer >= model.num_dense_layers else ()),
        )
    )


def dense_block(kernels: Kernels, model: MoEModel, step: Sequence[Chunk]) -> tuple[Operation, ...]:
    """The feed-forward block of a layer without experts.

    Raises:
        ConfigError: The model does not say how wide it is, or the tables lack it.
    """
    if not model.dense_intermediate_size:
        allowed = f"a width is wanted: {model.num_dense_layers} of {model.num_layers} layers have no experts"
        raise ConfigError("model.dense_intermediate_size", 0, allowed)
    return _kept(_feed_forward(kernels, model, model.dense_intermediate_size, "dense", _new_tokens(step), False))


def moe_block(kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]) -> tuple[Operation, ...]:
    """Routed and shared experts, and the sum of both."""
    tokens = _new_tokens(step)
    dtype = None if choices.experts == AS_MODEL else choices.experts
    routed = moe(kernels, model, tokens, choices.kernel, choices.load, dtype)
    width = model.shared_intermediate_size
    added = memory_bound(kernels.gpu, tokens * model.hidden_size * 3 * _BYTES if width else 0)
    return _kept(
        (
            _operation("routed experts", "grouped", True, routed),
            _operation("finalize", "other", True, finalize(kernels, model, tokens, routed.kernel)),
            *_feed_forward(kernels, model, width, "shared", tokens, True),
            _operation("sum of experts", "other", True, added),
        )
    )


def seconds_of(operations: Iterable[Operation], *kinds: Kind) -> float:
    """Time of operations, of some kinds or of all."""
    return math.fsum(operation.seconds for operation in operations if not kinds or operation.kind in kinds)


def _core(kernels: Kernels, attention: Attention, cache: str, window: int, step: Sequence[Chunk]) -> AttentionTime:
    if attention.kind == "mla":
        return mla(kernels, cache, attention, step)
    return gqa(kernels, cache, attention, window, step)


def _unmeasured_parts(
    kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]
) -> tuple[Operation, ...]:
    """What belongs to attention beside projections and the rows of attention itself.

    Where the whole block was measured it is what the block takes more than its parts. Otherwise formulas give the
    norms of the latent vectors and the copy that joins a key's two parts, or, for sglang's grouped queries, the
    rotary position and the writing of the cache.
    """
    attention, tokens = _attention(model), _new_tokens(step)
    cache, dtype = choices.cache_of(model), choices.projection_dtype(attention)
    if attention.kind == "gqa":
        width = (attention.num_heads + 2 * attention.num_kv_heads) * attention.head_dim
        moved = 2 * tokens * width * _BYTES if kernels.backend == "sglang" else 0
        return (_operation("rotary position, cache", "other", False, memory_bound(kernels.gpu, moved)),)
    if has_module(kernels, cache, dtype, attention, model.hidden_size):
        rest = _rest_of_module(kernels, model, choices, step)
        return (_operation("norms of latents, joined keys", "other", False, rest),)
    normed = 2 * tokens * (attention.q_lora_rank + attention.kv_lora_rank) * _BYTES
    key = attention.qk_nope_head_dim + attention.qk_rope_head_dim
    joined = tokens * attention.num_heads * (2 * key - attention.qk_rope_head_dim + attention.v_head_dim) * _BYTES
    return (
        _operation("norms of latents", "other", False, memory_bound(kernels.gpu, normed)),
        _operation("joined keys", "other", False, memory_bound(kernels.gpu, joined)),
    )


def _rest_of_module(kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]) -> KernelTime:
    """What the whole measured block takes more than its projections and attention.

    It is taken for whole requests, earlier context included, and scaled to the tokens of the step.
    """
    attention, cache = _attention(model), choices.cache_of(model)
    dtype = choices.projection_dtype(attention)
    module = mla_module(kernels, cache, dtype, attention, step)
    table = kernels.need("mla", "bfloat16", CACHES[cache])[0]
    core_s = math.fsum(time.seconds for time in whole_requests(kernels, table, (), attention.num_heads, step))
    whole = sum(chunk.new_tokens + chunk.context_tokens for chunk in step)
    products = attention_products(attention, model.hidden_size, dtype)
    products_s = math.fsum(gemm(kernels, dtype, whole, one.outputs, one.inputs).seconds for one in products)
    rest_s = max(module.seconds - core_s - products_s, 0.0)
    return module.scaled(rest_s / module.seconds * _new_tokens(step) / whole)


def _feed_forward(
    kernels: Kernels, model: MoEModel, width: int, name: str, tokens: int, in_moe: bool
) -> tuple[Operation, ...]:
    products = feed_forward_products(model, width, name)
    if not products:
        return ()
    up, down = (_product(kernels, product, tokens, in_moe) for product in products)
    activation = memory_bound(kernels.gpu, tokens * width * 3 * _BYTES)
    return (*up, _operation(f"{name} activation", "other", in_moe, activation), *down)


def _product(kernels: Kernels, product: Product, rows: int, in_moe: bool) -> tuple[Operation, ...]:
    """The quantisation of its activations, then the product."""
    whole, quantised = split_gemm(kernels, product.dtype, rows, product.outputs, product.inputs)
    return (
        _operation(f"quantisation for {product.name}", "other", in_moe, quantised),
        _operation(product.name, "dense", in_moe, whole),
    )


def _operation(name: str, kind: Kind, in_moe: bool, time: KernelTime) -> Operation:
    return Operation(name, kind, _BOUNDS[kind], in_moe, time)


def _kept(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    return tuple(operation for operation in operations if operation.seconds >= _MIN_SECONDS)


def _new_tokens(step: Sequence[Chunk]) -> int:
    return sum(chunk.new_tokens for chunk in step)


def _attention(model: MoEModel) -> Attention:
    if model.attention is None:
        raise ConfigError(
            "model.attention", "missing", "measured kernels need kind, num_heads and widths of the attention"
        )
    return model.attention
