"""Measured rows: what they say of a case, when they call it unstable, and that a recording of them can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.cases.campaign import one_gpu_cases, peer_cases
from dwdp_hw.cases.case import Case, Pipeline
from dwdp_hw.cases.result import Detail, LayerTimes, RankResult, Reading, Sample
from dwdp_hw.cases.shapes import pieces_case
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.schema import FIELDS
from dwdp_hw.rows.stability import LARGEST_SPREAD, over_nvlink, why_unstable
from dwdp_hw.rows.streams_codec import fold_pieces
from dwdp_hw.rows.write import measured_row
from dwdp_sim.plan.copy_plan import ASYNC, BATCH

EMPTY = Reading()
MEASUREMENTS = Path(__file__).parents[3] / "measurements"


def result(rank: int, elapsed_s: list[float], **changes: object) -> RankResult:
    samples = [Sample(s, 1e-5, 100.0 + rank * 1e-6, 1, gate_late=False) for s in elapsed_s]
    found = RankResult(
        rank,
        "node",
        "GPU",
        "cudaMemcpyAsync",
        True,
        samples,
        None,
        None,
        [],
        {},
        None,
        1e-6,
        EMPTY,
        EMPTY,
        0,
        len(samples),
        {},
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_ranks_of_several_hosts_have_no_common_clock(small_case: Callable[..., Case]) -> None:
    results = [result(0, [1e-3] * 3), result(1, [1e-3] * 3, host="another")]
    assert measured_row(small_case(), results)["start_us_runs"] is None


def test_a_row_holds_median_and_spread_of_every_rank_and_the_raw_runs(small_case: Callable[..., Case]) -> None:
    row = measured_row(small_case(), [result(0, [1e-3, 3e-3, 2e-3]), result(1, [4e-3, 4e-3, 4e-3])])
    assert row["device_us"] == [
        {"median": 2000.0, "min": 1000.0, "max": 3000.0},
        {"median": 4000.0, "min": 4000.0, "max": 4000.0},
    ]
    assert row["device_us_runs"] == [[1000.0, 3000.0, 2000.0], [4000.0] * 3]
    assert row["start_skew_us"] == {"median": 1.0, "max": 1.0}
    assert row["start_us_runs"] == [[0.0] * 3, [1.0] * 3]
    assert row["queued_behind_gate"]


def test_a_gate_that_opened_late_is_not_called_queued_and_not_stable(small_case: Callable[..., Case]) -> None:
    late = [Sample(1e-3, 1e-5, 100.0, 1, gate_late=number == 1) for number in range(3)]
    row = measured_row(small_case(), [result(0, [], samples=late), result(1, [1e-3] * 3)])
    assert not row["queued_behind_gate"]
    assert row["unstable_reason"] == "rank 0: the gate opened by its time-out in 1 runs"


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([1e-3, 1.0], "only 2 runs; 3 are needed"),
        ([1e-3, 1.1e-3, 1.2e-3, 1.3e-3], r"spread 12\.9% of the median"),
        ([1e-3] * 8 + [1.6e-3], r"slowest run 1\.60 × the median"),
    ],
)
def test_a_row_is_unstable_for_stated_reasons(runs: list[float], reason: str) -> None:
    (said,) = why_unstable([result(0, runs)], [runs])
    assert re.search(reason, said)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(1e-5, 1.0), st.lists(st.floats(-0.02, 0.02), min_size=3, max_size=20))
def test_runs_within_two_percent_are_never_unstable(base_s: float, offsets: list[float]) -> None:
    assert LARGEST_SPREAD > 0.02 * 1.4826
    runs = [base_s * (1 + offset) for offset in offsets]
    assert why_unstable([result(0, runs)], [runs]) == []


def test_a_scatter_of_microseconds_is_not_a_spread() -> None:
    runs = [8e-6, 9e-6, 10e-6]
    assert why_unstable([result(0, runs)], [runs]) == []


def test_a_slowed_gpu_and_counted_link_errors_make_a_row_unstable() -> None:
    before, after = replace(EMPTY, nvlink_errors=3), replace(EMPTY, nvlink_errors=5, slowdowns=("power brake",))
    reasons = why_unstable([result(1, [1e-3] * 3, before=before, after=after)], [[1e-3] * 3])
    assert reasons == ["rank 1: power brake", "rank 1: NVLink errors were counted"]


@pytest.mark.parametrize(
    ("counted", "verdict"), [(10**7, "yes"), (9_600_000, "yes"), (10_510_000, "not over"), (0, "not over")]
)
def test_bytes_count_as_nvlink_only_if_the_counters_agree(counted: int, verdict: str) -> None:
    before, after = replace(EMPTY, nvlink_rx_bytes=500), replace(EMPTY, nvlink_rx_bytes=500 + counted)
    assert over_nvlink(before, after, 10**7).startswith(verdict)
    assert over_nvlink(EMPTY, after, 10**7).startswith("unknown: the NVLink data counters cannot be read")
    assert over_nvlink(before, after, 10**6).startswith("unknown: 1000000 bytes are too few")


def test_experts_that_are_not_in_a_peer_are_never_called_nvlink(small_case: Callable[..., Case]) -> None:
    counted = replace(EMPTY, nvlink_rx_bytes=10**7)
    zero = replace(EMPTY, nvlink_rx_bytes=0)
    found = [result(r, [1e-3] * 3, before=zero, after=counted, pulled_bytes=10**7) for r in (0, 1)]
    for home in ("host", "local"):
        row = measured_row(small_case(home=home), found)
        assert all(said.startswith("not over NVLink") for said in row["over_nvlink"])
    assert measured_row(small_case(), found)["over_nvlink"] == ["yes", "yes"]


def test_a_pipeline_row_gives_wait_compute_and_copy_of_each_layer(small_case: Callable[..., Case]) -> None:
    steps = [LayerTimes(0, 0.0, 2e-3, 2e-3, 3e-3), LayerTimes(1, 2e-3, 5e-3, 5.5e-3, 6e-3)]
    case = small_case(measure="pipeline", layers=2, pipeline=Pipeline((1e-3,)))
    row = measured_row(case, [result(r, [], layers=[steps] * 3) for r in (0, 1)])
    assert row["device_us"][0]["median"] == 6000.0
    assert row["layer_us"][0] == [
        {"wait": 2000.0, "compute": 1000.0, "copy": 2000.0, "copy_begin": 0.0},
        {"wait": 2500.0, "compute": 500.0, "copy": 3000.0, "copy_begin": 2000.0},
    ]


def test_arrivals_that_were_not_seen_are_null(small_case: Callable[..., Case]) -> None:
    detail = Detail([1e-3, float("nan")], [0.0], [2e-3])
    row = measured_row(small_case(detail=True), [result(r, [1e-3] * 3, detail=detail) for r in (0, 1)])
    assert row["arrival_us"][0] == {"copies": [1000.0, None], "call_ends": [2000.0]}


def test_copies_bytes_add_up_to_the_plan_and_keep_its_order() -> None:
    for case in [*peer_cases(2), *one_gpu_cases()]:
        runs = fold_pieces(case.plan, 0)
        pieces = [size for run in runs for size in [run["each"]] * (run["n"] - 1) + [run["last"]]]
        assert pieces == case.plan.copy_bytes[case.plan.copy_rank == 0].tolist()


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize("issue", [ASYNC, BATCH])
def test_pieces_come_from_the_next_rank_only_whatever_the_number_of_ranks(ranks: int, issue: int) -> None:
    case = pieces_case("x", 5, 64, issue, ranks, range(ranks))
    plan = case.plan
    assert plan.bytes_per_rank() == [5 * 64] * ranks
    assert plan.calls_per_rank() == [5 if issue == ASYNC else 1] * ranks
    for rank in range(ranks):
        own = plan.copy_rank == rank
        following = (rank + 1) % ranks
        assert set(plan.copy_peer[own].tolist()) == {following} == set(case.sources_of(rank))
        place = plan.placement.remote_index(rank, following) * 5 * 64
        assert (np.sort(plan.copy_dst_offset[own]) == place + np.arange(5) * 64).all()


def test_every_campaign_names_its_cases_once() -> None:
    for cases in (list(peer_cases(2)), list(peer_cases(4)), list(one_gpu_cases())):
        names = [case.name for case in cases]
        assert len(names) == len(set(names))


def test_a_file_of_rows_is_json_that_the_importer_reads(small_case: Callable[..., Case], tmp_path: Path) -> None:
    row = measured_row(small_case(), [result(r, [1e-3, 1.01e-3, 1.02e-3]) for r in (0, 1)])
    path = tmp_path / "rows.json"
    path.write_text(measurement_file({"gpu": "X", "gpus": 2}, "a note", [row], [{"case": "y", "why": "z"}]))
    content = json.loads(path.read_text())
    assert content["machine"]["note"] == "a note"
    assert set(content["fields"]) == set(FIELDS)
    (read,) = read_recording(str(path)).rows
    assert read.median_s == pytest.approx((1.01e-3, 1.01e-3))
    assert int(read.program.copy_bytes.sum()) == sum(small_case().plan.bytes_per_rank())


@pytest.mark.parametrize(
    "name", ["h200_x2_ordered", "h200_x2_random", "h200_x2_random_again", "h200_x2_witness", "h100_x1_host_experts"]
)
def test_the_recorded_rows_were_verified_in_every_run_and_came_over_the_link_they_claim(name: str) -> None:
    rows = json.loads((MEASUREMENTS / f"{name}.json").read_text())["rows"]
    assert len(rows) >= 30
    for row in rows:
        assert min(row["verified_runs"]) >= row["repeats"], row["case"]
        wanted = "yes" if row["home"] == "peer" else "not over NVLink"
        few = row["copies_bytes"][0]["each"] <= 64 * 1024 and row["copies_bytes"][0]["n"] == 1
        assert few or all(said.startswith(wanted) for said in row["over_nvlink"]), row["case"]


def test_issuing_from_arrays_was_cheap_enough_in_every_recorded_row_of_two_gpus() -> None:
    for name in ("h200_x2_ordered", "h200_x2_random"):
        rows = json.loads((MEASUREMENTS / f"{name}.json").read_text())["rows"]
        costs = [cost for row in rows for cost in row.get("issue_cost_us_a_slice", [])]
        assert costs
        for cost in costs:
            assert cost["arrays"]["median"] <= 0.8 * cost["lists"]["median"]
            assert cost["arrays"]["median"] <= 0.65 * cost["built_lists"]["median"]
