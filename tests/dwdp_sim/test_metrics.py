from __future__ import annotations

import numpy as np
import pytest

from dwdp_sim.metrics import latency, latency_range, lower_bound_s, memory_bytes, summarize, unmeasured_rules
from dwdp_sim.simulate import simulate
from tests.dwdp_sim.composing import job


def test_the_lower_bound_is_the_busiest_resource_s_bytes_over_its_best_rate() -> None:
    # R1, N = 4: every GPU sends and receives 4,756,342,272 bytes; egress 768 GB/s is tighter than ingress 794.9 GB/s.
    built = job()
    assert lower_bound_s(built.program, built.constants) == pytest.approx(4_756_342_272 / 768e9)


def test_with_experts_in_host_memory_the_bound_is_the_host_link_s() -> None:
    built = job("cluster=h100_x1_host", "model=deepseek_v3_lite_nvfp4")
    assert lower_bound_s(built.program, built.constants) == pytest.approx(358_318_512 / 54.4e9)


def test_memory_is_resident_experts_of_all_layers_and_two_slots() -> None:
    # 58 layers × 64 experts × 24,772,616 bytes; two slots of 192 experts.
    layer = job().layer
    assert layer is not None
    assert memory_bytes(layer) == {"experts": 58 * 64 * 24_772_616, "slots": 2 * 192 * 24_772_616}


def test_latency_figures_are_those_of_the_ranks() -> None:
    assert latency(np.array([1.0, 2.0, 3.0, 10.0])) == {
        "mean": 4.0,
        "p50": 2.5,
        "p95": pytest.approx(8.95),
        "max": 10.0,
    }


def test_a_range_spans_all_runs_figure_by_figure() -> None:
    found = latency_range([np.array([1.0, 4.0]), np.array([2.0, 2.0])])
    assert found["mean"] == [2.0, 2.5]
    assert found["max"] == [2.0, 4.0]
    assert found["ranks"] == [[1.0, 2.0], [2.0, 4.0]]


def test_the_range_tries_one_to_three_sources_and_both_refills_once_each() -> None:
    rules = unmeasured_rules(job())
    assert rules is not None
    tried = {(rule.in_flight_sources, rule.refill) for rule in rules} | {(2, "oldest")}
    assert tried == {(1, "oldest"), (2, "oldest"), (2, "any"), (3, "oldest"), (3, "any")}  # one in flight: no choice


def test_no_range_where_it_cannot_matter_or_is_not_wanted() -> None:
    assert unmeasured_rules(job("strategy=default")) == []
    assert unmeasured_rules(job("dwdp.dwdp_size=2")) is None
    assert unmeasured_rules(job("workload.range=false")) is None


def test_a_summary_s_breakdown_adds_up_and_holds_every_documented_key() -> None:
    built = job("strategy=default", "issue_mode=as_issued")
    timeline = simulate(built.program, built.constants, built.options)
    summary = summarize(built, timeline, [], 0.25)
    assert set(summary) == {
        "schema", "config_hash", "cluster", "model", "strategy", "implementation", "dwdp_size", "issue_mode", "home",
        "plan", "memory_bytes", "lower_bound_s", "prefetch_latency_s", "ranks", "assumed_constants", "range_s",
        "wall_s",
    }  # fmt: skip
    for row in summary["ranks"]:
        parts = [row[f"{part}_s"] for part in ("host", "gap", "transfer", "contention")]
        assert sum(parts) == pytest.approx(row["prefetch_latency_s"], rel=1e-12)
        assert min(parts) >= 0
        assert row["prefetch_latency_s"] >= summary["lower_bound_s"]
    assert summary["ranks"][0]["host_s"] > 0
