"""Host costs as a range: what it covers, and what a prediction makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.calibration.calibrate import calibrate
from dwdp_hw.rows.host_costs import HOST_COSTS, at_bound, measured_host_s
from dwdp_hw.rows.predict import predict, predict_mean_s
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import AS_ISSUED
from dwdp_hw.validation.summary import summarize
from dwdp_hw.validation.validate import validate
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.simulated_machine import CASES, KIB, OPTIONS, PULL, Case, job, record

ISSUED: dict[str, Case] = {
    f"{count} of {size}": ([job(PULL, "batch", count, size)], False)
    for size in (64 * KIB, 256 * KIB)
    for count in (4, 16, 64, 256, 1024)
}
QUICK = {name: case for name, case in CASES.items() if name.startswith(("size", "train_"))} | ISSUED
LAYERS: dict[str, Case] = {
    f"layer {number}": ([job(PULL, issue, count, 300 * KIB)], False)
    for number, (issue, count) in enumerate((("batch", 100), ("batch", 333), ("async", 6), ("batch", 700)))
}
MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
ROWS = [
    row
    for row in read_recording(str(MEASUREMENTS / "h200_x2_validation_1.json")).rows
    if len(row.program.copy_bytes) < 100
]


@pytest.fixture(scope="module")
def unknown(base: Cluster) -> Cluster:
    """Nothing is known of its host but a guess."""
    guess = {name: replace(base.constants[name], provenance="assumed", interval=None) for name in HOST_COSTS}
    return replace(base, constants={**base.constants, **guess})


def test_a_calibration_that_saw_both_speeds_covers_what_lies_between(unknown: Cluster, tmp_path: Path) -> None:
    speeds = [2.0 if name.endswith(f"of {256 * KIB}") else 1.0 for name in QUICK]
    rows = record(tmp_path / "rows.json", unknown, cases=QUICK, speeds=speeds)
    found = calibrate([rows], unknown, OPTIONS, name="found").cluster
    for name in ("issue_batch_s", "issue_slice_s"):  # the hull of all streams, not the uncertainty of their mean
        low, high = found.constants[name].interval
        assert high / low >= 1.9
        assert low < found.number(name) < high
    judged = record(tmp_path / "layers.json", unknown, cases=LAYERS, speeds=(1.1, 1.9, 1.0, 1.5))
    result = validate([judged], found, OPTIONS, set(), Bars())
    summary = summarize(result.rows, AS_ISSUED)
    assert summary is not None
    assert summary.max_outside < 0.005
    assert summary.max_abs_error > 0.1
    assert result.passed


def test_a_later_calibration_widens_the_range_and_never_narrows_it(unknown: Cluster, tmp_path: Path) -> None:
    fast = record(tmp_path / "fast.json", unknown, cases=QUICK)
    slow = record(tmp_path / "slow.json", unknown, cases=QUICK, speeds=(2.0,))
    first = calibrate([fast], unknown, OPTIONS, name="first").cluster
    second = calibrate([slow], first, OPTIONS, name="second").cluster
    (low, high), (lower, higher) = (cluster.constants["issue_slice_s"].interval for cluster in (first, second))
    assert lower <= low < unknown.number("issue_slice_s") < high < higher
    assert higher >= 1.8 * unknown.number("issue_slice_s")


def test_the_host_s_time_is_its_own_only_where_its_calls_did_not_wait_for_the_gpu(recording: Recording) -> None:
    (row,) = (row for row in recording.rows if row.case == "host 512")
    assert measured_host_s(row) == row.host_s
    assert measured_host_s(replace(row, host_s=())) == ()
    assert measured_host_s(replace(row, host_s=(0.99 * row.median_s[0],))) == ()  # it came back when all had arrived
    assert measured_host_s(replace(row, host_s=(0.99 * row.median_s[0],), queued=True)) != ()


@settings(max_examples=20, derandomize=True, deadline=None)
@given(level=st.floats(0.2, 5.0), low=st.floats(0.1, 0.9), high=st.floats(1.1, 4.0))
def test_a_prediction_lies_in_its_range_and_only_the_host_s_time_makes_one(
    level: float, low: float, high: float
) -> None:
    base = read_cluster("h200_x2")
    cluster = replace(base, constants={
        **base.constants,
        **{
            name: replace(base.constants[name], value=level * 1e-6, interval=[low * level * 1e-6, high * level * 1e-6])
            for name in HOST_COSTS
        },
    })  # fmt: skip
    for row in ROWS:
        predicted = predict(row, cluster, OPTIONS)
        assert predicted.mean_s == pytest.approx(predict_mean_s(row, cluster, OPTIONS))
        if row.queued:
            assert predicted.low_s == pytest.approx(predicted.high_s)
            continue
        assert np.all(predicted.low_s < predicted.mean_s)
        assert np.all(predicted.mean_s < predicted.high_s)
        ends = [predict_mean_s(row, at_bound(cluster, bound), OPTIONS) for bound in (0, 1)]
        assert ends == [pytest.approx(predicted.low_s), pytest.approx(predicted.high_s)]


def test_a_host_cost_set_by_hand_outside_its_interval_has_no_range() -> None:
    machine = read_cluster("h200_x2").with_values({"issue_slice_s": 5e-6})
    assert [at_bound(machine, bound).number("issue_slice_s") for bound in (0, 1)] == [5e-6, 5e-6]
    low, high = (at_bound(machine, bound).number("issue_batch_s") for bound in (0, 1))
    assert low < machine.number("issue_batch_s") < high
