"""Which choices make a layer fastest and slowest."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.experts import LOADS
from dwdp_sim.silicon.layer import layer_operations
from dwdp_sim.silicon.operation import seconds_of
from dwdp_sim.silicon.spread import fastest_and_slowest
from dwdp_sim.silicon.tables import BACKENDS, Tables
from dwdp_sim.steps.requests import Chunk
from tests.dwdp_sim.presets import preset_model

R1, GPT_OSS = preset_model("deepseek_r1_nvfp4"), preset_model("gpt_oss_120b_mxfp4")
STEP = (Chunk(8192), Chunk(8192))
TABLES = Tables.presets()


@pytest.mark.parametrize("name", ["deepseek_r1_nvfp4", "gpt_oss_120b_mxfp4", "qwen3_235b_nvfp4", "mixtral_8x7b_bf16"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_choice_of_cache_and_load_is_faster_or_slower(name: str, backend: str) -> None:
    model, given = preset_model(name), Choices(backend)

    def seconds(choices: Choices) -> float:
        return seconds_of(layer_operations(model, TABLES, "B200", choices, STEP))

    fastest_s, slowest_s = map(seconds, fastest_and_slowest(model, TABLES, "B200", given, STEP))
    for cache, load in itertools.product(("bf16", "fp8"), LOADS):
        assert fastest_s - 1e-12 <= seconds(replace(given, cache=cache, load=load)) <= slowest_s + 1e-12
    assert slowest_s > fastest_s


def test_projections_of_deepseek_r1_are_fastest_in_four_bits_and_slowest_in_the_checkpoint_s_own_format() -> None:
    fastest, slowest = fastest_and_slowest(R1, TABLES, "GB200", Choices("trtllm"), STEP)
    assert (fastest.projections, slowest.projections) == ("nvfp4", "model")


def test_weights_of_four_bits_may_meet_activations_of_eight_or_sixteen() -> None:
    fastest, slowest = fastest_and_slowest(GPT_OSS, TABLES, "B200", Choices("sglang"), STEP)
    assert (fastest.experts, slowest.experts) == ("w4a8_mxfp4_mxfp8", "w4a16_mxfp4")


@pytest.mark.parametrize("known", ["kernel", "load", "cache", "projections", "experts"])
def test_what_is_known_stays(known: str) -> None:
    given = Choices("sglang", load="balanced", cache="fp8", experts="w4a16_mxfp4")
    unknown = {"kernel", "load", "cache", "projections", "experts"} - {known}
    for found in fastest_and_slowest(GPT_OSS, TABLES, "B200", given, STEP, unknown):
        assert getattr(found, known) == getattr(given, known)
