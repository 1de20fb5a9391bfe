"""Times of single operations: provenance, ranges, and the rules outside the tables."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import remote_ranks
from dwdp_sim.silicon.attention import gqa, mla, mla_module, pairs
from dwdp_sim.silicon.dense import gemm, memory_bound, quantising, split_gemm
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import expert_dtypes, expert_kernels, finalize, hottest_rank, moe
from dwdp_sim.silicon.kernel_time import KernelTime
from tests.dwdp_sim.silicon.models import Chunk, kernels, shipped

R1 = shipped("deepseek_r1_nvfp4")
GPT_OSS = shipped("gpt_oss_120b_mxfp4")
GENERATED, CUTLASS = "moe_torch_flow_min_latency", "moe_torch_flow_cutlass"


def latent(name: str = "deepseek_r1_nvfp4") -> Attention:
    attention = shipped(name).attention
    assert attention is not None
    return attention


def test_every_row_of_the_experts_is_its_own_answer() -> None:
    key = (7168, 2048, 256, 8, 1)
    tables = [one for one in kernels().of("moe", "nvfp4", "balanced") if key in one.curves]
    assert {one.source.kernel for one in tables} == {GENERATED, CUTLASS}
    for table in tables:
        for tokens, seconds in zip(*table.curves[key], strict=True):
            time = moe(kernels(), R1, int(tokens), table.source.kernel, "balanced")
            assert (time.seconds, time.how, time.outside) == (seconds, "measured", 1.0)


def test_a_time_says_where_it_comes_from() -> None:
    time = moe(kernels(), R1, 16384, load="balanced")
    assert (time.table, time.version, time.kernel) == ("gb200/trtllm/moe", "1.3.0rc20", GENERATED)
    assert time.dtype == "nvfp4, balanced"
    assert gemm(kernels("b200", "sglang"), "bfloat16", 4096, 7168, 2048).version == "0.5.14"


def test_beyond_the_rows_experts_have_a_range_from_the_secant_to_parts_inside() -> None:
    time = moe(kernels(), R1, 29475, GENERATED)
    assert (time.how, time.outside) == ("held", pytest.approx(29475 / 16384))
    assert time.low_s * 1e3 == pytest.approx(5.12, abs=0.01)
    assert time.seconds * 1e3 == pytest.approx(5.64, abs=0.01)
    assert time.high_s == pytest.approx(2 * moe(kernels(), R1, 14737, GENERATED).seconds, rel=1e-3)


@settings(max_examples=50)
@given(st.integers(16385, 10**6), st.integers(0, 10**5))
def test_beyond_the_rows_more_tokens_take_no_less_time(tokens: int, more: int) -> None:
    for operation in (lambda n: moe(kernels(), R1, n), lambda n: gemm(kernels(), "nvfp4", 2 * n, 7168, 2048)):
        assert operation(tokens + more).seconds >= operation(tokens).seconds


def test_the_fastest_kernel_is_chosen_with_the_sum_that_its_rows_leave_out() -> None:
    for tokens in (64, 1024, 16384):
        chosen = moe(kernels(), R1, tokens)
        whole = {
            name: moe(kernels(), R1, tokens, name).seconds + finalize(kernels(), R1, tokens, name).seconds
            for name in (GENERATED, CUTLASS)
        }
        assert chosen.kernel == min(whole, key=whole.__getitem__)
    assert finalize(kernels(), R1, 1024, CUTLASS).seconds == 0.0


def test_a_shape_that_was_not_measured_takes_the_nearest_with_a_range() -> None:
    lite = shipped("deepseek_v3_lite_nvfp4")
    time = moe(kernels(), lite, 16384, CUTLASS, "balanced")
    assert time.how == "neighbour"
    assert time.outside == pytest.approx(2.22, abs=0.01)  # from the shape of Qwen3-235B
    assert time.seconds * 1e3 == pytest.approx(1.23, abs=0.01)
    assert time.low_s <= time.seconds < time.high_s
    with pytest.raises(ConfigError, match=r"no measured experts of shape \(512, 256, 8, 2\)"):
        moe(kernels(), replace(lite, hidden_size=512, intermediate_size=256, num_experts=8, top_k=2), 4096)


def test_experts_that_were_measured_on_two_ranks_alone_take_those_rows() -> None:
    time = moe(kernels("h100"), GPT_OSS, 4096, load="balanced")
    table = next(
        one for one in kernels("h100").of("moe", "w4a16_mxfp4", "balanced") if one.source.kernel == time.kernel
    )
    curve = table.curves[2880, 2880, 128, 4, 2]
    assert (time.how, time.seconds) == ("neighbour", curve.seconds[curve.x.tolist().index(8192)])


def test_mxfp4_experts_meet_fp8_activations_where_that_was_measured() -> None:
    assert expert_dtypes(kernels(), GPT_OSS) == ("w4a8_mxfp4_mxfp8", "w4a16_mxfp4")
    assert expert_dtypes(kernels("h200"), GPT_OSS) == ("w4a16_mxfp4",)
    assert expert_kernels(kernels(), R1, "nvfp4", "balanced") == (CUTLASS, GENERATED)


def test_a_rank_among_several_takes_as_long_as_one_with_as_many_tokens() -> None:
    alone, among = moe(kernels(), R1, 4096), moe(kernels(), R1, 4096, ranks=4)
    assert among.seconds == alone.seconds
    assert among.how == "neighbour"
    assert among.low_s <= alone.low_s


def test_the_hottest_rank_is_the_slower_the_steeper_the_load() -> None:
    ratios = [hottest_rank(kernels(), R1, 4096, 4, load) for load in ("balanced", "power_law_1.01", "power_law_1.2")]
    assert ratios == sorted(ratios)
    assert ratios[0] == 1.0
    assert ratios[1] == pytest.approx(1.25, abs=0.05)


def test_a_product_holds_its_end_and_an_unknown_matrix_is_marked() -> None:
    assert gemm(kernels(), "nvfp4", 4096, 7168, 2048).how == "measured"
    assert gemm(kernels(), "nvfp4", 50000, 7168, 2048).how == "held"
    unknown = gemm(kernels(), "nvfp4", 29475, 2112, 7168)
    assert unknown.how == "neighbour"
    assert unknown.low_s < unknown.seconds < unknown.high_s


@given(st.integers(1, 60000), st.sampled_from(("bfloat16", "nvfp4", "fp8_block")))
def test_the_two_parts_of_a_product_add_up(rows: int, dtype: str) -> None:
    product, quantised = split_gemm(kernels(), dtype, rows, 24576, 1536)
    whole = gemm(kernels(), dtype, rows, 24576, 1536)
    assert product.seconds + quantised.seconds == pytest.approx(whole.seconds)
    assert 0 <= quantised.seconds <= quantising(kernels(), dtype, rows, 1536).seconds * (1 + 1e-12)
    assert (quantised.seconds == 0) == (dtype == "bfloat16")


def test_a_kernel_that_only_moves_bytes_follows_the_formula() -> None:
    time = memory_bound(kernels().gpu, 6.4e9)
    assert time.seconds == pytest.approx(1e-3 + 3e-6)
    assert (time.how, time.low_s) == ("formula", pytest.approx(0.8e-3))
    assert memory_bound(kernels().gpu, 0).seconds == 0.0


@given(st.integers(1, 30000), st.integers(0, 30000))
def test_pairs_of_chunks_add_up_to_those_of_the_request(first: int, second: int) -> None:
    whole = first + second
    assert pairs(whole) == pairs(first) + second * first + second * (second + 1) // 2


@given(st.integers(0, 2000), st.integers(1, 300))
def test_under_a_window_a_token_sees_no_more_than_that(tokens: int, window: int) -> None:
    assert pairs(tokens, window) == sum(min(place + 1, window) for place in range(tokens))


def test_a_chunk_behind_context_computes_its_share_of_pairs_and_of_tokens() -> None:
    whole = mla(kernels(), "fp8", latent(), [Chunk(16384)])
    last = mla(kernels(), "fp8", latent(), [Chunk(4096, 12288)])
    assert last.linear.seconds == pytest.approx(whole.linear.seconds / 4)
    assert last.quadratic.seconds == pytest.approx(whole.quadratic.seconds * (1 - pairs(12288) / pairs(16384)))


def test_the_quadratic_part_of_latent_attention_runs_at_a_rate_that_the_gpu_has() -> None:
    for cache, least, most in (("fp8", 2.0e15, 2.3e15), ("bf16", 1.2e15, 1.4e15)):
        time = mla(kernels(), cache, latent(), [Chunk(8192)] * 4).quadratic
        assert least < 4 * 320 * 128 * 8192**2 / time.seconds < most


def test_requests_of_a_step_take_a_part_of_a_batch_and_the_range_includes_a_single_one() -> None:
    chunks = [Chunk(7369)] * 4
    together, alone = mla(kernels(), "fp8", latent(), chunks), mla(kernels(), "fp8", latent(), chunks[:1])
    assert together.quadratic.low_s <= 4 * alone.quadratic.seconds <= together.quadratic.high_s * (1 + 1e-12)
    unequal = mla(kernels(), "fp8", latent(), [Chunk(7000), Chunk(7738)]).seconds
    assert unequal == pytest.approx(mla(kernels(), "fp8", latent(), [Chunk(7369)] * 2).seconds, rel=0.01)


def test_the_whole_block_takes_longer_than_attention_alone() -> None:
    chunks = [Chunk(7369)] * 4
    block = mla_module(kernels(), "fp8", "nvfp4", latent(), chunks)
    assert block.seconds * 1e3 == pytest.approx(9.81, abs=0.01)
    assert block.seconds > mla(kernels(), "fp8", latent(), chunks).seconds


def test_long_requests_are_held_and_marked() -> None:
    time = mla(kernels(), "fp8", latent(), [Chunk(131072)]).quadratic
    assert (time.how, time.outside) == ("held", pytest.approx(4.0))


def test_under_a_window_all_of_attention_grows_with_the_tokens() -> None:
    full, windowed = (gqa(kernels(), "bf16", latent("gpt_oss_120b_mxfp4"), w, [Chunk(8192)] * 2) for w in (0, 128))
    assert windowed.seconds < full.seconds / 2
    assert windowed.linear.seconds == 0.0


def test_an_exchange_reaches_fewer_ranks_than_the_rows_send_to() -> None:
    found = all_to_all(kernels(), R1, 29475, 4)
    assert remote_ranks(4, 8) == pytest.approx(2.7, abs=0.001)
    assert found.prepare is None
    assert found.seconds / found.high_s == pytest.approx(remote_ranks(4, 8) / 3)
    assert found.seconds == math.fsum(time.seconds for time in found.times)
    assert all_to_all(kernels(), R1, 29475, 4, "NVLinkTwoSided").prepare is not None


def test_where_no_exchange_was_measured_nccl_is_taken_and_the_links_give_the_bound() -> None:
    found = all_to_all(kernels("h200"), shipped("deepseek_r1_fp8"), 8192, 4)
    assert (found.dispatch.kernel, found.dispatch.table) == ("NCCL", "h200/nccl/nccl")
    assert found.low_s < found.seconds
    other = all_to_all(kernels("gb300"), R1, 8192, 4)
    assert {time.how for time in other.times} == {"neighbour"}
    assert other.seconds == pytest.approx(all_to_all(kernels(), R1, 8192, 4).seconds)


def test_an_unmeasured_number_of_ranks_is_scaled_and_marked() -> None:
    three, four = (all_to_all(kernels("b200", "sglang"), GPT_OSS, 8192, ranks) for ranks in (3, 4))
    assert {(time.how, time.outside) for time in three.times} == {("neighbour", 4 / 3)}
    assert three.seconds < four.seconds
    assert all_to_all(kernels(), R1, 8192, 64).dispatch.outside == pytest.approx(4.0)  # 16 ranks are shipped


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: moe(kernels("h100"), R1, 4096),
            "no measured experts of shape .* in nvfp4 on h100 with trtllm; take a roof",
        ),
        (lambda: gemm(kernels("h100"), "nvfp4", 4096, 7168, 2048), "no measured gemm of nvfp4 on h100"),
        (lambda: gemm(kernels(), "nvfp4", 4096, 8, 8), "no measured gemm of about 8 × 8 in nvfp4 on gb200"),
        (
            lambda: moe(kernels(), R1, 4096, "triton"),
            f"compute.kernel=triton: allowed: fastest, {CUTLASS}, {GENERATED}",
        ),
        (lambda: moe(kernels(), R1, 4096, load="even"), "compute.load=even: allowed: balanced, power_law_1.01"),
        (
            lambda: mla(kernels(), "fp8", replace(latent(), v_head_dim=64), [Chunk(4096)]),
            "measured was .* take a roofline",
        ),
        (lambda: all_to_all(kernels(), R1, 4096, 1), "at least two ranks"),
        (lambda: all_to_all(kernels(), R1, 4096, 4, "rings"), "compute.exchange=rings: allowed: default"),
        (
            lambda: gqa(kernels(), "fp8", Attention("gqa", 6, num_kv_heads=3, head_dim=80), 0, [Chunk(4096)]),
            "no measured attention of 3 key heads of width 80",
        ),
    ],
)
def test_what_the_tables_lack_is_said_in_one_line(ask: object, message: str) -> None:
    assert callable(ask)
    with pytest.raises(ConfigError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)


def test_the_range_of_a_sum_is_the_sum_of_the_ranges() -> None:
    time = moe(kernels(), R1, 29475)
    twice = time.scaled(2.0)
    assert isinstance(twice, KernelTime)
    assert (twice.low_s, twice.seconds, twice.high_s) == (2 * time.low_s, 2 * time.seconds, 2 * time.high_s)
    assert replace(twice, seconds=time.seconds, low_s=time.low_s, high_s=time.high_s) == time
