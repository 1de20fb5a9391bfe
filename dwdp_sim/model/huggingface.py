"""Read a model's shape from a Hugging Face `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.user_file import read_json
from dwdp_sim.model.moe import MOST_LAYERS

_KEY = "model.config_json"

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
        The fields of `schema.ModelConfig` that the file determines: sizes, counts, `name`, `expert_bias`, and, where
        its attention is understood, those of `schema.AttentionConfig` as `attention.FIELD`.

    Raises:
        ConfigError: The file cannot be read, is no JSON object, or lacks a key.
    """
    content = read_json(path, _KEY)
    if not isinstance(content, Mapping):
        raise ConfigError(_KEY, path, "a JSON object is wanted, as Hugging Face models have it")
    content = _object(content, "text_config", path) or content  # multimodal models nest it
    shape: dict[str, Any] = {field: _whole(content, names, path) for field, names in _KEYS.items()}
    if shape["num_layers"] > MOST_LAYERS:
        _refuse(path, "num_hidden_layers", shape["num_layers"], f"at most {MOST_LAYERS} are wanted")
    shape["num_moe_layers"] = _moe_layers(content, shape["num_layers"], path)
    kind = content.get("model_type", "hf")
    if not isinstance(kind, str):
        _refuse(path, "model_type", kind, "a text is wanted")
    shape["name"] = kind
    shape["expert_bias"] = kind == "gpt_oss"
    shape |= _other_widths(content, path)
    return shape | {f"attention.{field}": value for field, value in _attention(content, path).items()}


def _whole(content: Mapping[str, Any], names: tuple[str, ...], path: str) -> int:
    for name in names:
        value = content.get(name)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                _refuse(path, name, value, "a whole number ≥ 1 is wanted")
            return value
    raise ConfigError(_KEY, path, f"none of these keys is there: {', '.join(names)}")


def _moe_layers(content: Mapping[str, Any], num_layers: int, path: str) -> int:
    """Layers with experts: DeepSeek's leading dense layers and frequency, Qwen's step and list of dense layers."""
    dense = _optional(content, "first_k_dense_replace", path)
    step = _optional(content, "decoder_sparse_step", path) or 1
    dense_layers = set(_list(content, "mlp_only_layers", int, path))
    frequent = _frequent(content, num_layers, path)
    return sum(frequent[i] and i >= dense and (i + 1) % step == 0 and i not in dense_layers for i in range(num_layers))


def _frequent(content: Mapping[str, Any], num_layers: int, path: str) -> list[bool]:
    """Layers that DeepSeek's `moe_layer_freq` gives experts: every so many, or one 0 or 1 for each layer."""
    if not isinstance(content.get("moe_layer_freq"), list):
        every = _optional(content, "moe_layer_freq", path) or 1
        return [layer % every == 0 for layer in range(num_layers)]
    flags = _list(content, "moe_layer_freq", int, path)
    if len(flags) < num_layers or not set(flags) <= {0, 1}:  # layers for multi-token prediction may follow
        _refuse(path, "moe_layer_freq", flags, f"a number, or 0 or 1 for each of {num_layers} layers is wanted")
    return [flag == 1 for flag in flags]


def _other_widths(content: Mapping[str, Any], path: str) -> dict[str, int]:
    """Widths of what is not a routed expert: dense layers, shared experts."""
    expert = _optional(content, "moe_intermediate_size", path)
    return {
        "dense_intermediate_size": _optional(content, "intermediate_size", path) if expert else 0,
        "shared_intermediate_size": _optional(content, "shared_expert_intermediate_size", path)
        or _optional(content, "n_shared_experts", path) * expert,
    }


def _attention(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Attention, or nothing if the file has another kind than latent or grouped queries."""
    heads = _optional(content, "num_attention_heads", path)
    pattern = _window_pattern(content, path)
    if not heads or pattern is None:
        return {}
    window, every = pattern
    attention: dict[str, Any] = {"num_heads": heads, "sliding_window": window, "full_attention_every": every}
    if _object(content, "quantization_config", path).get("quant_method") == "fp8":
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
    layers = _list(content, "layer_types", str, path)
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
    """A whole number; 0 if the file has none."""
    return 0 if not content.get(name) else _whole(content, (name,), path)


def _object(content: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    """An object; an empty one where the file has none."""
    value = content.get(name)
    if not isinstance(value, Mapping | None):
        _refuse(path, name, value, "an object is wanted")
    return value or {}


def _list(content: Mapping[str, Any], name: str, kind: type, path: str) -> list[Any]:
    """A list of whole numbers or texts; an empty one where the file has none."""
    value = content.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or any(type(item) is not kind for item in value):
        _refuse(path, name, value, f"a list of {'whole numbers' if kind is int else 'texts'} is wanted")
    return value


def _refuse(path: str, name: str, value: object, allowed: str) -> NoReturn:
    raise ConfigError(_KEY, path, f"'{name}' is {shorten(repr(value))}; {allowed}")
