"""Copy plans: counts and bytes as published, and what they sum up."""

from __future__ import annotations

import pytest

from dwdp_sim.model.moe import KINDS, MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

R1 = MoEModel("DeepSeek-R1", 7168, 2048, 256, 8, 61, 58, "nvfp4")


def plan(name: str, implementation: str, size: int, model: MoEModel = R1) -> CopyPlan:
    return build_plan(model, Placement.create(model.num_experts, size), Strategy(STRATEGIES[name], implementation))


@pytest.mark.parametrize(
    ("implementation", "default", "batched", "bytes_"),
    [
        ("trtllm_ipc", 18, 2274, 4_756_342_272),
        ("trtllm_vmm", 12, 2268, 4_756_340_736),
        ("sglang", 6, 2016, 4_227_858_432),
    ],
)
def test_copies_and_bytes_of_a_layer_of_r1_on_four_ranks(
    implementation: str, default: int, batched: int, bytes_: int
) -> None:
    # sglang has no batched path; its hypothetical copies are those of the two weights: 3 · (448 + 224).
    one, other = plan("default", implementation, 4), plan("batched", implementation, 4)
    assert one.copies_per_rank() == one.calls_per_rank() == [default] * 4
    assert other.copies_per_rank() == [batched] * 4
    assert other.calls_per_rank() == [1] * 4
    assert one.bytes_per_rank() == other.bytes_per_rank() == [bytes_] * 4
    assert one.slot_bytes() == other.slot_bytes() == bytes_


@pytest.mark.parametrize(
    ("implementation", "size", "copies"),
    [
        ("trtllm_ipc", 2, [1514] * 2),
        ("trtllm_ipc", 3, [2016] * 3),
        ("trtllm_ipc", 5, [2424] * 5),
        ("trtllm_ipc", 7, [2568] * 7),
        ("trtllm_ipc", 8, [2660] * 8),
        ("trtllm_vmm", 3, [2012, 2012, 2010]),
        ("trtllm_vmm", 5, [2416, 2416, 2414, 2414, 2414]),
        ("trtllm_vmm", 7, [2556, 2556, 2555, 2555, 2555, 2555, 2555]),
        ("trtllm_vmm", 8, [2646] * 8),
    ],
)
def test_batched_copies_by_rank_and_group_size(implementation: str, size: int, copies: list[int]) -> None:
    assert plan("batched", implementation, size).copies_per_rank() == copies


@pytest.mark.parametrize(
    ("shape", "weight_format", "include", "bytes_"),
    [
        ((7168, 2048, 256, 8, 61, 58), "fp8_block", KINDS, 8_457_781_248),
        ((7168, 2048, 384, 8, 61, 60), "nvfp4", KINDS, 7_134_513_408),
        ((4096, 1536, 128, 8, 94, 94), "nvfp4", KINDS, 1_019_216_640),
        ((2880, 2880, 128, 4, 36, 36), "mxfp4", ("weight",), 1_194_393_600),
        ((2560, 1536, 72, 6, 31, 30), "nvfp4", KINDS, 358_318_512),
    ],
    ids=["r1-fp8", "kimi", "qwen", "gpt-oss", "v3-lite-like"],
)
def test_bytes_that_each_of_four_ranks_pulls_a_layer(
    shape: tuple[int, int, int, int, int, int], weight_format: str, include: tuple[str, ...], bytes_: int
) -> None:
    model = MoEModel("m", *shape, weight_format, include=include)
    assert plan("default", "trtllm_ipc", 4, model).bytes_per_rank() == [bytes_] * 4


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", ["default", "batched", "waves"])
def test_columns_agree_with_one_another(implementation: str, name: str) -> None:
    made = plan(name, implementation, 4)
    assert made.copy_call.tolist() == sorted(made.copy_call.tolist())
    assert set(made.copy_call.tolist()) == set(range(len(made.call_rank)))
    assert made.call_rank[made.copy_call].tolist() == made.copy_rank.tolist()
    assert made.copy_rank.tolist() == sorted(made.copy_rank.tolist())
    assert sum(made.copies_per_rank()) == len(made.copy_bytes)
    assert sum(made.bytes_per_rank()) == int(made.copy_bytes.sum())
