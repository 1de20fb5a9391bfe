"""A model's shape from a Hugging Face `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwdp_sim.errors import ConfigError

# Key names by meaning, as DeepSeek-V3, Qwen3-MoE, gpt-oss and Mixtral use them; the first one present counts.
_KEYS = {
    "hidden_size": ("hidden_size",),
    "intermediate_size": ("moe_intermediate_size", "intermediate_size"),
    "num_experts": ("n_routed_experts", "num_experts", "num_local_experts"),
    "top_k": ("num_experts_per_tok", "experts_per_token"),
    "num_layers": ("num_hidden_layers",),
}


def read_shape(path: str) -> dict[str, Any]:
    """Read a model's shape.

    Returns:
        The fields of `config.ModelConfig` that the file determines: sizes, counts, `name`, `expert_bias`, and, where
        its attention is understood, those of `config.AttentionConfig` as `attention.FIELD`.

    Raises:
        ConfigError: The file cannot be read, is no JSON object, or lacks a key.
    """
    key = "model.config_json"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(key, path, f"cannot be read as JSON: {_reason(error)}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(key, path, "a JSON object is wanted, as Hugging Face models have it")
    content = content.get("text_config", content)  # multimodal models nest it
    shape: dict[str, Any] = {field: _whole(content, names, path) for field, names in _KEYS.items()}
    shape["num_moe_layers"] = _moe_layers(content, shape["num_layers"])
    kind = str(content.get("model_type", "hf"))
    shape["name"] = kind
    shape["expert_bias"] = kind == "gpt_oss"
    shape |= _other_widths(content, path)
    return shape | {f"attention.{field}": value for field, value in _attention(content, path).items()}


def _whole(content: Mapping[str, Any], names: tuple[str, ...], path: str) -> int:
    for name in names:
        value = content.get(name)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError("model.config_json", path, f"'{name}' is {value!r}; a whole number ≥ 1 is wanted")
            return value
    raise ConfigError("model.config_json", path, f"none of these keys is there: {', '.join(names)}")


def _moe_layers(content: Mapping[str, Any], num_layers: int) -> int:
    """Layers with experts: DeepSeek's leading dense layers and frequency, Qwen's step and list of dense layers."""
    dense = int(content.get("first_k_dense_replace") or 0)
    every = int(content.get("moe_layer_freq") or 1)
    step = int(content.get("decoder_sparse_step") or 1)
    dense_layers = set(content.get("mlp_only_layers") or [])
    layers = range(num_layers)
    return sum(i >= dense and i % every == 0 and (i + 1) % step == 0 and i not in dense_layers for i in layers)


def _other_widths(content: Mapping[str, Any], path: str) -> dict[str, int]:
    """Widths of what is not a routed expert: dense layers, shared experts."""
    expert = _optional(content, "moe_intermediate_size", path)
    return {
        "dense_intermediate_size": _optional(content, "intermediate_size", path) if expert else 0,
        "shared_intermediate_size": _optional(content, "shared_expert_intermediate_size", path)
        or _optional(content, "n_shared_experts", path) * expert,
    }


def _attention(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Attention, or nothing where the file has another kind than latent or grouped queries."""
    heads = _optional(content, "num_attention_heads", path)
    pattern = _window_pattern(content, path)
    if not heads or pattern is None:
        return {}
    window, every = pattern
    attention: dict[str, Any] = {"num_heads": heads, "sliding_window": window, "full_attention_every": every}
    if (content.get("quantization_config") or {}).get("quant_method") == "fp8":
        attention["format"] = "fp8_block"
    if content.get("kv_lora_rank"):
        names = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        return attention | {"kind": "mla"} | {name: _optional(content, name, path) for name in names}
    head_dim = _optional(content, "head_dim", path) or _whole(content, ("hidden_size",), path) // heads
    kv_heads = _optional(content, "num_key_value_heads", path) or heads
    return attention | {"kind": "gqa", "num_kv_heads": kv_heads, "head_dim": head_dim}


def _window_pattern(content: Mapping[str, Any], path: str) -> tuple[int, int] | None:
    """Attention's window, and after how many layers one sees everything (0: none does); None for other patterns."""
    window = _optional(content, "sliding_window", path)
    layers = list(content.get("layer_types") or [])
    if not set(layers) <= {"full_attention", "sliding_attention"}:
        return None
    if not window or content.get("use_sliding_window") is False or set(layers) == {"full_attention"}:
        return 0, 0
    every = layers.index("full_attention") + 1 if "full_attention" in layers else 0
    repeated = [
        "full_attention" if every and i % every == 0 else "sliding_attention" for i in range(1, len(layers) + 1)
    ]
    return (window, every) if layers == repeated else None


def _optional(content: Mapping[str, Any], name: str, path: str) -> int:
    """A whole number; 0 where the file has none."""
    return 0 if not content.get(name) else _whole(content, (name,), path)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
