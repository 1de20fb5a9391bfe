"""What may be true of kernels: the ends of what is left open, and what copies and uneven experts cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.fabric.hypotheses import EXTREME_WALKS, hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.silicon.operation import seconds_of
from dwdp_sim.steps.compute import ComputeConfig, compute_times
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.silicon_times import SiliconTimes
from dwdp_sim.steps.window_hypotheses import dep_hypotheses, window_hypotheses, with_settings
from tests.dwdp_sim.presets import preset_compute, preset_model

R1 = preset_model("deepseek_r1_nvfp4")
SILICON = replace(preset_compute("silicon"), gpu="GB200", backend="trtllm")
STEP = (Chunk(8192), Chunk(8192))
FIRST_MOE_LAYER = 3


def layer_s(config: ComputeConfig) -> float:
    times = compute_times(config, R1)
    assert isinstance(times, SiliconTimes)
    return seconds_of(times.operations(STEP, FIRST_MOE_LAYER))


def test_the_fastest_and_the_slowest_kernels_bracket_every_choice_that_is_left_open() -> None:
    found = {one.name: one for one in window_hypotheses(SILICON, R1, STEP)}
    fastest_s, slowest_s = (
        layer_s(with_settings(SILICON, found[f"{end} kernels"].compute)) for end in ("fastest", "slowest")
    )
    for cache in ("bf16", "fp8"):
        for load in ("balanced", "power_law_1.2"):
            for projections in ("model", "nvfp4"):
                other = replace(SILICON, cache=cache, load=load, projections=projections)
                assert fastest_s - 1e-12 <= layer_s(other) <= slowest_s + 1e-12
    assert slowest_s > 1.3 * fastest_s


def test_what_the_configuration_says_is_not_questioned() -> None:
    said = replace(SILICON, load="balanced", cache="fp8", projections="nvfp4")
    for one in window_hypotheses(said, R1, STEP):
        changed = with_settings(said, one.compute)
        assert (changed.load, changed.cache, changed.projections) == ("balanced", "fp8", "nvfp4")
    everything = replace(said, kernel="moe_torch_flow_cutlass", experts="nvfp4")
    assert {one.compute for one in window_hypotheses(everything, R1, STEP) if "kernels" in one.name[:15]} == {()}


def test_both_ends_meet_both_walks_of_a_batch_between_which_gains_are_furthest_apart() -> None:
    machines = hypotheses(read_cluster("gb200_nvl72"), FabricOptions())
    found = {one.name: one for one in window_hypotheses(SILICON, R1, STEP, machines)}
    ends = [f"{end} kernels" for end in ("fastest", "slowest")]
    crossed = [f"{end}; {walk}" for end in ends for walk in EXTREME_WALKS]
    assert set(found) == {*ends, *crossed, "copies take least from kernels"}
    by_name = {one.name: one for one in machines}
    for end in ends:
        for walk in EXTREME_WALKS:
            assert found[f"{end}; {walk}"].constants == by_name[walk].constants
            assert found[f"{end}; {walk}"].compute == found[end].compute


def test_copies_that_take_least_from_kernels_stretch_them_less() -> None:
    (least,) = (one for one in window_hypotheses(SILICON, R1, STEP) if one.name == "copies take least from kernels")
    layers = []
    for config in (SILICON, with_settings(SILICON, least.compute)):
        times = compute_times(config, R1)
        assert times is not None
        layers.append(times.layer(STEP, FIRST_MOE_LAYER))
    assert layers[0].total_s == layers[1].total_s
    assert 1.0 < layers[1].before_slowdown < layers[0].before_slowdown
    assert layers[1].moe_slowdown < 1.0 + 1e-12 < layers[0].moe_slowdown


def test_uneven_ranks_matter_to_dep_alone() -> None:
    (uneven,) = dep_hypotheses(SILICON)
    slow, given = (compute_times(config, R1) for config in (with_settings(SILICON, uneven.compute), SILICON))
    assert slow is not None
    assert given is not None
    assert (given.rank_imbalance, slow.rank_imbalance) == (1.0, 1.28)
    assert slow.layer(STEP, FIRST_MOE_LAYER) == given.layer(STEP, FIRST_MOE_LAYER)


@pytest.mark.parametrize("name", ["roofline_gb200", "constant"])
def test_windows_of_another_origin_have_no_such_hypotheses(name: str) -> None:
    config = preset_compute(name)
    assert window_hypotheses(config, R1, STEP) == dep_hypotheses(config) == []
