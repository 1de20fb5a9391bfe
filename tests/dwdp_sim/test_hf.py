"""Shapes from `config.json` files with the key names of the four families, against the shipped models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.errors import ConfigError
from tests.dwdp_sim.composing import job

FAMILIES: dict[str, dict[str, Any]] = {
    "deepseek_r1_nvfp4": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "moe_intermediate_size": 2048, "intermediate_size": 18432,
        "n_routed_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 61, "first_k_dense_replace": 3,
        "moe_layer_freq": 1,
    },
    "qwen3_235b_nvfp4": {
        "model_type": "qwen3_moe", "hidden_size": 4096, "moe_intermediate_size": 1536, "intermediate_size": 12288,
        "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 94, "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    },
    "mixtral_8x7b_bf16": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_local_experts": 8,
        "num_experts_per_tok": 2, "num_hidden_layers": 32,
    },
    "gpt_oss_120b_mxfp4": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_local_experts": 128,
        "experts_per_token": 4, "num_hidden_layers": 36,
    },
}  # fmt: skip


def write(folder: Path, content: object) -> Path:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_s_file_gives_the_shipped_shape(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, FAMILIES[name])
    layer = job("model=hf", f"model.config_json={path}", f"model.format={name.rsplit('_', 1)[1]}").layer
    shipped = job(f"model={name}").layer
    assert layer is not None
    assert shipped is not None
    for field in ("hidden_size", "intermediate_size", "num_experts", "top_k", "num_layers", "num_moe_layers"):
        assert getattr(layer.model, field) == getattr(shipped.model, field), field


def test_a_whole_gpt_oss_expert_has_scales_and_biases(tmp_path: Path) -> None:
    path = write(tmp_path, FAMILIES["gpt_oss_120b_mxfp4"])
    layer = job("model=hf", f"model.config_json={path}", "model.format=mxfp4").layer
    assert layer is not None
    assert layer.model.expert_bytes == 13_236_480


@pytest.mark.parametrize(
    ("extra", "moe_layers"),
    [({"moe_layer_freq": 2}, 29), ({"first_k_dense_replace": 0}, 61), ({"mlp_only_layers": [5, 60]}, 56)],
)
def test_dense_layers_are_left_out(extra: dict[str, Any], moe_layers: int, tmp_path: Path) -> None:
    # Of layers 3 … 60, the even ones are 4, 6, …, 60: 29.
    path = write(tmp_path, FAMILIES["deepseek_r1_nvfp4"] | extra)
    layer = job("model=hf", f"model.config_json={path}", "model.format=nvfp4").layer
    assert layer is not None
    assert layer.model.num_moe_layers == moe_layers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ([], "a JSON object"),
        ({"hidden_size": 8}, "none of these keys is there: moe_intermediate_size, intermediate_size"),
        (FAMILIES["mixtral_8x7b_bf16"] | {"hidden_size": "many"}, "'hidden_size' is 'many'"),
    ],
)
def test_a_file_without_a_shape_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=reason):
        job("model=hf", f"model.config_json={path}", "model.format=bf16")


def test_an_override_that_contradicts_the_file_is_refused_and_one_that_agrees_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, FAMILIES["mixtral_8x7b_bf16"])
    base = ("model=hf", f"model.config_json={path}", "model.format=bf16")
    assert job(*base, "model.num_experts=8").layer
    with pytest.raises(ConfigError, match=r"model\.num_experts=16: contradicts"):
        job(*base, "model.num_experts=16")
