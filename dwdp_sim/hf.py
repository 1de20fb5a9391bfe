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
        The fields of `config.ModelConfig` that the file determines: sizes, counts, `name`, `expert_bias`.

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
    return shape


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


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
