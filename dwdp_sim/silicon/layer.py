"""All operations of one transformer layer on one rank, with their times from measured tables."""

from __future__ import annotations

from collections.abc import Sequence

from dwdp_sim.model.moe import MoEModel, dense_width
from dwdp_sim.silicon.attention import Chunk
from dwdp_sim.silicon.attention_block import attention_operations
from dwdp_sim.silicon.choices import AS_MODEL, Choices
from dwdp_sim.silicon.dense import memory_bound
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import finalize, moe
from dwdp_sim.silicon.operation import Operation, kept, product_operations
from dwdp_sim.silicon.products import feed_forward_products, router_product
from dwdp_sim.silicon.tables import Kernels, Tables

_BYTES = 2  # of an activation, BF16


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
    return kept(Operation(name, "communication", True, time) for name, time in zip(names, found.times, strict=True))


def before_moe(
    kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk], layer: int
) -> tuple[Operation, ...]:
    """Norms, attention and, in a layer with experts, the router."""
    tokens = _new_tokens(step)
    norm = memory_bound(kernels.gpu, tokens * model.hidden_size * 4 * _BYTES)  # x and the residual, read and written
    router = layer >= model.num_dense_layers
    return kept(
        (
            Operation("input norm", "other", False, norm),
            *attention_operations(kernels, model, choices, step, layer),
            Operation("norm before feed-forward", "other", False, norm),
            *(product_operations(kernels, router_product(model), tokens, False) if router else ()),
        )
    )


def dense_block(kernels: Kernels, model: MoEModel, step: Sequence[Chunk]) -> tuple[Operation, ...]:
    """The feed-forward block of a layer without experts.

    Raises:
        ConfigError: The model does not say how wide it is, or the tables lack it.
    """
    return kept(_feed_forward(kernels, model, dense_width(model), "dense", _new_tokens(step), False))


def moe_block(kernels: Kernels, model: MoEModel, choices: Choices, step: Sequence[Chunk]) -> tuple[Operation, ...]:
    """Routed and shared experts, and the sum of both."""
    tokens = _new_tokens(step)
    dtype = None if choices.experts == AS_MODEL else choices.experts
    routed = moe(kernels, model, tokens, choices.kernel, choices.load, dtype)
    width = model.shared_intermediate_size
    added = memory_bound(kernels.gpu, tokens * model.hidden_size * 3 * _BYTES if width else 0)
    return kept(
        (
            Operation("routed experts", "grouped", True, routed),
            Operation("finalize", "other", True, finalize(kernels, model, tokens, routed.kernel)),
            *_feed_forward(kernels, model, width, "shared", tokens, True),
            Operation("sum of experts", "other", True, added),
        )
    )


def _feed_forward(
    kernels: Kernels, model: MoEModel, width: int, name: str, tokens: int, in_moe: bool
) -> tuple[Operation, ...]:
    products = feed_forward_products(model, width, name)
    if not products:
        return ()
    up, down = (product_operations(kernels, product, tokens, in_moe) for product in products)
    activation = memory_bound(kernels.gpu, tokens * width * 3 * _BYTES)
    return (*up, Operation(f"{name} activation", "other", in_moe, activation), *down)


def _new_tokens(step: Sequence[Chunk]) -> int:
    return sum(chunk.new_tokens for chunk in step)
