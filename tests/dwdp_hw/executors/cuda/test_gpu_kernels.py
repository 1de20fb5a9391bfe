"""On one real GPU: what a model's kernels compute, pipelines of them beside copies, and `mode=windows` as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.cases.case import LayerCompute, Pipeline
from dwdp_hw.cases.shapes import V3_LITE
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.kernels.layer import TorchLayer
from dwdp_hw.kernels.machine import open_torch, refuse_gpu
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.executors.cuda.test_gpu import from_host, measure
from tests.dwdp_hw.kernels.plain_layer import BF16_BAR, FP8_BAR, distances

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parents[4]
GQA = Attention("gqa", 4, num_kv_heads=2, head_dim=64)
MLA = Attention("mla", 4, q_lora_rank=128, kv_lora_rank=256, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128)
GROUPED = MoEModel("grouped", 256, 128, 8, 2, 3, 3, "bf16", attention=GQA)
LATENT = MoEModel("latent", 256, 128, 8, 2, 3, 2, "bf16", dense_intermediate_size=512, attention=MLA)
LATENT = replace(LATENT, shared_intermediate_size=256)


@pytest.fixture(scope="module", autouse=True)
def _gpu_needed() -> None:
    try:
        count_gpus()
        open_torch()
    except NoGpuError as error:
        pytest.skip(str(error))


def in_fp8(model: MoEModel) -> MoEModel:
    assert model.attention is not None
    return replace(model, weight_format="fp8_block", attention=replace(model.attention, weight_format="fp8_block"))


def far_off(model: MoEModel, lengths: Sequence[int], *, dense: bool = False) -> dict[str, float]:
    torch = open_torch()
    refuse_gpu(torch, model)
    layer = TorchLayer(torch, model, lengths, dense=dense)
    layer.warm_up()
    found = distances(layer, model, lengths)
    assert 0 < layer.commands() < 1000
    layer.close()
    return found


@pytest.mark.parametrize("model", [GROUPED, LATENT], ids=["grouped", "latent"])
@pytest.mark.parametrize("lengths", [(256, 128, 128), (201, 201, 97)], ids=["round", "odd"])
def test_layers_in_bf16_compute_what_plain_operations_do(model: MoEModel, lengths: tuple[int, ...]) -> None:
    found = far_off(model, lengths)
    assert max(found.values()) < BF16_BAR, found


@pytest.mark.parametrize("model", [in_fp8(GROUPED), in_fp8(LATENT)], ids=["grouped", "latent"])
@pytest.mark.parametrize("lengths", [(256, 128, 128), (201, 201, 97)], ids=["round", "odd"])
def test_layers_in_fp8_do_but_for_its_rounding(model: MoEModel, lengths: tuple[int, ...]) -> None:
    found = far_off(model, lengths)
    assert max(found.values()) < FP8_BAR, found


def test_layers_without_experts_do_too() -> None:
    found = far_off(LATENT, (256, 128), dense=True)
    assert max(found.values()) < BF16_BAR, found
    found = far_off(in_fp8(LATENT), (256, 128), dense=True)
    assert max(found.values()) < FP8_BAR, found


@pytest.mark.parametrize("strategy", ["default", "batched"])
@pytest.mark.parametrize("model", [GROUPED, in_fp8(GROUPED)], ids=["bf16", "fp8"])
def test_kernels_of_a_pipeline_run_beside_copies_of_which_every_byte_is_right(strategy: str, model: MoEModel) -> None:
    case = from_host(V3_LITE, 12, Strategy(STRATEGIES[strategy]), "kernels", measure="pipeline", layers=3, repeats=3)
    pipeline = Pipeline((), "kernels", compute=LayerCompute(model, ((512, 256),)))
    ((row, results),) = measure([replace(case, pipeline=pipeline)])
    assert row["verified_runs"] == [1 + 2 * (case.warmups + case.repeats)]
    assert row["queued_behind_gate"]
    assert row["requests"] == [[512, 256]]
    for layers in results[0].layers:
        assert [layer.layer for layer in layers] == [0, 1, 2]
        for layer in layers:
            assert layer.before_end_s is not None
            assert max(layer.copy_end_s, layer.before_end_s) <= layer.compute_begin_s + 2e-6
        assert layers[0].compute_end_s <= layers[2].copy_begin_s + 2e-6
    assert all(times["before"] > 0 and times["compute"] > 0 for times in row["layer_us"][0])


def test_windows_are_measured_from_the_command_line_and_read_by_the_simulator(tmp_path: Path) -> None:
    shape = ["model=mixtral_8x7b_bf16", "model.hidden_size=256", "model.intermediate_size=128", "model.num_layers=3"]
    shape += ["model.num_moe_layers=3", "model.attention.num_heads=4", "model.attention.num_kv_heads=2"]
    shape += ["model.attention.head_dim=64", "dwdp.dwdp_size=2", "cluster=hgx_h200"]
    workload = ["workload=iteration", "workload.isl=512", "workload.ratio=1", "workload.max_num_tokens=1024"]
    workload += ["workload.warmup=0", "workload.iterations=2"]
    said = run(tmp_path, "dwdp_hw", "mode=windows", "hydra.run.dir=windows", *shape, *workload)
    assert "use with compute=file" in " ".join(said.split())
    kernels, windows = (read(tmp_path / "windows" / f"{name}.json") for name in ("kernels", "windows"))
    assert "routed experts" in {row["operation"] for row in kernels["rows"]}
    assert all(row["measured"]["median_us"] > 0 for row in kernels["rows"])
    assert [len(rank) for rank in windows["moe_s"]] == [2, 2]
    file = ["compute=file", f"compute.file={tmp_path / 'windows' / 'windows.json'}", "workload.range=false"]
    run(tmp_path, "dwdp_sim", "hydra.run.dir=steps", *shape, *workload, *file)
    step_s = read(tmp_path / "steps" / "summary.json")["figures"]["iteration_s"]["mean"]
    layers = [a + b for a, b in zip(windows["before_s"][0][0], windows["moe_s"][0][0], strict=True)]
    assert step_s >= sum(layers) * (1 - 1e-9)


def run(folder: Path, package: str, *arguments: str) -> str:
    """Run a command in an empty folder; what it printed."""
    folders = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    start = f"from {package}.app import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
