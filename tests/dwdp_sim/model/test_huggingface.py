"""Shapes from `config.json` files with the key names of the four families, against the shipped models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.huggingface import read_shape
from tests.dwdp_sim.composing import job

FAMILIES: dict[str, dict[str, Any]] = {
    "deepseek_r1_nvfp4": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "moe_intermediate_size": 2048, "intermediate_size": 18432,
        "n_routed_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 61, "first_k_dense_replace": 3,
        "moe_layer_freq": 1, "n_shared_experts": 1, "num_attention_heads": 128, "num_key_value_heads": 128,
        "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    },
    "qwen3_235b_nvfp4": {
        "model_type": "qwen3_moe", "hidden_size": 4096, "moe_intermediate_size": 1536, "intermediate_size": 12288,
        "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 94, "decoder_sparse_step": 1,
        "mlp_only_layers": [], "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
        "sliding_window": None, "use_sliding_window": False,
    },
    "mixtral_8x7b_bf16": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_local_experts": 8,
        "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "sliding_window": None,
    },
    "gpt_oss_120b_mxfp4": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_local_experts": 128,
        "experts_per_token": 4, "num_hidden_layers": 36, "num_attention_heads": 64, "num_key_value_heads": 8,
        "head_dim": 64, "sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 18,
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
    assert shipped is not None
    for field in ("hidden_size", "intermediate_size", "num_experts", "top_k", "num_layers", "num_moe_layers"):
        assert getattr(layer.model, field) == getattr(shipped.model, field), field
    assert layer.model.attention is not None
    assert shipped.model.attention is not None
    for width in ("dense_intermediate_size", "shared_intermediate_size"):
        assert getattr(layer.model, width) == getattr(shipped.model, width) or not layer.model.num_dense_layers
    assert layer.model.attention == shipped.model.attention


@pytest.mark.parametrize(
    ("family", "extra", "expected"),
    [
        ("deepseek_r1_nvfp4", {"q_lora_rank": None}, {"q_lora_rank": 0}),
        ("deepseek_r1_nvfp4", {"quantization_config": {"quant_method": "fp8"}}, {"weight_format": "fp8_block"}),
        ("mixtral_8x7b_bf16", {"num_key_value_heads": None}, {"num_kv_heads": 32, "head_dim": 128}),
        ("mixtral_8x7b_bf16", {"sliding_window": 4096}, {"sliding_window": 4096, "full_attention_every": 0}),
        ("qwen3_235b_nvfp4", {"sliding_window": 4096}, {"sliding_window": 0}),  # use_sliding_window is false
        ("gpt_oss_120b_mxfp4", {"layer_types": ["full_attention"] * 36}, {"sliding_window": 0}),
    ],
)
def test_variants_of_attention_are_understood(
    family: str, extra: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    shape = read_shape(str(write(tmp_path, FAMILIES[family] | extra)))
    names = {"weight_format": "format"}
    assert {name: shape[f"attention.{names.get(name, name)}"] for name in expected} == expected


@pytest.mark.parametrize(
    "extra",
    [
        {"layer_types": ["linear_attention", "full_attention"] * 18},
        {"layer_types": ["full_attention", "sliding_attention"] * 18},
        {"num_attention_heads": None},
    ],
)
def test_attention_of_another_kind_is_left_out_and_the_experts_are_not(extra: dict[str, Any], tmp_path: Path) -> None:
    shape = read_shape(str(write(tmp_path, FAMILIES["gpt_oss_120b_mxfp4"] | extra)))
    assert shape["num_experts"] == 128
    assert not [name for name in shape if name.startswith("attention.")]


def test_a_whole_gpt_oss_expert_has_scales_and_biases(tmp_path: Path) -> None:
    path = write(tmp_path, FAMILIES["gpt_oss_120b_mxfp4"])
    layer = job("model=hf", f"model.config_json={path}", "model.format=mxfp4").layer
    assert layer.model.expert_bytes == 13_236_480


@pytest.mark.parametrize(
    ("extra", "moe_layers"),
    [
        ({"moe_layer_freq": 2}, 29),
        ({"moe_layer_freq": [0] * 3 + [1] * 58}, 58),
        ({"moe_layer_freq": [0] * 4 + [1] * 57 + [1]}, 57),  # the last one predicts further tokens
        ({"first_k_dense_replace": 0}, 61),
        ({"first_k_dense_replace": None, "moe_layer_freq": None, "mlp_only_layers": None}, 61),
        ({"mlp_only_layers": [5, 60]}, 56),
    ],
)
def test_dense_layers_are_left_out(extra: dict[str, Any], moe_layers: int, tmp_path: Path) -> None:
    # Of layers 3 … 60, the even ones are 4, 6, …, 60: 29.
    path = write(tmp_path, FAMILIES["deepseek_r1_nvfp4"] | extra)
    layer = job("model=hf", f"model.config_json={path}", "model.format=nvfp4").layer
    assert layer.model.num_moe_layers == moe_layers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ([], "the file is a list of 0; expected `object`"),
        (
            {"hidden_size": 8, "num_hidden_layers": 2},
            r"does not say intermediate_size \(looked for: moe_intermediate_size, intermediate_size\); num_experts "
            r".*; top_k .*; give model.intermediate_size=… model.num_experts=… model.top_k=…",
        ),
        (FAMILIES["mixtral_8x7b_bf16"] | {"hidden_size": "many"}, "hidden_size is many; expected `int"),
        (FAMILIES["mixtral_8x7b_bf16"] | {"head_dim": "wide"}, "head_dim is wide; expected `int . null`"),
    ],
)
def test_a_file_without_a_shape_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=reason):
        job("model=hf", f"model.config_json={path}", "model.format=bf16")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hidden_size", [1], "hidden_size is a list of 1; expected `int"),
        ("hidden_size", True, "hidden_size is true; expected `int"),
        ("num_hidden_layers", 1e11, "num_hidden_layers is 1"),
        ("num_hidden_layers", 10**11, "num_hidden_layers is 1"),
        ("first_k_dense_replace", "x", "first_k_dense_replace is x; expected `int"),
        ("first_k_dense_replace", -1, "first_k_dense_replace is -1; expected `int` >= 0"),
        ("decoder_sparse_step", {"a": 1}, "decoder_sparse_step is an object of 1; expected `int"),
        ("moe_layer_freq", [0, 1, 1], "moe_layer_freq is .*; a number, or 0 or 1 for each of 32 layers"),
        ("moe_layer_freq", [2] * 32, "moe_layer_freq is .*; a number, or 0 or 1 for each of 32 layers"),
        ("moe_layer_freq", [[1]], r"moe_layer_freq\[0\] is a list of 1; expected `int`"),
        ("mlp_only_layers", 3, "mlp_only_layers is 3; expected `array"),
        ("mlp_only_layers", [[1]], r"mlp_only_layers\[0\] is a list of 1; expected `int`"),
        ("layer_types", 3, "layer_types is 3; expected `array"),
        ("layer_types", [{}], r"layer_types\[0\] is an object of 0; expected `str`"),
        ("text_config", 3, "text_config is 3; expected `object"),
        ("text_config", "x", "text_config is x; expected `object"),
        ("text_config", {"hidden_size": "8"}, "text_config.hidden_size is 8; expected `int"),
        ("quantization_config", 3, "quantization_config is 3; expected `object"),
        ("model_type", ["mixtral"], "model_type is a list of 1; expected `str`"),
        ("model_type", "a\nb", r"model_type is a\\nb; text on one line is wanted"),
        ("num_attention_heads", "x", "num_attention_heads is x; expected `int"),
        ("kv_lora_rank", "x", "kv_lora_rank is x; expected `int"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(name: str, value: object, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, FAMILIES["mixtral_8x7b_bf16"] | {name: value})
    with pytest.raises(ConfigError, match=rf"^model\.config_json={path}: {said}"):
        read_shape(str(path))


def test_what_a_file_does_not_say_may_be_given(tmp_path: Path) -> None:
    said = {"model_type": "new_moe", "hidden_size": 64, "num_hidden_layers": 4, "experts": 8}
    base = ("model=hf", f"model.config_json={write(tmp_path, said)}")
    sizes = ("model.intermediate_size=32", "model.num_experts=8", "model.top_k=2")
    with pytest.raises(ConfigError, match=r"give model\.num_experts=… model\.top_k=…$"):
        job(*base, sizes[0])
    with pytest.raises(
        ConfigError, match=r"^model\.format=missing: .*config\.json does not say it; give it, as .*--format"
    ):
        job(*base, *sizes)
    model = job(*base, *sizes, "model.format=bf16").layer.model
    assert (model.hidden_size, model.intermediate_size, model.num_experts, model.num_moe_layers) == (64, 32, 8, 4)


@pytest.mark.parametrize(
    ("said", "weight_format"),
    [
        ({"torch_dtype": "bfloat16"}, "bf16"),
        ({"dtype": "bfloat16"}, "bf16"),
        ({"torch_dtype": "float16"}, None),
        ({}, None),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, "fp8_block"),
        ({"quantization_config": {"quant_method": "fp8"}, "torch_dtype": "bfloat16"}, None),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "nvfp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, None),
        ({"quantization_config": {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}}, "nvfp4"),
        ({"text_config": FAMILIES["mixtral_8x7b_bf16"] | {"torch_dtype": "bfloat16"}}, "bf16"),
        (
            {
                "text_config": FAMILIES["mixtral_8x7b_bf16"] | {"torch_dtype": "bfloat16"},
                "quantization_config": {"quant_method": "mxfp4"},
            },
            "mxfp4",
        ),
    ],
)
def test_the_format_is_read_where_the_file_says_it(
    said: dict[str, Any], weight_format: str | None, tmp_path: Path
) -> None:
    assert read_shape(str(write(tmp_path, FAMILIES["mixtral_8x7b_bf16"] | said))).get("format") == weight_format


@pytest.mark.parametrize(("family", "layers", "moe_layers"), [("deepseek_r1_nvfp4", 5, 2), ("mixtral_8x7b_bf16", 5, 5)])
def test_of_fewer_layers_the_first_ones_count(family: str, layers: int, moe_layers: int, tmp_path: Path) -> None:
    base = ("model=hf", f"model.config_json={write(tmp_path, FAMILIES[family])}", "model.format=nvfp4")
    model = job(*base, f"model.num_layers={layers}").layer.model
    assert (model.num_layers, model.num_moe_layers) == (layers, moe_layers)
    with pytest.raises(
        ConfigError, match=r"num_moe_layers=2: of .* layers, .* have experts in .*; give model\.num_layers"
    ):
        job(*base, "model.num_moe_layers=2")
    assert job(*base, f"model.num_layers={layers}", "model.num_moe_layers=2").layer.model.num_moe_layers == 2
