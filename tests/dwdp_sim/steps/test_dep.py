"""The DEP baseline: against published ratios, and by laws that tie it to DWDP's compute."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.model.moe import remote_ranks
from dwdp_sim.steps.compute_times import step_windows
from dwdp_sim.steps.dep import DepTimes, dep_layer, dep_step
from dwdp_sim.steps.requests import Chunk, Step
from dwdp_sim.steps.roofline import Roofline
from tests.dwdp_sim.presets import preset_model, preset_peaks

R1 = preset_model("deepseek_r1_nvfp4")
GB200 = preset_peaks("roofline_gb200")
PREFETCH_S = 4_756_342_272 / 900e9

steps = st.lists(st.builds(Chunk, st.integers(1, 20_000), st.integers(0, 20_000)), min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(("isl", "published"), [(8192, 0.73), (16384, 1.27), (32768, 1.17)])
def test_dep_over_dwdp_is_as_published_within_ten_percent(isl: int, published: float) -> None:
    # At 8,192 tokens, four ranks: attention and router 2.3379 ms as under DWDP; shared 0.0722 ms; routed 0.5772 ms, now
    # above the 0.1982 ms for reading 64 experts; 2 exchanges of 8192 · 2.7 · 7168 · 2 bytes at 9e11: 0.7046 ms.
    # Together 3.6918 ms over max(3.2027, 5.2848) ms = 0.699.
    assert dep_over_dwdp(isl) == pytest.approx(published, rel=0.10)


def test_dep_over_dwdp_at_1k_is_near_the_published_0_10() -> None:
    assert dep_over_dwdp(1024) == pytest.approx(0.088, abs=0.001)


def test_a_token_of_eight_experts_reaches_2_7_of_three_other_ranks() -> None:
    assert remote_ranks(4, 8) == pytest.approx(3 * (1 - 0.75**8))  # 2.6997


@pytest.mark.parametrize(("ranks", "top_k"), [(2, 1), (3, 2), (4, 3)])
def test_remote_ranks_are_those_of_all_draws(ranks: int, top_k: int) -> None:
    draws = list(itertools.product(range(ranks), repeat=top_k))
    counted = sum(len(set(draw) - {0}) for draw in draws) / len(draws)  # the token is on rank 0
    assert remote_ranks(ranks, top_k) == pytest.approx(counted)


def test_the_rank_with_most_tokens_sets_the_pace_of_an_exchange() -> None:
    # One rank of 3,000 tokens sends to the others more than they send to it together: 3000 against (1000 · 3) / 3.
    assert Roofline(R1, GB200).exchange_s([3000, 1000, 1000, 1000]) == Roofline(R1, GB200).exchange_s([3000] * 4)


@given(steps)
def test_one_rank_alone_computes_as_under_dwdp(step: Step) -> None:
    windows = step_windows(Roofline(R1, GB200), [[step]])
    alone = dep_step(Roofline(R1, GB200), [step])
    computed = windows.lead_s.sum() + windows.before_s.sum() + windows.moe_s.sum()
    assert alone.total_s == pytest.approx(computed, rel=1e-12)
    assert alone.communication_s == alone.synchronization_s == 0


@given(st.lists(steps, min_size=2, max_size=4))
def test_the_slowest_rank_counts_in_each_phase(ranks: list[Step]) -> None:
    together = dep_layer(Roofline(R1, GB200), ranks, layer=3)
    own = [Roofline(R1, GB200).layer(step, 3) for step in ranks]
    assert together.total_s >= max(times.before_s + times.shared_s for times in own)
    assert together.synchronization_s >= -1e-15
    mean = together.compute_s
    assert together.compute_s + together.synchronization_s <= len(ranks) * mean * (1 + 1e-12)


@given(steps, st.integers(2, 6))
def test_equal_ranks_do_not_wait(step: Step, ranks: int) -> None:
    assert dep_step(Roofline(R1, GB200), [step] * ranks).synchronization_s == pytest.approx(0, abs=1e-12)


def test_waiting_at_twenty_percent_variation_is_as_published_if_that_is_of_the_ranks_attention_time() -> None:
    """Published: 10–12 % of an iteration at 20 % variation of the ranks' sequence lengths; it is not said how measured.

    Four ranks with one request each of 8,192 tokens on average, normally distributed. The time before the experts
    varies 1.44 times as much as the lengths, so 13.6 % of the lengths are about 20 % of the time.
    """
    waited = share_of_waiting(0.136)
    assert 0.10 < waited < 0.12
    assert pytest.approx(waited, rel=0.05) == 1.03 * 0.2 * 2.338 / (3.692 + 1.03 * 0.2 * 2.338)  # largest of 4: 1.03 σ


def test_waiting_at_twenty_percent_variation_of_the_lengths_themselves_is_more_than_published() -> None:
    assert share_of_waiting(0.2) == pytest.approx(0.157, abs=0.01)


def dep_over_dwdp(isl: int) -> float:
    dwdp_s = max(Roofline(R1, GB200).layer((Chunk(isl),), 3).total_s, PREFETCH_S)
    return dep_layer(Roofline(R1, GB200), [(Chunk(isl),)] * 4, 3).total_s / dwdp_s


def share_of_waiting(cv: float) -> float:
    lengths = np.random.default_rng(0).normal(8192, cv * 8192, (400, 4)).clip(1).astype(int)
    layers: list[DepTimes] = [dep_layer(Roofline(R1, GB200), [(Chunk(int(n)),) for n in ranks], 3) for ranks in lengths]
    return sum(layer.synchronization_s for layer in layers) / sum(layer.total_s for layer in layers)
