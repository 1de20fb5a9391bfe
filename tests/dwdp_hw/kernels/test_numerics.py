"""The numbers that a layer's kernels compute on the processor, beside plain operations in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dwdp_hw.kernels.layer import TorchLayer
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from tests.dwdp_hw.kernels.plain_layer import BF16_BAR, FP8_BAR, distances, torch

GQA = Attention("gqa", 4, num_kv_heads=2, head_dim=32)
MLA = Attention("mla", 4, q_lora_rank=32, kv_lora_rank=48, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32)
MODELS = {
    "grouped": MoEModel("grouped", 64, 32, 8, 2, 2, 2, "bf16", attention=GQA),
    "latent": MoEModel("latent", 64, 32, 8, 3, 2, 2, "bf16", shared_intermediate_size=48, attention=MLA),
    "latent, queries in full": MoEModel("full", 64, 32, 8, 2, 2, 2, "bf16", attention=replace(MLA, q_lora_rank=0)),
    "projections in FP8": MoEModel(
        "fp8", 64, 32, 8, 2, 2, 2, "bf16", attention=replace(GQA, weight_format="fp8_block")
    ),
}
LENGTHS = (12, 9, 12, 7)


def layer_of(model: MoEModel, **options: Any) -> TorchLayer:
    return TorchLayer(torch, model, LENGTHS, device="cpu", **options)


@pytest.mark.parametrize("name", MODELS)
def test_a_moe_layer_computes_what_plain_operations_do(name: str) -> None:
    model = MODELS[name]
    found = distances(layer_of(model), model, LENGTHS)
    assert {"attended", "routed"} <= found.keys()
    assert max(found.values()) < (FP8_BAR if "FP8" in name else BF16_BAR), found


def test_a_layer_without_experts_does_too() -> None:
    model = replace(MODELS["latent"], num_layers=3, dense_intermediate_size=80)
    found = distances(layer_of(model, dense=True), model, LENGTHS)
    assert list(found) == ["attended", "out"]
    assert max(found.values()) < BF16_BAR, found


def test_equal_seeds_give_equal_layers_and_others_do_not() -> None:
    first, again, other = (layer_of(MODELS["grouped"], seed=seed) for seed in (1, 1, 2))
    for layer in (first, again, other):
        layer.run(in_moe=False)
    attended = [layer.tools.at["attended"] for layer in (first, again, other)]
    assert torch.equal(attended[0], attended[1])
    assert not torch.equal(attended[0], attended[2])


def test_every_expert_has_as_many_tokens() -> None:
    chosen = layer_of(MODELS["grouped"]).tools.at["chosen"]
    assert torch.bincount(chosen.flatten()).tolist() == [10] * 8
