"""The operations of attention in a layer: projections, scores and values, and what else the block takes.

Where the whole block of latent attention was measured, its time is the total: what it takes more than its parts is an
operation of its own, and where the parts were measured to take more, they are shortened to it. Otherwise formulas give
the rest: the norms of the latent vectors and the copy that joins a key's two parts, or, under sglang's grouped
attention, the rotary position and the writing of the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.silicon.attention import CACHES, Chunk, gqa, has_module, mla, mla_module, whole_requests
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.dense import gemm, memory_bound
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.operation import Operation, product_operations
from dwdp_sim.silicon.products import attention_products
from dwdp_sim.silicon.tables import Kernels

_BYTES = 2  # of an activation, BF16


def attention_operations(
    kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk], layer: int
) -> tuple[Operation, ...]:
    """Everything between the norm before attention and the one behind it.

    Args:
        kernels: GPU and engine.
        model: With its attention.
        choices: Formats of cache and projections.
        step: What the step processes.
        layer: Counted from 0 over all layers; it decides the window.

    Raises:
        ConfigError: The tables lack something, or the model its attention.
    """
    attention, cache = attention_of(model), choices.cache_of(model)
    dtype = choices.projection_dtype(attention)
    new, context = (sum(part) for part in zip(*((c.new_tokens, c.context_tokens) for c in step), strict=True))
    products = attention_products(attention, model.hidden_size, dtype)
    projections = [product_operations(kernels, one, new + context * one.on_context, False) for one in products]
    if attention.kind == "mla":
        core, name = mla(kernels, cache, attention, step), "rotary position, cache, quantisation"
    else:
        core, name = gqa(kernels, cache, attention, attention.window(layer), step), "rotary position, cache"
    rest, share = _rest(kernels, model, choices, step)
    before = [operation for pair in projections[:-1] for operation in pair]
    scores = [Operation(name, "other", False, core.linear), Operation("attention", "attention", False, core.quadratic)]
    inputs, outputs = ([one.shortened(share) for one in some] for some in (before, [*scores, *projections[-1]]))
    return (*inputs, rest, *outputs)


def _rest(kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]) -> tuple[Operation, float]:
    """What the rows of attention and projections leave out, and the share of their times that the block leaves them."""
    attention, tokens = attention_of(model), sum(chunk.new_tokens for chunk in step)
    if attention.kind == "gqa":
        width = (attention.num_heads + 2 * attention.num_kv_heads) * attention.head_dim
        moved, name = (2 * width if kernels.backend == "sglang" else 0), "rotary position and cache"
    else:
        key = attention.qk_nope_head_dim + attention.qk_rope_head_dim
        joined = attention.num_heads * (2 * key - attention.qk_rope_head_dim + attention.v_head_dim)
        moved, name = 2 * (attention.q_lora_rank + attention.kv_lora_rank) + joined, "norms of latents, joined keys"
    formula = memory_bound(kernels.gpu, tokens * moved * _BYTES)
    dtype = choices.projection_dtype(attention)
    if not has_module(kernels, choices.cache_of(model), dtype, attention, model.hidden_size):
        return Operation(name, "other", False, formula), 1.0
    block, parts_s = _measured_block(kernels, model, choices, step)
    whole = sum(chunk.new_tokens + chunk.context_tokens for chunk in step)
    rest = block.scaled(max(1 - parts_s / block.seconds, 0.0) * tokens / whole)
    either = rest.within(formula.low_s, formula.seconds)
    return Operation(name, "other", False, either), min(block.seconds / parts_s, 1.0)


def _measured_block(
    kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]
) -> tuple[KernelTime, float]:
    """Time of the whole block for whole requests, earlier context included, and the sum of its measured parts."""
    attention, cache = attention_of(model), choices.cache_of(model)
    dtype = choices.projection_dtype(attention)
    block = mla_module(kernels, cache, dtype, attention, step)
    table = kernels.need("mla", "bfloat16", CACHES[cache])[0]
    core_s = math.fsum(time.seconds for time in whole_requests(kernels, table, (), attention.num_heads, step))
    whole = sum(chunk.new_tokens + chunk.context_tokens for chunk in step)
    products = attention_products(attention, model.hidden_size, dtype)
    products_s = math.fsum(gemm(kernels, dtype, whole, one.outputs, one.inputs).seconds for one in products)
    return block, core_s + products_s
