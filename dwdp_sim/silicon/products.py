"""The dense products of a transformer layer: the matrices that its tokens are multiplied with, and their formats."""

from __future__ import annotations

from typing import NamedTuple

from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel

# The tables' names of the model's formats; dense MXFP4 products are computed in BF16.
DTYPES = {"bf16": "bfloat16", "fp8_block": "fp8_block", "nvfp4": "nvfp4", "mxfp4": "bfloat16"}


class Product(NamedTuple):
    """A weight matrix.

    Attributes:
        name: What it is for.
        outputs: Outputs for each token.
        inputs: Inputs for each token.
        dtype: Format of the weights in the tables.
        on_context: Whether a chunk applies it to the request's earlier tokens as well.
    """

    name: str
    outputs: int
    inputs: int
    dtype: str
    on_context: bool = False


def attention_products(attention: Attention, hidden: int, dtype: str) -> tuple[Product, ...]:
    """The projections; those that read the same input are one product, as engines have them.

    Args:
        attention: Its widths.
        hidden: Width of the model.
        dtype: Format of the projections in the tables.
    """
    heads, rank = attention.num_heads, attention.q_lora_rank
    if attention.kind == "gqa":
        width = attention.head_dim
        return (
            Product("qkv projection", (heads + 2 * attention.num_kv_heads) * width, hidden, dtype),
            Product("output projection", hidden, heads * width, dtype),
        )
    queries = heads * (attention.qk_nope_head_dim + attention.qk_rope_head_dim)
    latent = attention.kv_lora_rank + attention.qk_rope_head_dim
    expanded = heads * (attention.qk_nope_head_dim + attention.v_head_dim)
    return (
        *(
            (Product("qkv_a projection", rank + latent, hidden, dtype), Product("q_b projection", queries, rank, dtype))
            if rank
            else (Product("q projection", queries, hidden, dtype), Product("kv_a projection", latent, hidden, dtype))
        ),
        Product("kv_b projection", expanded, attention.kv_lora_rank, dtype, on_context=True),
        Product("output projection", hidden, heads * attention.v_head_dim, dtype),
    )


def router_product(model: MoEModel) -> Product:
    """The choice of the experts, in BF16."""
    return Product("router", model.num_experts, model.hidden_size, DTYPES["bf16"])


def feed_forward_products(model: MoEModel, width: int, name: str) -> tuple[Product, ...]:
    """A gated feed-forward block in the format of the model's experts: gate and up as one product, then down."""
    dtype = DTYPES[model.weight_format]
    if not width:
        return ()
    return (
        Product(f"{name} gate and up", 2 * width, model.hidden_size, dtype),
        Product(f"{name} down", model.hidden_size, width, dtype),
    )


def dense_products(model: MoEModel) -> tuple[Product, ...]:
    """Every dense product of a model with attention."""
    assert model.attention is not None
    return (
        *attention_products(model.attention, model.hidden_size, DTYPES[model.attention.weight_format]),
        router_product(model),
        *feed_forward_products(model, model.dense_intermediate_size, "dense"),
        *feed_forward_products(model, model.shared_intermediate_size, "shared"),
    )
