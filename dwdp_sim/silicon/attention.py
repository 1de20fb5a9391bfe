"""Times of attention for the chunks of one forward step, split into what grows with pairs of tokens and with tokens.

Rows are of requests of equal length without earlier context. A request of length L in a step of n requests takes an
nth of the row of n such requests; the range includes the row of a single one. A chunk behind c earlier tokens is a
request of their common length, of which it computes its share of the pairs and its share of the tokens. The two parts
of a row come from a least-squares fit of a·pairs + c·tokens to the rows of the same heads between 4,096 and 12,288
tokens in batches of 1, 2, 4.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dwdp_sim.model.attention import Attention
from dwdp_sim.silicon.curves import Surface
from dwdp_sim.silicon.kernel_time import KernelTime, total
from dwdp_sim.silicon.not_measured import NotMeasuredError
from dwdp_sim.silicon.roofs import Gpu, Size, gqa_roof, mla_roof
from dwdp_sim.silicon.table import Source, Table, surface
from dwdp_sim.silicon.tables import Kernels

_FITTED_LENGTHS, _FITTED_BATCHES = (4096, 12288), (1, 2, 4)
# The latent attention that was measured: kv_lora_rank, widths of a head's key without and with position, and value.
_MEASURED_LATENT = (512, 128, 64, 128)
_MEASURED_MODULE = (7168, 1536)  # hidden size and rank of the queries
CACHES = {"bf16": "bfloat16", "fp8": "fp8"}

Roof = Callable[[Size, Size, Size], Size]


class Chunk(Protocol):
    """A part of one request in one forward step."""

    @property
    def new_tokens(self) -> int:
        """Tokens that the step processes."""

    @property
    def context_tokens(self) -> int:
        """Tokens of the same request that earlier steps have processed."""


@dataclass(frozen=True)
class AttentionTime:
    """The two parts of attention.

    Attributes:
        quadratic: Scores and weighted values, in proportion to pairs of tokens.
        linear: The rest, in proportion to tokens: rotary position, cache, quantisation.
    """

    quadratic: KernelTime
    linear: KernelTime

    @property
    def seconds(self) -> float:
        """Both."""
        return self.quadratic.seconds + self.linear.seconds


def mla(kernels: Kernels, cache: str, attention: Attention, chunks: Sequence[Chunk]) -> AttentionTime:
    """Time of latent attention in its expanded form, without projections.

    Args:
        kernels: GPU and engine.
        cache: Format of the cache, `bf16` or `fp8`. The FP8 rows compute in FP8, too.
        attention: Heads and widths.
        chunks: What the step processes.

    Raises:
        ConfigError: Other widths than DeepSeek's, or no such rows.
    """
    _check_latent(attention)
    table = kernels.need("mla", "bfloat16", CACHES[cache])[0]
    return _split(kernels, table, (), attention, chunks)


def mla_module(kernels: Kernels, cache: str, dtype: str, attention: Attention, chunks: Sequence[Chunk]) -> KernelTime:
    """Time of the whole block of latent attention: projections, norms, attention, as if no chunk had earlier context.

    A chunk counts with its whole request, so that the part which is not projections or attention can be told.

    Args:
        kernels: GPU and engine.
        cache: Format of the cache.
        dtype: Format of the projections in the tables.
        attention: Heads.
        chunks: What the step processes.

    Raises:
        ConfigError: No such rows.
    """
    table = kernels.need("mla_module", dtype, CACHES[cache])[0]
    return total(whole_requests(kernels, table, (), attention.num_heads, chunks))


def has_module(kernels: Kernels, cache: str, dtype: str, attention: Attention, hidden: int) -> bool:
    """Whether the whole block was measured in these formats: DeepSeek-V3's widths alone were."""
    same = (hidden, attention.q_lora_rank) == _MEASURED_MODULE and _latent(attention) == _MEASURED_LATENT
    return same and bool(kernels.of("mla_module", dtype, CACHES[cache]))


def gqa(kernels: Kernels, cache: str, attention: Attention, window: int, chunks: Sequence[Chunk]) -> AttentionTime:
    """Time of attention with grouped queries, without projections.

    TensorRT-LLM's rows include the rotary position and the writing of the cache, sglang's do not.

    Args:
        kernels: GPU and engine.
        cache: Format of the cache, `bf16` or `fp8`; products are computed in the same.
        attention: Heads and widths.
        window: Keys that a query sees; 0: all before it.
        chunks: What the step processes.

    Raises:
        ConfigError: No such rows.
    """
    kv_heads = 0 if attention.num_kv_heads == attention.num_heads else attention.num_kv_heads
    kind = (kv_heads, attention.head_dim, window)
    tables = kernels.need("gqa", CACHES[cache], CACHES[cache])
    found = next((table for table in tables if surface(table, kind) is not None), None)
    if found is None:
        kernels.refuse(
            "attention",
            f"{kind[0] or attention.num_heads} key heads of width {kind[1]}, window {window}, {cache} cache",
        )
    return _split(kernels, found, kind, attention, chunks)


