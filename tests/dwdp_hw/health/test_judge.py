"""A slow machine is called low, a healthy one ok, and one of which nothing is known neither."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_hw.health.judge import LOW, OK, UNKNOWN, judge, judge_rows
from dwdp_hw.health.rates import Rate, measured_rates
from dwdp_hw.health.references import references
from dwdp_hw.health.show import summary
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.simulated_machine import KIB, MIB, PULL, PUSH, job, rates, record

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
CAMPAIGNS = ("h200_x2_ordered", "h200_x2_random", "h200_x2_random_again", "h200_x2_live_calibration", "h200_x2_ipc")
HOSTS = ("h100_x1_live_calibration", "h100_x1_live_validation", "h100_x1_host_experts")


def verdicts(name: str) -> dict[str, str]:
    judged = judge_rows(read_recording(str(MEASUREMENTS / f"{name}.json")))
    return {f"{one.rate.copy} {one.rate.ways}": one.verdict for one in judged}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_healthy_h200s_are_ok(name: str) -> None:
    assert verdicts(name) == {"pull alone": OK, "pull both": OK}


@pytest.mark.parametrize("name", HOSTS)
def test_a_healthy_host_link_is_ok(name: str) -> None:
    assert verdicts(name)["to_gpu alone"] == OK


def test_experts_in_odd_allocations_are_as_slow_as_a_broken_link() -> None:
    assert verdicts("odd_allocation/h200_x2") == {"pull alone": LOW, "pull both": LOW}


def test_rates_of_a_simulated_machine_are_its_constants(tmp_path: Path) -> None:
    cluster = read_cluster("h200_x2").with_values(rates(2e11))
    found = {rate.kind: rate for rate in measured_rates(record(tmp_path / "rows.json", cluster))}
    assert found["peer", "pull", "alone"].bytes_per_s == pytest.approx(2e11, rel=0.03)
    assert found["peer", "pull", "both"].bytes_per_s == pytest.approx(2e11 * 0.941, rel=0.03)


def test_short_shared_and_unstable_rows_show_no_rate(tmp_path: Path) -> None:
    cases = {
        "short": ([job(PULL, "batch", 8, MIB)], True),
        "shared": ([job(PULL, "batch", 64, 32 * MIB), job(PUSH, "batch", 64, 32 * MIB)], True),
        "issued": ([job(PULL, "batch", 4096, 64 * KIB)], False),
        "long": ([job(PULL, "batch", 64, 32 * MIB)], True),
    }
    recording = record(tmp_path / "rows.json", read_cluster("h200_x2"), cases=cases)
    assert [rate.case for rate in measured_rates(recording)] == ["long"]
    unstable = replace(recording, rows=tuple(replace(row, unstable="spread") for row in recording.rows))
    assert measured_rates(unstable) == []


@pytest.mark.parametrize("reference", references(), ids=lambda one: f"{one.gpu} {one.copy} {one.ways}")
def test_a_rate_is_low_below_its_tolerance_and_not_above(reference: object) -> None:
    one = next(each for each in references() if each is reference)
    ends = {"memory": "local", "pcie5": "host"}.get(one.link, "peer")
    for share, verdict in ((1.001, OK), (0.999, LOW)):
        rate = Rate(ends, one.copy, one.ways, share * one.lowest_bytes_per_s, "case")
        assert judge(f"NVIDIA {one.gpu} 80GB", rate).verdict == verdict


@pytest.mark.parametrize(("copies", "said"), [
    (["read"], "healthy: 1 rate as expected"),
    (["read", "write"], "healthy: 1 rate as expected; nothing is known of 1 further one"),
])  # fmt: skip
def test_what_nothing_is_known_of_is_counted_only_where_there_is_any(copies: list[str], said: str) -> None:
    found = [
        judge("NVIDIA H200" if copy == "read" else "None", Rate("peer", "pull", "alone", 4e11, copy)) for copy in copies
    ]
    assert summary([], found) == said


@pytest.mark.parametrize("gpu", ["NVIDIA L40S", "None", "", "NVIDIA XH200", "NVIDIA H2000"])
def test_a_gpu_that_nobody_measured_is_of_an_unknown_kind(gpu: str) -> None:
    found = judge(gpu, Rate("peer", "pull", "alone", 1e9, "case"))
    assert (found.verdict, found.reference) == (UNKNOWN, None)


def test_gh200_is_no_h200() -> None:
    rate = Rate("peer", "pull", "alone", 1.3e11, "case")
    assert judge("NVIDIA GH200 480GB", rate).verdict == OK
    assert judge("NVIDIA H200", rate).verdict == LOW


@pytest.mark.parametrize("gpu", ["NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H200 NVL", "NVIDIA A100-PCIE-40GB"])
def test_cards_of_a_gpu_that_have_no_switch_are_not_compared_with_those_that_have(gpu: str) -> None:
    assert judge(gpu, Rate("peer", "pull", "alone", 5e10, "case")).verdict == UNKNOWN
    if "H100" in gpu:
        assert judge(gpu, Rate("host", "to_gpu", "alone", 5.5e10, "case")).verdict == OK


def test_a_file_without_a_rate_is_judged_in_nothing(tmp_path: Path) -> None:
    empty = Recording("rows.json", "0" * 64, {"gpus": 2, "gpu": "NVIDIA H200"}, "", ())
    assert judge_rows(empty) == []
