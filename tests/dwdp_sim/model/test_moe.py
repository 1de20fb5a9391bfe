"""Bytes of one expert, against the published shapes."""

from __future__ import annotations

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import FORMATS, KINDS, MoEModel, matrix_bytes

R1 = (7168, 2048, 256, 8, 61, 58)
KIMI = (7168, 2048, 384, 8, 61, 60)
QWEN = (4096, 1536, 128, 8, 94, 94)
GPT_OSS = (2880, 2880, 128, 4, 36, 36)
LITE = (2560, 1536, 72, 6, 31, 30)
MIXTRAL = (4096, 14336, 8, 2, 32, 32)


@pytest.mark.parametrize(
    ("shape", "weight_format", "bias", "include", "expert_bytes"),
    [
        # NVFP4: w13 = 2·I·H/2, w2 = H·I/2, scales 2·I·H/16 and H·I/16, alphas 4 + 4.
        (R1, "nvfp4", False, KINDS, 24_772_616),
        (R1, "fp8_block", False, KINDS, 44_050_944),  # 3·I·H + 4 bytes for each of 2·16·56 + 56·16 blocks
        (KIMI, "nvfp4", False, KINDS, 24_772_616),
        (QWEN, "nvfp4", False, KINDS, 10_616_840),
        (GPT_OSS, "mxfp4", True, ("weight",), 12_441_600),  # 3·2880²/2
        (GPT_OSS, "mxfp4", True, KINDS, 13_236_480),  # + 3·2880²/32 scales + 2·(2·2880 + 2880) biases
        (LITE, "nvfp4", False, KINDS, 6_635_528),
        (MIXTRAL, "bf16", False, KINDS, 352_321_536),  # 3·4096·14336·2
    ],
    ids=["r1-nvfp4", "r1-fp8", "kimi", "qwen", "gpt-oss-weights", "gpt-oss", "v3-lite-like", "mixtral"],
)
def test_bytes_of_an_expert(
    shape: tuple[int, int, int, int, int, int],
    weight_format: str,
    bias: bool,
    include: tuple[str, ...],
    expert_bytes: int,
) -> None:
    model = MoEModel("m", *shape, weight_format, bias, include)
    assert model.expert_bytes == expert_bytes
    assert sum(p.bytes for p in model.parameters) == expert_bytes


def test_tensors_stand_in_the_order_in_which_they_are_registered() -> None:
    names = [p.name for p in MoEModel("m", *R1, "nvfp4").parameters]
    scales = ["w3_w1_weight_scale", "w2_weight_scale"]
    assert names == ["w3_w1_weight", "w2_weight", *scales, "fc31_alpha", "fc2_alpha"]


def test_bytes_of_each_tensor_of_an_nvfp4_expert() -> None:
    sizes = [p.bytes for p in MoEModel("m", *R1, "nvfp4").parameters]
    assert sizes == [4096 * 3584, 7168 * 1024, 4096 * 448, 7168 * 128, 4, 4]


def test_fp8_blocks_at_the_edges_have_scales_of_their_own() -> None:
    # w13 is 2·100 × 130: 2 × 2 blocks of 128; w2 is 130 × 100: 2 × 1 blocks; 4 bytes each.
    model = MoEModel("m", 130, 100, 2, 1, 1, 1, "fp8_block")
    assert [p.bytes for p in model.parameters] == [200 * 130, 130 * 100, 16, 8]


@pytest.mark.parametrize("weight_format", FORMATS)
def test_a_product_reads_an_expert_s_weights_and_block_scales(weight_format: str) -> None:
    model = MoEModel("m", *R1, weight_format, include=("weight", "scale"))
    read = matrix_bytes(weight_format, 2 * 2048, 7168) + matrix_bytes(weight_format, 7168, 2048)
    assert read == model.expert_bytes


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"hidden_size": 0}, "model.hidden_size"),
        ({"num_moe_layers": 62}, "model.num_moe_layers"),
        ({"weight_format": "int3"}, "model.format"),
        ({"include": ("scale",)}, "model.include"),
        ({"include": ("weight", "colour")}, "model.include"),
        ({"intermediate_size": 2040}, "model.format"),
        ({"shared_intermediate_size": -1}, "model.shared_intermediate_size"),
        ({"attention": Attention("gqa", 2, "int3", num_kv_heads=1, head_dim=8)}, "model.attention.format"),
    ],
)
def test_a_bad_shape_is_named(change: dict[str, object], key: str) -> None:
    fields: dict[str, object] = {
        "name": "m",
        "hidden_size": 7168,
        "intermediate_size": 2048,
        "num_experts": 256,
        "top_k": 8,
        "num_layers": 61,
        "num_moe_layers": 58,
        "weight_format": "nvfp4",
    }
    with pytest.raises(ConfigError) as error:
        MoEModel(**(fields | change))  # type: ignore[arg-type]
    assert error.value.key == key
    assert "\n" not in str(error.value)
