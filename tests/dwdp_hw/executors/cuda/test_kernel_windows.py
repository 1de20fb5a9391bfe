"""Pipelines whose windows are a model's kernels, on a fake driver and torch on the processor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dwdp_hw.cases.case import Case, LayerCompute, Pipeline
from dwdp_hw.executors.cuda import windows
from dwdp_hw.rows.steps import steps_from_dict
from dwdp_hw.rows.write import measured_row
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.executors.cuda.conftest import Measure, small_layer
from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda
from tests.dwdp_hw.kernels.cpu_torch import CpuTorch, cpu_layer

MODEL = MoEModel("small", 64, 32, 8, 2, 2, 2, "bf16", attention=Attention("gqa", 4, num_kv_heads=2, head_dim=16))
COMPUTE = Pipeline((), "kernels", compute=LayerCompute(MODEL, ((12, 8),)))


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "open_torch", CpuTorch)
    monkeypatch.setattr(windows, "refuse_gpu", lambda module, model: None)
    monkeypatch.setattr(windows, "TorchLayer", cpu_layer)


def steps(layers: int, **changes: Any) -> Case:
    return small_layer(Strategy(BATCHED), measure="pipeline", layers=layers, pipeline=COMPUTE, warmups=0, **changes)


def test_the_part_before_the_moe_block_ends_before_the_wait_for_the_experts(cuda: FakeCuda, measure: Measure) -> None:
    case = steps(5)
    (result,) = measure(case)
    assert result.verified_runs == 1 + 2 * 2
    for layers in result.layers:
        for layer in layers:
            assert layer.before_end_s is not None
            assert max(layer.copy_end_s, layer.before_end_s) <= layer.compute_begin_s
    assert cuda.live == {}
    row = measured_row(case, [result])
    assert row["requests"] == [[12, 8]]
    assert "window_us" not in row
    read = steps_from_dict(row, 1, "rows")
    assert read.windows.before_s.shape == read.windows.moe_s.shape == (1, 1, 5)


def test_a_timed_kernel_can_stand_before_the_wait_too(cuda: FakeCuda, measure: Measure) -> None:
    case = replace(steps(3), pipeline=Pipeline((2e-3,), before_s=(1e-3,)))
    (result,) = measure(case)
    row = measured_row(case, [result])
    assert row["layer_us"][0][1]["before"] > 0


def test_a_queued_step_that_does_not_fit_a_stream_is_refused(cuda: FakeCuda, measure: Measure) -> None:
    with pytest.raises(ConfigError, match=r"backend\.layers=20: \d+ kernels and events of a step do not fit a stream"):
        measure(steps(20))
    (result,) = measure(steps(20, issue_mode="as_issued"))
    assert len(result.layers[0]) == 20
