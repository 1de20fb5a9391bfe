"""Rows of several rounds: over which their times are, and when they say nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.calibration.observations import relative_noise
from dwdp_hw.cases.case import Case
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.rounds import MeasuredRound, row_of_rounds, usual_reference_s
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.stability import LARGEST_DRIFT, between_rounds, error_of_median, is_disturbed, why_apart
from dwdp_hw.rows.write import measured_row
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.rows.test_write import result

REFERENCE_S = 1e-3


@pytest.fixture
def measured(small_case: Callable[..., Case]) -> Callable[..., MeasuredRound]:
    """A round in which both ranks took so long, with the reference before and after."""

    def build(
        group: int, elapsed_s: float, reference_s: tuple[float, float] = (REFERENCE_S,) * 2, **more: object
    ) -> MeasuredRound:
        runs = [0.999 * elapsed_s, elapsed_s, 1.001 * elapsed_s]
        row = measured_row(small_case(**more), [result(rank, runs) for rank in (0, 1)])
        return MeasuredRound(row, group, 10.0 * (group + 1), reference_s)

    return build


def read(row: MeasuredRow, path: Path) -> RecordedRow:
    path.write_text(measurement_file({"gpu": "GPU", "gpus": 2, "driver": "1"}, "", [row], []))
    return read_recording(str(path)).rows[0]


def test_a_row_is_over_the_medians_of_its_rounds_and_keeps_every_run(
    measured: Callable[..., MeasuredRound], tmp_path: Path
) -> None:
    row = row_of_rounds([measured(n, s) for n, s in enumerate((1e-3, 1.02e-3, 1.01e-3))], REFERENCE_S)
    assert row["device_us"] == [{"median": 1010.0, "min": 1000.0, "max": 1020.0}] * 2
    assert row["stable"]
    assert "device_us_runs" not in row
    assert [one["group"] for one in row["rounds"]] == [0, 1, 2]
    assert [one["at_s"] for one in row["rounds"]] == [10.0, 20.0, 30.0]
    assert row["rounds"][1]["device_us_runs"] == [[1018.98, 1020.0, 1021.02]] * 2
    assert row["verified_runs"] == [9, 9]
    assert row["start_us_runs"] is not None
    assert [len(starts) for starts in row["start_us_runs"]] == [9, 9]
    found = read(row, tmp_path / "rows.json")
    assert found.unstable is None
    assert found.rounds_s[0] == pytest.approx((1e-3, 1.02e-3, 1.01e-3))


def test_a_disturbed_round_is_kept_and_does_not_count(measured: Callable[..., MeasuredRound], tmp_path: Path) -> None:
    slow = measured(1, 1.1e-3, (REFERENCE_S, 1.1 * REFERENCE_S))
    rounds = [measured(0, 1e-3), slow, measured(2, 1.002e-3), measured(3, 1.001e-3)]
    assert usual_reference_s(rounds) == REFERENCE_S
    row = row_of_rounds(rounds, REFERENCE_S)
    assert [one["disturbed"] for one in row["rounds"]] == [False, True, False, False]
    assert row["device_us"][0] == {"median": 1001.0, "min": 1000.0, "max": 1002.0}
    assert row["stable"]
    assert len(read(row, tmp_path / "rows.json").rounds_s[0]) == 3


def test_a_row_whose_rounds_were_all_disturbed_says_so(measured: Callable[..., MeasuredRound], tmp_path: Path) -> None:
    row = row_of_rounds([measured(n, 1e-3, (2 * REFERENCE_S,) * 2) for n in range(3)], REFERENCE_S)
    said = "only 0 of 3 rounds count (3 disturbed, 0 unstable by their own runs); needed: 2"
    assert row["unstable_reason"] == said
    # and a file that claims otherwise is not believed
    found = read({**row, "stable": True, "unstable_reason": None}, tmp_path / "rows.json")
    assert found.unstable == said


def test_rounds_that_differ_make_a_queued_row_unstable_and_not_one_with_host_time(
    measured: Callable[..., MeasuredRound],
) -> None:
    for mode, stable in (("queued", False), ("as_issued", True)):
        rounds = [measured(n, s, issue_mode=mode) for n, s in enumerate((1e-3, 1.1e-3, 1.05e-3))]
        assert row_of_rounds(rounds, REFERENCE_S)["stable"] == stable
    assert why_apart([1e-3, 1.1e-3, 1.05e-3], queued=True) == [
        "spread between rounds 5.6% is above 3% and 2 µs"
    ]  # (1.1 − 1.0) ms ÷ 1.693


def test_the_only_round_of_a_row_is_no_reason_to_doubt_it(measured: Callable[..., MeasuredRound]) -> None:
    assert row_of_rounds([measured(0, 1e-3)], REFERENCE_S)["stable"]


def test_a_round_that_is_unstable_by_its_own_runs_does_not_count_as_long_as_two_do(
    small_case: Callable[..., Case], measured: Callable[..., MeasuredRound], tmp_path: Path
) -> None:
    own = measured_row(small_case(), [result(rank, [2e-3, 2e-3, 4e-3]) for rank in (0, 1)])
    shaky = replace(measured(1, 2e-3), row=own)
    row = row_of_rounds([measured(0, 1e-3), shaky, measured(2, 1.002e-3)], REFERENCE_S)
    assert row["stable"]
    assert row["device_us"][0] == {"median": 1001.0, "min": 1000.0, "max": 1002.0}
    assert [one["unstable_reason"] is None for one in row["rounds"]] == [True, False, True]
    assert read(row, tmp_path / "rows.json").rounds_s[0] == pytest.approx((1e-3, 1.002e-3))
    unstable = row_of_rounds([measured(0, 2e-3), shaky, shaky], REFERENCE_S)
    assert unstable["unstable_reason"] == (
        "rank 0: slowest run 2.00 × the median is above 1.5; rank 1: slowest run 2.00 × the median is above 1.5; "
        "only 1 of 3 rounds count (0 disturbed, 2 unstable by their own runs); needed: 2"
    )
    assert unstable["device_us"][0]["median"] == 2000.0


def test_runs_of_a_round_that_scatter_are_not_believed_to_be_stable(
    measured: Callable[..., MeasuredRound], tmp_path: Path
) -> None:
    row = row_of_rounds([measured(n, 1e-3) for n in range(3)], REFERENCE_S)
    runs = [[900.0, 1000.0, 1100.0]] * 2
    forged: MeasuredRow = {**row, "rounds": [{**one, "device_us_runs": runs} for one in row["rounds"]]}
    assert read(forged, tmp_path / "rows.json").unstable == "stream 0: spread 14.8% of the median is above 5% and 2 µs"


@pytest.mark.parametrize(("changed", "said"), [
    ({"device_us": [{"median": 900.0, "min": 900.0, "max": 900.0}] * 2}, "the medians of its rounds"),
    ({"rounds": "short"}, "a round has runs of 1 streams for 2 streams"),
    ({"rounds": "empty"}, "a round has runs of 2 streams for 2 streams, or none of a stream"),
    ({"rounds": "nothing", "device_us": [{"median": 0.01, "min": 0.01, "max": 0.01}] * 2}, "a round took no time"),
])  # fmt: skip
def test_rounds_that_contradict_their_row_are_refused(
    changed: dict[str, object], said: str, measured: Callable[..., MeasuredRound], tmp_path: Path
) -> None:
    row = row_of_rounds([measured(n, 1e-3) for n in range(3)], REFERENCE_S)
    runs = {"short": [[1000.0]], "empty": [[], []], "nothing": [[0.0], [0.0]]}.get(str(changed.get("rounds")))
    if runs is not None:
        changed = {**changed, "rounds": [{**one, "device_us_runs": runs} for one in row["rounds"]]}
    with pytest.raises(ConfigError, match=said):
        read({**row, **changed}, tmp_path / "rows.json")  # type: ignore[typeddict-item]


@given(st.floats(1e-4, 1.0), st.floats(-0.2, 0.2))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_reference_disturbs_beyond_its_bound_either_way_and_never_within(usual_s: float, drift: float) -> None:
    for pair in ((usual_s, usual_s * (1 + drift)), (usual_s * (1 + drift), usual_s)):
        if abs(drift) < 0.99 * LARGEST_DRIFT:
            assert not is_disturbed(pair, usual_s)
        if abs(drift) > 1.01 * LARGEST_DRIFT:
            assert is_disturbed(pair, usual_s)


@given(st.lists(st.floats(1e-4, 1e-2), min_size=2, max_size=12))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_deviation_between_rounds_is_that_of_their_range_whatever_their_order(medians: Sequence[float]) -> None:
    found = between_rounds(medians)
    assert found == between_rounds(sorted(medians))
    assert found == pytest.approx(between_rounds([1 + one for one in medians]), abs=1e-12)
    assert error_of_median(found, 4) == pytest.approx(error_of_median(found, 1) / 2)


def test_rounds_that_agree_by_chance_do_not_make_a_short_row_worth_more_than_any(
    measured: Callable[..., MeasuredRound], tmp_path: Path
) -> None:
    row = row_of_rounds([measured(n, 50e-6) for n in range(3)], REFERENCE_S)
    noise = relative_noise(read(row, tmp_path / "rows.json"), 0)
    assert noise > 0.02  # a microsecond of fifty
