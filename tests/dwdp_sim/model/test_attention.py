"""FLOPs of attention: its matrices against published parameter counts, its pairs against counting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.roofline import causal_pairs
from tests.dwdp_sim.presets import preset_model

MLA = Attention(
    "mla", 128, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128
)
GQA = Attention("gqa", 64, num_kv_heads=4, head_dim=128)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # q_a 7168·1536 + q_b 1536·128·192 + kv_a 7168·576 + kv_b 512·128·256 + o 128·128·7168
        ("deepseek_r1_nvfp4", 11_010_048 + 37_748_736 + 4_128_768 + 16_777_216 + 117_440_512),
        # 64 heads: q_b, kv_b and o are half as large.
        ("kimi_k2_nvfp4", 11_010_048 + 18_874_368 + 4_128_768 + 8_388_608 + 58_720_256),
        # q 2560·32·192 + kv_a 2560·576 + kv_b 512·32·256 + o 32·128·2560
        ("deepseek_v3_lite_nvfp4", 15_728_640 + 1_474_560 + 4_194_304 + 10_485_760),
        # q, k, v 4096·(64 + 2·4)·128 + o 64·128·4096
        ("qwen3_235b_nvfp4", 37_748_736 + 33_554_432),
        # 2880·(64 + 2·8)·64 + 64·64·2880
        ("gpt_oss_120b_mxfp4", 14_745_600 + 11_796_480),
        # 4096·(32 + 2·8)·128 + 32·128·4096
        ("mixtral_8x7b_bf16", 25_165_824 + 16_777_216),
    ],
)
def test_projections_hold_the_published_weights(name: str, weights: int) -> None:
    model = preset_model(name)
    assert model.attention is not None
    assert sum(p.rows * p.columns for p in model.attention.projections(model.hidden_size)) == weights


def test_a_pair_costs_a_score_and_a_weighted_value_in_each_head() -> None:
    assert MLA.flops_per_pair == 128 * (2 * 192 + 2 * 128)
    assert GQA.flops_per_pair == 64 * (2 * 128 + 2 * 128)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 40))
def test_pairs_are_those_that_one_counts(new: int, context: int, window: int) -> None:
    counted = sum(min(position + 1, window or position + 1) for position in range(context, context + new))
    assert causal_pairs(Chunk(new, context), window) == counted


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.integers(0, 4000))
def test_cutting_a_request_changes_no_pairs(parts: list[int], window: int) -> None:
    chunks = [Chunk(part, sum(parts[:i])) for i, part in enumerate(parts)]
    assert sum(causal_pairs(chunk, window) for chunk in chunks) == causal_pairs(Chunk(sum(parts)), window)


def test_layers_of_gpt_oss_alternate_beginning_with_a_window() -> None:
    attention = preset_model("gpt_oss_120b_mxfp4").attention
    assert attention is not None
    assert [attention.window(layer) for layer in range(4)] == [128, 0, 128, 0]


def test_without_a_pattern_every_layer_has_the_window() -> None:
    assert [replace(GQA, sliding_window=128).window(layer) for layer in range(3)] == [128] * 3


@pytest.mark.parametrize(
    ("attention", "change", "key"),
    [
        (MLA, {"kind": "linear"}, "kind"),
        (MLA, {"num_heads": 0}, "num_heads"),
        (MLA, {"kv_lora_rank": 0}, "kv_lora_rank"),
        (MLA, {"q_lora_rank": -1}, "q_lora_rank"),
        (GQA, {"head_dim": 0}, "head_dim"),
        (GQA, {"num_kv_heads": 3}, "num_kv_heads"),
        (GQA, {"sliding_window": -1}, "sliding_window"),
    ],
)
def test_a_shape_that_cannot_be_is_named(attention: Attention, change: dict[str, int | str], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        replace(attention, **change)  # type: ignore[arg-type]
    assert error.value.key == f"model.attention.{key}"
