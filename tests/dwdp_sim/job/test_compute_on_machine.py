"""What gives layers their times on a machine: measured kernels, a roofline, or an error that says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.constant import ConstantConfig
from dwdp_sim.job.build import build_run
from dwdp_sim.job.compute_on_machine import on_machine
from dwdp_sim.job.presets import preset
from dwdp_sim.steps.compute import ComputeConfig
from tests.dwdp_sim.presets import preset_compute, preset_model

R1, FP8 = preset_model("deepseek_r1_nvfp4"), preset_model("deepseek_r1_fp8")
AUTO, SILICON, SOL = preset(compute="auto").compute, preset_compute("silicon"), preset_compute("sol")


def on(config: ComputeConfig, gpu: str, implementation: str = "trtllm_ipc") -> ComputeConfig:
    return on_machine(config, R1, 4, gpu, implementation)


def test_by_default_kernels_are_the_measured_ones_of_the_cluster_s_gpu_and_the_strategy_s_engine() -> None:
    assert preset().compute == AUTO
    found = on(AUTO, "GB200", "sglang")
    assert (found.kind, found.name, found.gpu, found.backend) == ("silicon", "silicon", "GB200", "sglang")
    assert replace(found, name=SILICON.name) == on(SILICON, "GB200", "sglang")


def test_the_engine_follows_the_implementation_and_the_gpu_the_cluster_unless_given() -> None:
    assert [on(SILICON, "H200", name).backend for name in ("trtllm_vmm", "sglang")] == ["trtllm", "sglang"]
    assert on(replace(SILICON, backend="trtllm"), "H200", "sglang").backend == "trtllm"
    assert on(replace(SILICON, gpu="B200"), "", "sglang").gpu == "B200"
    roofline = preset_compute("roofline_h200")
    assert on(roofline, "H100") == roofline


def test_a_roofline_stands_in_for_kernels_that_nobody_measured_and_says_what_is_lacking() -> None:
    found = on(AUTO, "H200")  # Hopper has no NVFP4 kernels, but FP8 ones
    assert (found.kind, found.name, found.fallback) == (
        "roofline",
        "sol",
        "no measured gemm of nvfp4 on h200 with trtllm",
    )
    peaks = preset_compute("roofline_h200").constants
    assert {name: one for name, one in found.constants.items() if name != "interference"} == {
        name: one for name, one in peaks.items() if name != "interference"
    }
    assert on_machine(AUTO, FP8, 4, "H200", "trtllm_ipc").kind == "silicon"


def test_sol_is_the_roofline_of_the_gpu_with_what_is_given_in_its_place() -> None:
    given = replace(SOL, variation=0.1, constants=SOL.constants | {"gemm_efficiency": ConstantConfig(0.7)})
    found = on(given, "B200")
    peaks = preset_compute("roofline_b200").constants
    assert (found.kind, found.name, found.gpu, found.variation) == ("roofline", "sol", "B200", 0.1)
    assert found.constants["gemm_efficiency"].value == 0.7
    assert found.constants["memory_bytes_per_s"] == peaks["memory_bytes_per_s"]


@pytest.mark.parametrize(
    ("config", "gpu", "message"),
    [
        (
            AUTO,
            "GH200",
            r"compute=auto: no measured kernels of GH200 .*; no roofline of GH200 ships.*compute\.window_s=…",
        ),
        (SOL, "", r"compute=sol: no roofline of a cluster without a kind of GPU ships, only roofline_b200"),
        (replace(AUTO, load="odd"), "GB200", r"compute\.load=odd: allowed: balanced"),
        (replace(AUTO, tables="nowhere"), "GB200", r"compute\.tables=nowhere: holds no query_versions"),
        (replace(AUTO, tables="x" * 300), "GB200", r"^compute\.tables=x{200}…: cannot be read: File name too long$"),
        (SOL, "x" * 300, r"^compute=sol: no roofline of x{200}… ships"),
    ],
)
def test_what_gives_no_times_is_refused_in_one_line(config: ComputeConfig, gpu: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        on(config, gpu)
    assert "\n" not in str(refused.value)


def test_a_layer_s_prefetch_asks_for_no_compute_times() -> None:
    config = preset(cluster="gh200_x4")
    assert build_run(config).config["compute"]["kind"] == "auto"
