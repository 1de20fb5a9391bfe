"""Read a model's shape from a Hugging Face `config.json`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.model.moe import MOST_LAYERS

_KEY = "model.config_json"

_Size = Annotated[int, Meta(ge=0, le=10**9)]
_Needed = Annotated[int, Meta(ge=1, le=10**9)]
_Layers = Annotated[int, Meta(ge=1, le=MOST_LAYERS)]


class _Nested(Struct):
    text_config: dict[str, Any] | None = None


class _Quantization(Struct):
    quant_method: str | None = None
    quant_algo: Any = None
    format: Any = None
    weight_block_size: Any = None


class _Weights(Struct):
    """What says in which format the weights are; multimodal models have it outside of `text_config`."""

    quantization_config: _Quantization | None = None
    torch_dtype: Any = None
    dtype: Any = None


class _Config(Struct):
    """The keys that say a shape, as DeepSeek-V3, Qwen3-MoE, gpt-oss and Mixtral use them; others are left alone."""

    hidden_size: _Needed | None = None
    num_hidden_layers: _Layers | None = None
    model_type: Name = "hf"

    # experts
    moe_intermediate_size: _Size | None = None
    intermediate_size: _Size | None = None
    n_routed_experts: _Size | None = None
    num_experts: _Size | None = None
    num_local_experts: _Size | None = None
    num_experts_per_tok: _Size | None = None
    experts_per_token: _Size | None = None
    n_shared_experts: _Size | None = None
    shared_expert_intermediate_size: _Size | None = None

    # which layers have them
    first_k_dense_replace: _Size | None = None
    moe_layer_freq: _Size | list[_Size] | None = None
    decoder_sparse_step: _Size | None = None
    mlp_only_layers: list[int] | None = None

    # attention
    num_attention_heads: _Size | None = None
    num_key_value_heads: _Size | None = None
    head_dim: _Size | None = None
    q_lora_rank: _Size | None = None
    kv_lora_rank: _Size | None = None
    qk_nope_head_dim: _Size | None = None
    qk_rope_head_dim: _Size | None = None
    v_head_dim: _Size | None = None
    sliding_window: _Size | None = None
    use_sliding_window: bool | None = None
    layer_types: list[str] | None = None
    quantization_config: _Quantization | None = None


NAMES = {
    "hidden_size": ("hidden_size",),
    "intermediate_size": ("moe_intermediate_size", "intermediate_size"),
    "num_experts": ("n_routed_experts", "num_experts", "num_local_experts"),
    "top_k": ("num_experts_per_tok", "experts_per_token"),
    "num_layers": ("num_hidden_layers",),
}
"""Sizes without which there is no model, and the keys under which files have them."""


def read_shape(path: str, layers: int | None = None) -> dict[str, Any]:
    """Read a model's shape.

    Args:
        path: Of the file.
        layers: Only the first so many layers of the model count, dense ones included; unset: as many as the file says.

    Returns:
        The fields of `schema.ModelConfig` that the file determines: sizes, counts, `name`, `expert_bias`, `format`
        where its weights are in one that is known, and, where its attention is understood, the fields of
        `schema.AttentionConfig` as `attention.FIELD`. What the file does not say under a name in `NAMES` is left out.

    Raises:
        ConfigError: The file cannot be read, is no JSON object, or has a value of the wrong type.
    """
    content = read_json(path, _KEY)
    nested = convert(content, _Nested, path, _KEY).text_config  # multimodal models nest it
    config = convert(nested or content, _Config, path, _KEY, at="text_config" if nested else "")
    shape: dict[str, Any] = {field: _first(config, names) for field, names in NAMES.items()}
    layers = layers or config.num_hidden_layers
    shape |= {"num_layers": layers, "num_moe_layers": layers and _moe_layers(config, layers, path)}
    shape["format"] = _format(convert(content, _Weights, path, _KEY)) or (
        _format(convert(nested, _Weights, path, _KEY, at="text_config")) if nested else None
    )
    shape = {field: value for field, value in shape.items() if value is not None}
    shape |= {"name": config.model_type, "expert_bias": config.model_type == "gpt_oss"}
    shape |= _other_widths(config)
    return shape | {f"attention.{field}": value for field, value in _attention(config).items()}


def _first(config: _Config, names: tuple[str, ...]) -> int | None:
    """The value of the first of these keys that the file has."""
    return next((int(value) for name in names if (value := getattr(config, name))), None)


def _format(weights: _Weights) -> str | None:
    """The format of the experts' weights; None where the file does not say it, or has one that is not known here."""
    said = weights.quantization_config
    if said is None:
        return "bf16" if "bfloat16" in (weights.torch_dtype, weights.dtype) else None
    if said.quant_method == "fp8":
        return "fp8_block" if said.weight_block_size == [128, 128] else None
    if said.quant_method == "mxfp4":
        return "mxfp4"
    return "nvfp4" if said.quant_algo == "NVFP4" or said.format == "nvfp4-pack-quantized" else None


