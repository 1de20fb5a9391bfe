"""Shape of attention in prefill: its projections, and the query–key pairs that it scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dwdp_sim.base.errors import ConfigError, check_choice

KINDS = ("mla", "gqa")


class Projection(NamedTuple):
    """A weight matrix of attention.

    Attributes:
        rows: Outputs for each token.
        columns: Inputs for each token.
        on_context: Whether a chunk applies it to the request's earlier tokens as well.
    """

    rows: int
    columns: int
    on_context: bool = False


@dataclass(frozen=True)
class Attention:
    """Attention of one model; fields carry the names of Hugging Face configurations where these have one.

    Attributes:
        kind: `mla` (multi-head latent attention, DeepSeek-V2/V3) or `gqa` (grouped queries; as many key heads as query
            heads make it multi-head attention).
        num_heads: Query heads.
        weight_format: Format of the projections, as in `moe.FORMATS`.
        num_kv_heads: Key and value heads (gqa).
        head_dim: Width of a head (gqa).
        q_lora_rank: Rank of the query's compression (mla); 0 projects queries directly.
        kv_lora_rank: Rank of the compressed keys and values (mla).
        qk_nope_head_dim: Width of a head's query and key without position (mla).
        qk_rope_head_dim: Width with rotary position, shared by all heads' keys (mla).
        v_head_dim: Width of a head's value (mla).
        sliding_window: Keys that a query of a windowed layer sees, itself included; 0 without windows.
        full_attention_every: With windows, layers i with (i + 1) divisible by it see everything; 0: none does.
    """

    kind: str
    num_heads: int
    weight_format: str = "bf16"
    num_kv_heads: int = 0
    head_dim: int = 0
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    sliding_window: int = 0
    full_attention_every: int = 0

    def __post_init__(self) -> None:
        check_choice("model.attention.kind", self.kind, KINDS)
        latent = ("kv_lora_rank", "qk_nope_head_dim", "v_head_dim")
        for name in ("num_heads", *(latent if self.kind == "mla" else ("num_kv_heads", "head_dim"))):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.attention.{name}", getattr(self, name), "must be at least 1")
        for name in ("q_lora_rank", "qk_rope_head_dim", "sliding_window", "full_attention_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"model.attention.{name}", getattr(self, name), "must be at least 0")
        if self.kind == "gqa" and self.num_heads % self.num_kv_heads:
            raise ConfigError(
                "model.attention.num_kv_heads", self.num_kv_heads, f"must divide num_heads={self.num_heads}"
            )

    def projections(self, hidden_size: int) -> tuple[Projection, ...]:
        """The weight matrices, for a model of width `hidden_size`.

        Latent attention is computed in its expanded form, as engines do for prefill: keys and values of every head are
        made from the compressed ones (kv_b). A later chunk of a request makes them anew for the whole context, since
        only the compressed ones are kept.
        """
        heads, hidden = self.num_heads, hidden_size
        if self.kind == "gqa":
            return (
                Projection((heads + 2 * self.num_kv_heads) * self.head_dim, hidden),  # q, k, v
                Projection(hidden, heads * self.head_dim),  # o
            )
        queries = heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        rank = self.q_lora_rank
        return (
            *((Projection(rank, hidden), Projection(queries, rank)) if rank else (Projection(queries, hidden),)),
            Projection(self.kv_lora_rank + self.qk_rope_head_dim, hidden),  # kv_a
            Projection(heads * (self.qk_nope_head_dim + self.v_head_dim), self.kv_lora_rank, on_context=True),  # kv_b
            Projection(hidden, heads * self.v_head_dim),  # o
        )

    @property
    def flops_per_pair(self) -> int:
        """FLOPs of one query and one key over all heads: q·k, and the value weighted by it."""
        if self.kind == "gqa":
            return 2 * self.num_heads * 2 * self.head_dim
        return 2 * self.num_heads * (self.qk_nope_head_dim + self.qk_rope_head_dim + self.v_head_dim)

    def window(self, layer: int) -> int:
        """Return the most keys that a query of transformer layer `layer` sees; 0 means all of them."""
        every = self.full_attention_every
        return 0 if every and (layer + 1) % every == 0 else self.sliding_window