def whole_requests(
    kernels: Kernels, table: Table, kind: tuple[int, ...], heads: int, chunks: Sequence[Chunk]
) -> list[KernelTime]:
    """Time of each chunk's whole request, earlier context included, as an nth of n such requests."""
    found = surface(table, kind)
    if found is None:
        kernels.refuse(table.source.op, f"kind {kind}")
    roof = _roof(kernels.gpu, table.source, kind, heads)
    lengths = Counter(chunk.new_tokens + chunk.context_tokens for chunk in chunks)
    read = {length: _request(found, table, heads, length, len(chunks), roof) for length in lengths}
    return [read[chunk.new_tokens + chunk.context_tokens] for chunk in chunks]


def pairs(tokens: int, window: int = 0) -> int:
    """Pairs of query and key in a request: each token sees itself and those before it, at most `window`."""
    ramp = min(tokens, window) if window else tokens
    return ramp * (ramp + 1) // 2 + (tokens - ramp) * window


def _request(found: Surface, table: Table, heads: int, length: int, batch: int, roof: Roof) -> KernelTime:
    """An nth of a batch of n requests; the range includes a single one."""
    together = KernelTime.of(found.read(heads, length, batch, roof), table.source).scaled(1 / batch)
    if batch == 1:
        return together
    alone = found.read(heads, length, 1, roof).seconds
    return together.within(alone, alone)


def _split(
    kernels: Kernels, table: Table, kind: tuple[int, ...], attention: Attention, chunks: Sequence[Chunk]
) -> AttentionTime:
    """Each chunk's share of its request's pairs and tokens."""
    window = kind[2] if kind else 0
    requests = whole_requests(kernels, table, kind, attention.num_heads, chunks)
    per_pair, per_token = _fit(kernels.gpu, table, kind, attention.num_heads)
    quadratic, linear = [], []
    for chunk, request in zip(chunks, requests, strict=True):
        length = chunk.new_tokens + chunk.context_tokens
        scored = pairs(length, window)
        share = per_pair * scored / (per_pair * scored + per_token * length)
        quadratic.append(request.scaled(share * (1 - pairs(chunk.context_tokens, window) / scored)))
        linear.append(request.scaled((1 - share) * chunk.new_tokens / length))
    return AttentionTime(total(quadratic), total(linear))


@functools.cache
def _fit(gpu: Gpu, table: Table, kind: tuple[int, ...], heads: int) -> tuple[float, float]:
    """Seconds of a pair and of a token, by least squares of relative errors; neither below zero.

    Under a window both grow with the tokens and cannot be told apart; all of it counts as pairs then.
    """
    found = surface(table, kind)
    assert found is not None
    if kind and kind[2]:
        return 1.0, 0.0
    roof = _roof(gpu, table.source, kind, heads)
    least, most = _FITTED_LENGTHS
    points = [(n, b) for n in found.lengths() if least <= n <= most for b in _FITTED_BATCHES]
    rows = [(n, b, found.read(heads, n, b, roof)) for n, b in points]
    usable = [(n, b, read.seconds) for n, b, read in rows if read.how != "held"]
    if len(usable) < 2:
        return 1.0, 0.0
    table_of = np.array([[pairs(n) * b / seconds, n * b / seconds] for n, b, seconds in usable])
    per_pair, per_token = (float(x) for x in np.linalg.lstsq(table_of, np.ones(len(usable)), rcond=None)[0])
    return (per_pair, max(per_token, 0.0)) if per_pair > 0 else (0.0, 1.0)


def _roof(gpu: Gpu, source: Source, kind: tuple[int, ...], heads: int) -> Roof:
    if not kind:
        return lambda h, n, b: mla_roof(gpu, source.detail, h, n, b)
    of_kind = (kind[0] or heads, kind[1], kind[2])
    return lambda h, n, b: gqa_roof(gpu, (source.dtype, source.detail), of_kind, h, n, b)


def _latent(attention: Attention) -> tuple[int, int, int, int]:
    return attention.kv_lora_rank, attention.qk_nope_head_dim, attention.qk_rope_head_dim, attention.v_head_dim


def _check_latent(attention: Attention) -> None:
    if _latent(attention) != _MEASURED_LATENT:
        lacking = f"measured was {_MEASURED_LATENT} alone (kv_lora_rank, nope, rope, value widths)"
        raise NotMeasuredError("model.attention", _latent(attention), lacking, "take a roofline, compute=sol")
