"""Attention of a layer in torch: projections, rotary position, the cache's writing, causal attention by cuDNN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any

from dwdp_hw.kernels.tools import Kernel, Tools
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.silicon.products import DTYPES, Product, attention_products

LATENTS = "norms of latents, joined keys"
ATTENTION = "attention"  # with rotary position and the cache's writing, which the tables' rows do not tell apart
_BASE = 10_000.0  # of the rotary frequencies


def attention_kernels(tools: Tools, model: MoEModel, lengths: Sequence[int]) -> list[Kernel]:
    """Everything between the norm before attention and the one behind it, for whole requests of these lengths.

    Args:
        tools: Its activation `normed` is read, `attended` written.
        model: With its attention.
        lengths: Equal ones beside one another: they are one batch.
    """
    attention = attention_of(model)
    dtype = DTYPES[attention.weight_format]
    products = {one.name: one for one in attention_products(attention, model.hidden_size, dtype)}
    make = _grouped if attention.kind == "gqa" else _latent
    return [
        *make(tools, attention, products, sum(lengths)),
        Kernel(ATTENTION, False, causal_attention(tools, lengths)),
        *tools.product(products["output projection"], "mixed", "attended"),
    ]


def causal_attention(tools: Tools, lengths: Sequence[int]) -> Callable[[], None]:
    """Scores and values: `q`, `k` and `v`, shaped (tokens, heads, width), become `mixed`; equal requests in batches."""
    torch, at = tools.torch, tools.at
    batches = list(_batches(lengths))

    def attend() -> None:
        found = []
        for first, count, length in batches:
            rows = slice(first, first + count * length)
            q, k, v = (at[name][rows].unflatten(0, (count, length)).transpose(1, 2) for name in "qkv")
            with cudnn(tools):
                mixed = torch.nn.functional.scaled_dot_product_attention(
                    q, k, v, is_causal=True, enable_gqa=k.shape[1] < q.shape[1]
                )
            found.append(mixed.transpose(1, 2).reshape(count * length, -1))
        at["mixed"] = found[0] if len(found) == 1 else torch.cat(found)

    return attend


def cudnn(tools: Tools) -> AbstractContextManager[None]:
    """In the block, attention on a GPU is cuDNN's and nobody else's."""
    if tools.device != "cuda":
        return nullcontext()
    attention = tools.torch.nn.attention
    block: AbstractContextManager[None] = attention.sdpa_kernel(attention.SDPBackend.CUDNN_ATTENTION)
    return block


def _batches(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """First token, number and length of each run of equal requests."""
    first = 0
    for length, equal in groupby(lengths):
        count = len(list(equal))
        yield first, count, length
        first += count * length


def _grouped(tools: Tools, attention: Attention, products: dict[str, Product], tokens: int) -> list[Kernel]:
    """Queries, keys and values of grouped attention, turned and in the cache."""
    torch, at = tools.torch, tools.at
    heads, keys, width = attention.num_heads, attention.num_kv_heads, attention.head_dim
    cos, sin = _angles(tools, width)
    cache = torch.zeros((2, tokens, keys, width), device=tools.device, dtype=torch.bfloat16)

    def turned_and_kept(qkv: Any, cos: Any, sin: Any, cache: Any) -> Any:
        turned = _turned(torch, qkv[:, : heads + keys], cos, sin)
        cache[0].copy_(turned[:, heads:])
        cache[1].copy_(qkv[:, heads + keys :])
        return turned

    turn = tools.fused(turned_and_kept)

    def place() -> None:
        qkv = at["qkv"].view(tokens, heads + 2 * keys, width)
        turned = turn(qkv, cos, sin, cache)
        at["q"], at["k"], at["v"] = turned[:, :heads], turned[:, heads:], qkv[:, heads + keys :]

    return [*tools.product(products["qkv projection"], "normed", "qkv"), Kernel(ATTENTION, False, place)]


def _latent(tools: Tools, attention: Attention, products: dict[str, Product], tokens: int) -> list[Kernel]:
    """Queries, keys and values of latent attention in its expanded form; the cache keeps the latent vectors."""
    torch, at = tools.torch, tools.at
    heads, latent, rank = attention.num_heads, attention.kv_lora_rank, attention.q_lora_rank
    plain, turned_width, values = attention.qk_nope_head_dim, attention.qk_rope_head_dim, attention.v_head_dim
    cos, sin = _angles(tools, turned_width)
    cache = torch.zeros((tokens, latent + turned_width), device=tools.device, dtype=torch.bfloat16)
    norm = tools.fused(tools.norm)

    def norms() -> None:
        both = at["qkv_a"]
        if rank:
            at["q latent"] = norm(both[:, :rank])
        at["kv latent"] = norm(both[:, rank : rank + latent])

    def turned_and_kept(q: Any, end: Any, latents: Any, cos: Any, sin: Any, cache: Any) -> tuple[Any, Any]:
        turned = _turned(torch, end, cos, sin)
        cache[:, :latent].copy_(latents)
        cache[:, latent:].copy_(turned[:, 0])
        return torch.cat([q[..., :plain], _turned(torch, q[..., plain:], cos, sin)], -1), turned

    def joined(kv: Any, end: Any) -> Any:
        return torch.cat([kv[..., :plain], end.expand(-1, heads, -1)], -1)

    turn, fuse = tools.fused(turned_and_kept), tools.fused(joined)

    def place() -> None:
        q, end = at["q flat"].view(tokens, heads, plain + turned_width), at["qkv_a"][:, None, rank + latent :]
        at["q"], at["key end"] = turn(q, end, at["kv latent"], cos, sin, cache)

    def join() -> None:
        kv = at["kv"].view(tokens, heads, plain + values)
        at["k"], at["v"] = fuse(kv, at["key end"]), kv[..., plain:]

    if rank:
        first = tools.product(products["qkv_a projection"], "normed", "qkv_a")
        queries = tools.product(products["q_b projection"], "q latent", "q flat")
    else:
        first = tools.product(products["kv_a projection"], "normed", "qkv_a")
        queries = tools.product(products["q projection"], "normed", "q flat")
    return [
        *first,
        Kernel(LATENTS, False, norms),
        *queries,
        *tools.product(products["kv_b projection"], "kv latent", "kv"),
        Kernel(ATTENTION, False, place),
        Kernel(LATENTS, False, join),
    ]


def _angles(tools: Tools, width: int) -> tuple[Any, Any]:
    """Cosines and sines of the rotary position, shaped (tokens, 1, width ÷ 2), by `positions`."""
    torch, half = tools.torch, width // 2
    steps = torch.arange(half, device=tools.device, dtype=torch.float32)
    angle = tools.at["positions"][:, None, None] * _BASE ** (-steps / half)
    return angle.cos().to(torch.bfloat16), angle.sin().to(torch.bfloat16)


def _turned(torch: Any, values: Any, cos: Any, sin: Any) -> Any:
    """The halves of (tokens, heads, width), turned by the position."""
    left, right = values.chunk(2, -1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)
