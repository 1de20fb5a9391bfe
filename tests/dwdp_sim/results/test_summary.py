from __future__ import annotations

import numpy as np
import pytest

from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.results.predict import predict
from dwdp_sim.results.summary import Latency, LayerSummary, draw_spread
from dwdp_sim.results.summary_head import MemoryBytes, memory_bytes
from tests.dwdp_sim.composing import job


def test_the_lower_bound_is_the_busiest_resource_s_bytes_over_its_best_rate() -> None:
    # R1, N = 4: every GPU sends and receives 4,756,342,272 bytes at 798 GB/s.
    built = job()
    assert lower_bound_s(built.program, built.constants) == pytest.approx(4_756_342_272 / 798e9)


def test_with_experts_in_host_memory_the_bound_is_the_host_link_s() -> None:
    built = job("cluster=h100_x1_host", "model=deepseek_v3_lite_nvfp4")
    assert lower_bound_s(built.program, built.constants) == pytest.approx(
        358_318_512 / built.cluster.rate("host_in_bytes_per_s")
    )


def test_memory_is_resident_experts_of_all_layers_and_two_slots() -> None:
    # 58 layers × 64 experts × 24,772,616 bytes; two slots of 192 experts.
    layer = job().layer
    assert memory_bytes(layer) == MemoryBytes(experts=58 * 64 * 24_772_616, slots=2 * 192 * 24_772_616)


def test_latency_figures_are_those_of_the_ranks() -> None:
    found = Latency.of(np.array([1.0, 2.0, 3.0, 10.0]))
    assert (found.mean, found.p50, found.max) == (4.0, 2.5, 10.0)
    assert found.p95 == pytest.approx(8.95)


def test_the_spread_of_draws_is_the_largest_distance_of_one_from_their_mean() -> None:
    # Means of the draws 2, 3, 4: the mean is 3, and single runs differ from it by up to a third.
    assert draw_spread(np.array([[1.0, 3.0], [3.0, 3.0], [4.0, 4.0]])) == pytest.approx(1 / 3)
    assert draw_spread(np.array([[1.0, 3.0]])) is None
    assert draw_spread(np.zeros((2, 1))) == 0.0


def test_a_summary_s_breakdown_adds_up_and_holds_every_documented_key() -> None:
    built = job("strategy=default", "issue_mode=as_issued")
    _, summary = predict(built)
    assert isinstance(summary, LayerSummary)
    assert set(summary.to_dict()) == {
        "schema", "config_hash", "cluster", "model", "strategy", "implementation", "dwdp_size", "issue_mode", "home",
        "plan", "memory_bytes", "lower_bound_s", "prefetch_latency_s", "ranks", "assumed_constants", "range_s",
        "wall_s", "start", "draws", "draw_spread",
    }  # fmt: skip
    for row in summary.ranks:
        parts = (row.host_s, row.gap_s, row.transfer_s, row.contention_s)
        assert sum(parts) == pytest.approx(row.prefetch_latency_s, rel=1e-12)
        assert min(parts) >= 0
        assert row.prefetch_latency_s >= summary.basis.lower_bound_s
    assert summary.ranks[0].host_s > 0
