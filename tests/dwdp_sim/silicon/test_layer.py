"""The operations of a layer, and how far its time is apart over what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.silicon.attention import mla_module
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.layer import exchange_operations, layer_operations
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.silicon.tables import Tables
from tests.dwdp_sim.silicon.models import Chunk, shipped

TABLES = Tables.presets()
STEP = (Chunk(8192), Chunk(8192))
R1 = shipped("deepseek_r1_nvfp4")
NAMES = (
    "deepseek_r1_nvfp4", "deepseek_r1_fp8", "kimi_k2_nvfp4", "qwen3_235b_nvfp4", "gpt_oss_120b_mxfp4",
    "mixtral_8x7b_bf16", "deepseek_v3_lite_nvfp4",
)  # fmt: skip
HOPPER, BLACKWELL = ("h100", "h200"), ("gb200", "gb300", "b200")


def operations(name: str, gpu: str, choices: Choices, layer: int | None = None) -> tuple[Operation, ...]:
    return layer_operations(shipped(name), TABLES, gpu, choices, STEP, layer)


@pytest.mark.parametrize("backend", ["trtllm", "sglang"])
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_model_is_covered_but_fp4_on_hopper(name: str, backend: str) -> None:
    for gpu in BLACKWELL + HOPPER:
        if gpu in HOPPER and name.endswith("nvfp4"):
            with pytest.raises(ConfigError, match=f"in nvfp4 on {gpu} with {backend}; take a roofline"):
                operations(name, gpu, Choices(backend))
            continue
        found = operations(name, gpu, Choices(backend))
        assert {one.kind for one in found} == {"attention", "dense", "grouped", "other"}
        assert all(0 < one.time.low_s <= one.seconds * (1 + 1e-12) for one in found)
        assert all(one.seconds <= one.time.high_s * (1 + 1e-12) for one in found)


def test_a_layer_is_split_at_the_point_where_it_waits_for_its_experts() -> None:
    found = layer_operations(R1, TABLES, "gb200", Choices(projections="nvfp4"), [Chunk(7369)] * 4)
    names = [one.name for one in found if not one.name.startswith("quantisation")]
    assert names == [
        "input norm", "qkv_a projection", "q_b projection", "kv_b projection", "norms of latents, joined keys",
        "rotary position, cache, quantisation", "attention", "output projection", "norm before feed-forward", "router",
        "routed experts", "finalize", "shared gate and up", "shared activation", "shared down", "sum of experts",
    ]  # fmt: skip
    assert [one.in_moe for one in found] == sorted(one.in_moe for one in found)
    assert next(one for one in found if one.in_moe).name == "routed experts"


def test_a_dense_layer_has_a_wide_block_and_no_experts() -> None:
    found = operations("deepseek_r1_nvfp4", "gb200", Choices(), layer=0)
    assert not any(one.in_moe or one.kind == "grouped" or one.name == "router" for one in found)
    wide = seconds_of(one for one in found if one.name.startswith(("dense", "quantisation for dense")))
    assert 58 / 61 * 3 * wide < 0.3 * seconds_of(found) * 3
    with pytest.raises(ConfigError, match="dense_intermediate_size"):
        layer_operations(replace(R1, dense_intermediate_size=0), TABLES, "gb200", Choices(), STEP, 0)


def test_kinds_say_what_a_copy_beside_them_takes_away() -> None:
    bounds = {(one.kind, one.bound) for one in operations("qwen3_235b_nvfp4", "gb200", Choices())}
    assert bounds == {("attention", "power"), ("dense", "neither"), ("grouped", "neither"), ("other", "memory")}


@pytest.mark.parametrize("gpu", ["gb200", "b200"])  # where the block takes more than its parts, and where less
def test_the_parts_of_attention_add_up_to_the_block_that_was_measured(gpu: str) -> None:
    step = [Chunk(7369)] * 4
    found = layer_operations(R1, TABLES, gpu, Choices(projections="nvfp4"), step)
    outside = {"input norm", "norm before feed-forward", "router"}
    block_s = seconds_of(one for one in found if not one.in_moe and one.name not in outside)
    assert R1.attention is not None
    kernels = TABLES.on(gpu, "trtllm")
    assert block_s == pytest.approx(mla_module(kernels, "fp8", "nvfp4", R1.attention, step).seconds, rel=1e-6)


def test_windows_alternate_where_the_model_says_so() -> None:
    windowed, full = (operations("gpt_oss_120b_mxfp4", "b200", Choices("sglang"), layer) for layer in (0, 1))
    assert seconds_of(windowed, "attention") < seconds_of(full, "attention") / 2
    assert seconds_of(windowed, "dense", "grouped") == seconds_of(full, "dense", "grouped")


def test_rotary_position_is_added_where_the_rows_leave_it_out() -> None:
    of = {backend: operations("gpt_oss_120b_mxfp4", "b200", Choices(backend)) for backend in ("trtllm", "sglang")}
    formulas = {
        backend: [one for one in found if one.name == "rotary position and cache"] for backend, found in of.items()
    }
    assert not formulas["trtllm"]
    assert len(formulas["sglang"]) == 1


def test_later_chunks_make_keys_and_values_of_their_context_anew() -> None:
    choices = Choices("sglang")  # without a measured block nothing is scaled to it
    first = layer_operations(R1, TABLES, "gb200", choices, [Chunk(4096)])
    later = layer_operations(R1, TABLES, "gb200", choices, [Chunk(4096, 12288)])
    grown = {a.name: b.seconds / a.seconds for a, b in zip(first, later, strict=True) if b.seconds > a.seconds * 1.2}
    assert set(grown) == {"kv_b projection", "attention"}
    assert grown["attention"] == pytest.approx(7, rel=0.15)


def test_choices_change_what_they_name() -> None:
    def seconds(choices: Choices, *kinds: str) -> float:
        return seconds_of(operations("deepseek_r1_nvfp4", "gb200", choices), *kinds)  # type: ignore[arg-type]

    assert seconds(Choices(projections="nvfp4"), "dense") < seconds(Choices(), "dense")
    assert seconds(Choices(cache="bf16"), "attention") > 1.4 * seconds(Choices(cache="fp8"), "attention")
    assert seconds(Choices(load="balanced"), "grouped") < seconds(Choices(), "grouped")
    assert seconds(Choices(kernel="moe_torch_flow_cutlass"), "grouped") > seconds(Choices(), "grouped")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"load": "even"}, r"compute\.load=even: allowed: balanced"),
        ({"cache": "fp4"}, r"compute\.cache=fp4: allowed: model, bf16, fp8"),
        ({"projections": "int4"}, r"compute\.projections=int4: allowed: model, bf16, fp8_block, nvfp4"),
        ({"backend": "vllm"}, r"compute\.backend=vllm: allowed: trtllm, sglang"),
    ],
)
def test_a_choice_that_is_none_is_refused(choices: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Choices(**choices)


def test_tables_of_another_version_are_refused() -> None:
    assert operations("deepseek_r1_nvfp4", "gb200", Choices(version="1.3.0rc20"))
    with pytest.raises(ConfigError, match=r"compute\.version=1\.2: the tables hold trtllm 1\.3\.0rc20"):
        operations("deepseek_r1_nvfp4", "gb200", Choices(version="1.2"))


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.attention=missing"):
        layer_operations(replace(R1, attention=None), TABLES, "gb200", Choices(), STEP)


def test_exchanges_are_operations_of_communication() -> None:
    found = exchange_operations(R1, TABLES, "gb200", Choices(), 8192, 4)
    assert [(one.name, one.kind) for one in found] == [("dispatch", "communication"), ("combine", "communication")]
