"""What a layer of `dwdp_hw.kernels` must compute, in float64 and with plain operations, from its weights and inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from dwdp_hw.kernels.layer import TorchLayer
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel, attention_of

torch = pytest.importorskip("torch")

# Share of an activation's norm by which it may lie off: BF16 has 8 significant bits, FP8 has 4.
BF16_BAR, FP8_BAR = 2e-2, 8e-2
_BASE = 10_000.0  # of the rotary frequencies


class PlainLayer:
    """The same layer, one request, token and expert after another; activations are never rounded to FP8."""

    def __init__(self, layer: TorchLayer, model: MoEModel, lengths: Sequence[int]) -> None:
        self._model, self._attention, self._lengths = model, attention_of(model), sorted(lengths, reverse=True)
        self._weights = {
            name: weight.cpu().float().double() * factor for name, (weight, factor) in layer.tools.weights.items()
        }
        self._input = sum(layer.tools.at[name].cpu().double() for name in ("x", "delta"))

    def activations(self) -> dict[str, Any]:
        """The results of attention and of the feed-forward blocks, by the names of the layer's activations."""
        attended = self._attended(_norm(self._input))
        normed = _norm(self._input + attended)
        found = {"attended": attended}
        if "dense down" in self._weights:
            return found | {"out": self._gated("dense", normed)}
        found["routed"] = self._routed(normed)
        if "shared down" in self._weights:
            found["shared"] = self._gated("shared", normed)
            found["out"] = found["routed"] + found["shared"]
        return found

    def _product(self, name: str, values: Any) -> Any:
        return values @ self._weights[name].T

    def _attended(self, normed: Any) -> Any:
        mixed = [self._request(rows) for rows in normed.split(self._lengths)]
        return self._product("output projection", torch.cat(mixed))

    def _request(self, rows: Any) -> Any:
        """Scores and values of one request, shaped (tokens, heads × width)."""
        q, k, v = (self._grouped if self._attention.kind == "gqa" else self._latent)(self._attention, rows)
        later = torch.ones(len(rows), len(rows)).triu(1).bool()
        heads = []
        for head in range(q.shape[1]):
            of_head = head * k.shape[1] // q.shape[1]
            scores = q[:, head] @ k[:, of_head].T / math.sqrt(q.shape[-1])
            heads.append(scores.masked_fill(later, -math.inf).softmax(-1) @ v[:, of_head])
        return torch.cat(heads, -1)

    def _grouped(self, attention: Attention, rows: Any) -> tuple[Any, Any, Any]:
        heads = (attention.num_heads, attention.num_kv_heads, attention.num_kv_heads)
        qkv = self._product("qkv projection", rows).unflatten(-1, (-1, attention.head_dim))
        q, k, v = qkv.split(heads, 1)
        return _turned(q), _turned(k), v

    def _latent(self, attention: Attention, rows: Any) -> tuple[Any, Any, Any]:
        rank, plain, end = attention.q_lora_rank, attention.qk_nope_head_dim, attention.qk_rope_head_dim
        if rank:
            both = self._product("qkv_a projection", rows)
            q = self._product("q_b projection", _norm(both[:, :rank]))
        else:
            both, q = (self._product(f"{name} projection", rows) for name in ("kv_a", "q"))
        latent, key_end = both[:, rank:].split((attention.kv_lora_rank, end), -1)
        heads = (attention.num_heads, -1)
        q, kv = q.unflatten(-1, heads), self._product("kv_b projection", _norm(latent)).unflatten(-1, heads)
        turned = _turned(key_end[:, None]).expand(-1, attention.num_heads, -1)
        q = torch.cat((q[..., :plain], _turned(q[..., plain:])), -1)
        return q, torch.cat((kv[..., :plain], turned), -1), kv[..., plain:]

    def _gated(self, name: str, normed: Any) -> Any:
        opened, factor = self._product(f"{name} gate and up", normed).chunk(2, -1)
        return self._product(f"{name} down", torch.nn.functional.silu(opened) * factor)

    def _routed(self, normed: Any) -> Any:
        """Tokens go to experts in turn; the best experts' logits say how much each counts."""
        up, down = self._weights["experts up"], self._weights["experts down"]
        shares = self._product("router", normed).topk(self._model.top_k)[0].softmax(-1)
        found = torch.zeros_like(normed)
        for token, row in enumerate(normed):
            for choice in range(self._model.top_k):
                expert = (token * self._model.top_k + choice) % self._model.num_experts
                opened, factor = (row @ up[expert]).chunk(2, -1)
                inner = torch.nn.functional.silu(opened) * factor
                found[token] += shares[token, choice] * (inner @ down[expert])
        return found


def distances(layer: TorchLayer, model: MoEModel, lengths: Sequence[int]) -> dict[str, float]:
    """Run the layer; how far each activation lies from the plain one, as a share of its norm."""
    for in_moe in (False, True):
        layer.run(in_moe=in_moe)
    wanted = PlainLayer(layer, model, lengths).activations()
    found = {name: layer.tools.at[name].cpu().double() for name in wanted}
    return {name: float((found[name] - plain).norm() / plain.norm()) for name, plain in wanted.items()}


def _norm(values: Any) -> Any:
    return values / values.square().mean(-1, keepdim=True).sqrt()


def _turned(values: Any) -> Any:
    """Halves of (tokens, heads, width) turned by the token's place."""
    left, right = values.chunk(2, -1)
    angle = torch.arange(len(values))[:, None, None] * _BASE ** (-torch.arange(left.shape[-1]) / left.shape[-1])
    cos, sin = angle.double().cos(), angle.double().sin()
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)
