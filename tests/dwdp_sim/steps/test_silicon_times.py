"""Compute times from measured kernels, as forward steps and the DEP baseline take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.constant import ConstantConfig
from dwdp_sim.job.compute_on_machine import on_machine
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.experts import hottest_rank
from dwdp_sim.silicon.operation import seconds_of
from dwdp_sim.silicon.tables import Tables
from dwdp_sim.steps.compute import ComputeConfig, build_windows, compute_times
from dwdp_sim.steps.compute_times import lead_s
from dwdp_sim.steps.dep import dep_layer, dep_step
from dwdp_sim.steps.requests import Chunk, RequestLoad, draw_steps
from dwdp_sim.steps.silicon_times import SiliconTimes
from tests.dwdp_sim.presets import preset_compute, preset_model

R1, GPT_OSS = preset_model("deepseek_r1_nvfp4"), preset_model("gpt_oss_120b_mxfp4")
SILICON = preset_compute("silicon")
STEP = (Chunk(8000), Chunk(6000, 2000))


def on(config: ComputeConfig, gpu: str, implementation: str = "trtllm_ipc", model: MoEModel = R1) -> ComputeConfig:
    return on_machine(config, model, 4, gpu, implementation)


def times(**values: object) -> SiliconTimes:
    found = compute_times(on(replace(SILICON, **values), "GB200"), R1)  # type: ignore[arg-type]
    assert isinstance(found, SiliconTimes)
    return found


def test_the_parts_of_a_layer_are_those_of_its_operations_and_none_is_lost() -> None:
    layer, operations = times().layer(STEP, 3), times().operations(STEP, 3)
    assert layer.total_s == pytest.approx(seconds_of(operations), rel=1e-12)
    assert layer.routed_s == pytest.approx(seconds_of(operations, "grouped"), rel=1e-12)
    assert layer.before_s == pytest.approx(seconds_of(one for one in operations if not one.in_moe), rel=1e-12)
    (router,) = (one for one in operations if one.name == "router")
    assert layer.router_s == router.seconds
    assert min(layer.attention_s, layer.shared_s, layer.other_before_s, layer.other_moe_s) > 0


def test_a_step_without_tokens_takes_no_time() -> None:
    empty = (Chunk(0),)
    assert times().layer(empty, 3).total_s == times().dense_layer_s(empty, 0) == 0.0
    assert times().routed_share_s([0, 0]) == times().exchange_s([0, 0]) == 0.0


def test_windows_are_the_layers_times_and_slow_down_beside_copies() -> None:
    steps = draw_steps(RequestLoad(8192, 0.5, 16384), ranks=2, iterations=2, seed=0)
    config = on(SILICON, "GB200")
    windows = build_windows(config, R1, steps, seed=0)
    layer = times().layer(steps[1][0], 3)
    assert windows.moe_s[1, 0].tolist() == [layer.moe_s] * 58
    assert windows.lead_s[1, 0] == lead_s(times(), steps[1][0])
    assert np.asarray(windows.before_slowdown)[1, 0, 0] == layer.before_slowdown
    # Attention 1.226, products 1.06, what moves bytes 1 / (1 − 2 · 900 / (0.8 · 8000)) = 1.391.
    assert 1.06 < layer.before_slowdown < 1.391
    # The routed products dominate their block: between theirs and what moves bytes.
    assert 1.06 < layer.moe_slowdown < layer.before_slowdown
    off = {name: one for name, one in SILICON.constants.items() if name in ("interference", "rank_imbalance")}
    assert times(constants=off).layer(STEP, 3).before_slowdown == 1.0


def test_a_windowed_layer_of_gpt_oss_is_faster_than_a_full_one() -> None:
    found = compute_times(on(SILICON, "B200", "sglang", GPT_OSS), GPT_OSS)
    assert found is not None
    windowed, full = (found.layer((Chunk(16384),), layer).attention_s for layer in (0, 1))
    assert windowed < full


def test_under_dep_all_ranks_wait_for_the_one_with_the_most_loaded_experts() -> None:
    skewed = SILICON.constants | {"rank_imbalance": ConstantConfig(1.25)}
    even, uneven = (dep_layer(each, [STEP] * 4, 3) for each in (times(), times(constants=skewed)))
    waited_s = uneven.synchronization_s - even.synchronization_s
    assert waited_s == pytest.approx(0.25 * times().routed_share_s([14_000] * 4), rel=1e-12)
    assert even.synchronization_s == pytest.approx(0.0, abs=1e-12)


def test_the_hottest_of_four_ranks_takes_what_the_page_says() -> None:
    tables = Tables.presets().on("gb200", "trtllm")
    assert hottest_rank(tables, R1, 8000, 4, "power_law_1.01") == pytest.approx(1.25, abs=0.005)
    assert hottest_rank(tables, R1, 8000, 4, "power_law_1.2") > 2.0


def test_one_rank_alone_computes_under_dep_what_it_computes_under_dwdp() -> None:
    alone, found = dep_step(times(), [STEP]), times()
    layers_s = 58 * found.layer(STEP, 3).total_s
    assert alone.total_s == pytest.approx(lead_s(found, STEP) + layers_s, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"gpu": "B300"},
            r"compute\.gpu=B300: no measured kernels of B300 here, only of gb200, .*compute\.tables=installed",
        ),
        ({"gpu": "H200"}, r"compute\.tables=.*no measured .* take a roofline, compute=sol"),
        ({"kernel": "magic"}, r"compute\.kernel=magic: allowed: fastest, "),
        ({"load": "odd"}, r"compute\.load=odd: allowed: balanced, "),
        ({"version": "0.1"}, r"compute\.version=0\.1: the tables hold trtllm "),
        ({"tables": "nowhere"}, r"compute\.tables=nowhere"),
        ({"window_s": 1.0}, r"compute\.window_s=1\.0: only compute\.kind=constant has it"),
    ],
)
def test_what_the_tables_do_not_hold_is_refused_in_one_line(values: dict[str, object], message: str) -> None:
    config = on(replace(SILICON, **values), "GB200")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message) as caught:
        build_windows(config, R1, [[STEP]], seed=0)
    assert "\n" not in str(caught.value)


def test_a_cluster_without_a_kind_of_gpu_and_other_windows_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"compute\.gpu=missing: the cluster does not say its kind of GPU"):
        compute_times(on(SILICON, ""), R1)
    with pytest.raises(ConfigError, match=r"compute\.load=balanced: only compute\.kind=silicon has it"):
        build_windows(replace(preset_compute("roofline_gb200"), load="balanced"), R1, [[STEP]], seed=0)
    taken = SILICON.constants | {"memory_taken": ConstantConfig(1.5)}
    with pytest.raises(ConfigError, match=r"compute\.constants\.memory_taken\.value=1\.5: a share from 0 to 1"):
        times(constants=taken)