def _moe_layers(config: _Config, layers: int, path: str) -> int:
    """Of the first layers, those with experts: DeepSeek's leading dense layers and frequency, Qwen's step and list."""
    dense, step = config.first_k_dense_replace or 0, config.decoder_sparse_step or 1
    dense_layers = set(config.mlp_only_layers or ())
    frequent = _frequent(config.moe_layer_freq, layers, path)
    return sum(frequent[i] and i >= dense and (i + 1) % step == 0 and i not in dense_layers for i in range(layers))


def _frequent(said: int | list[int] | None, layers: int, path: str) -> list[bool]:
    """Layers that DeepSeek's `moe_layer_freq` gives experts: every so many, or one 0 or 1 for each layer."""
    if not isinstance(said, list):
        return [layer % (said or 1) == 0 for layer in range(layers)]
    if len(said) < layers or not set(said) <= {0, 1}:  # layers for multi-token prediction may follow
        allowed = f"a number, or 0 or 1 for each of {layers} layers is wanted"
        raise ConfigError(_KEY, path, f"moe_layer_freq is {shorten(str(said))}; {allowed}")
    return [flag == 1 for flag in said]


def _other_widths(config: _Config) -> dict[str, int]:
    """Widths of what is not a routed expert: dense layers, shared experts."""
    expert = config.moe_intermediate_size or 0
    return {
        "dense_intermediate_size": config.intermediate_size or 0 if expert else 0,
        "shared_intermediate_size": config.shared_expert_intermediate_size or (config.n_shared_experts or 0) * expert,
    }


def _attention(config: _Config) -> dict[str, Any]:
    """Attention, or nothing if the file has another kind than latent or grouped queries."""
    heads, pattern = config.num_attention_heads, _window_pattern(config)
    if not heads or pattern is None:
        return {}
    window, every = pattern
    attention: dict[str, Any] = {"num_heads": heads, "sliding_window": window, "full_attention_every": every}
    if config.quantization_config and config.quantization_config.quant_method == "fp8":
        attention["format"] = "fp8_block"
    if config.kv_lora_rank:
        names = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        return attention | {"kind": "mla"} | {name: getattr(config, name) or 0 for name in names}
    head_dim = config.head_dim or (config.hidden_size or 0) // heads
    return attention | {"kind": "gqa", "num_kv_heads": config.num_key_value_heads or heads, "head_dim": head_dim}


def _window_pattern(config: _Config) -> tuple[int, int] | None:
    """Attention's window, and after how many layers one sees everything (0: none does); None for other patterns."""
    window, layers = config.sliding_window, config.layer_types or []
    if not set(layers) <= {"full_attention", "sliding_attention"}:
        return None
    if not window or config.use_sliding_window is False or set(layers) == {"full_attention"}:
        return 0, 0
    every = layers.index("full_attention") + 1 if "full_attention" in layers else 0
    repeated = [
        "full_attention" if every and i % every == 0 else "sliding_attention" for i in range(1, len(layers) + 1)
    ]
    return (window, every) if layers == repeated else None
