"""The operations of a layer in torch are those of the tables, and what torch lacks is refused in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_hw.kernels.allowed import lengths_of, refuse_steps
from dwdp_hw.kernels.commands import count_commands
from dwdp_hw.kernels.expected import expected_layer
from dwdp_hw.kernels.layer import TorchLayer
from dwdp_hw.kernels.machine import refuse_gpu
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.tables import BACKENDS
from dwdp_sim.steps.requests import Chunk
from tests.dwdp_hw.kernels.cpu_torch import CpuTorch, torch

# Every shipped model that torch has kernels for; those of 4-bit experts in FP8.
COVERED = (
    ("deepseek_r1_fp8", None),
    ("deepseek_r1_nvfp4", "fp8_block"),
    ("deepseek_v3_lite_nvfp4", "fp8_block"),
    ("kimi_k2_nvfp4", "fp8_block"),
    ("mixtral_8x7b_bf16", None),
    ("qwen3_235b_nvfp4", "fp8_block"),
)
LENGTHS = (4096, 2048)


def shipped(name: str, weight_format: str | None = None) -> MoEModel:
    model = build_model(preset(model=name).model)
    return replace(model, weight_format=weight_format or model.weight_format)


@pytest.mark.parametrize(("name", "weight_format"), COVERED)
def test_operations_are_those_of_both_engines_tables(name: str, weight_format: str | None) -> None:
    model = shipped(name, weight_format)
    for dense in (False, True) if model.num_dense_layers else (False,):
        names = TorchLayer(torch, model, LENGTHS, device="meta", dense=dense).names
        for backend, expected in expected_layer(model, "H200", tuple(map(Chunk, LENGTHS)), dense=dense).items():
            assert expected.missing is None
            assert set(names) == set(expected.operations), backend
            assert expected.before_s is not None
            assert expected.before_s > 0


def test_what_the_tables_lack_is_said_by_engine_and_the_layer_is_there_all_the_same() -> None:
    model = replace(shipped("mixtral_8x7b_bf16"), intermediate_size=1616)
    assert "routed experts" in TorchLayer(torch, model, LENGTHS, device="meta").names
    found = expected_layer(model, "H200", tuple(map(Chunk, LENGTHS)))
    assert list(found) == list(BACKENDS)
    for expected in found.values():
        assert expected.operations == {}
        assert "no measured experts of shape" in str(expected.missing)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (shipped("deepseek_r1_nvfp4"), "model.format=nvfp4: .* bf16 and fp8_block"),
        (shipped("gpt_oss_120b_mxfp4"), "model.format=mxfp4: .* bf16 and fp8_block"),
        (shipped("gpt_oss_120b_mxfp4", "bf16"), "model.attention.sliding_window=128: .*sliding_window=0"),
        (replace(shipped("mixtral_8x7b_bf16"), intermediate_size=100), "model.intermediate_size=100: .*multiples of"),
    ],
)
def test_a_model_that_torch_has_no_kernels_for_is_refused(model: MoEModel, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        TorchLayer(torch, model, LENGTHS, device="meta")
    assert "\n" not in str(caught.value)


def test_projections_in_a_format_that_torch_lacks_are_refused() -> None:
    model = shipped("mixtral_8x7b_bf16")
    assert model.attention is not None
    with pytest.raises(ConfigError, match=r"^model\.attention\.format=nvfp4: .* bf16 and fp8_block"):
        TorchLayer(
            torch, replace(model, attention=replace(model.attention, weight_format="nvfp4")), LENGTHS, device="meta"
        )


def test_a_step_that_goes_on_with_a_request_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^workload\.max_num_tokens=8: a request of 10 tokens or more is cut"):
        refuse_steps([(Chunk(8), Chunk(2, 8))], 8)
    refuse_steps([(Chunk(8), Chunk(2))], 8)
    assert lengths_of((Chunk(2), Chunk(8))) == (8, 2)


def test_what_fails_while_warming_up_names_its_operation_on_one_line() -> None:
    layer = TorchLayer(torch, shipped("mixtral_8x7b_bf16"), LENGTHS, device="meta")

    def fail() -> None:
        raise RuntimeError("no such kernel\nand pages of text")

    layer.kernels = tuple(replace(one, run=fail) for one in layer.kernels if one.name == "router")
    with pytest.raises(ConfigError, match=r"^model\.format=router: torch cannot run it on this GPU: no such kernel$"):
        layer.warm_up()


class _OldGpu(CpuTorch):
    """A GPU before Hopper."""

    def __init__(self) -> None:
        super().__init__()
        self.cuda.get_device_name = lambda: "NVIDIA A100"
        self.cuda.get_device_capability = lambda: (8, 0)


def test_a_gpu_without_products_in_fp8_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^model\.format=fp8_block: NVIDIA A100 has no FP8 products in torch; bf16"):
        refuse_gpu(_OldGpu(), shipped("deepseek_r1_fp8"))


def test_commands_are_counted_at_operators_and_views_are_free() -> None:
    left, right = torch.ones(4, 4), torch.ones(4, 4)
    assert count_commands(lambda: left.mm(right).t().add_(1.0)) == 2
    assert count_commands(left.t) == 0
    assert count_commands(lambda: torch.sort(left)) > 1
