"""The verdict of a validation: what noise can turn is left open, what it cannot is decided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.calibration.calibrate import calibrate, fitted_rows
from dwdp_hw.check_command import VERDICT_EXITS
from dwdp_hw.group.faults import FAULT_EXIT, NO_GPU_EXIT
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import LAYER, QUEUED, ValidationRow
from dwdp_hw.validation.noise import with_noise
from dwdp_hw.validation.validate import Validation, validate
from dwdp_hw.validation.verdict import (
    AGREES,
    CANNOT_TELL,
    DISAGREES,
    VERDICTS,
    judge,
    shaky_modes,
    undecided_rows,
    verdict_of,
)
from dwdp_sim.base.errors import BAD_INPUT
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.simulated_machine import OPTIONS

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"


def row(case: str, error: float, *, noise: float = 0.001, doubt: float = 0.0, stable: bool = True) -> ValidationRow:
    """A queued row of one rank whose prediction is off by `error`."""
    predicted_s = (1 + error) * 1e-3
    return ValidationRow(
        file="rows", case=case, rank=0, strategy="default", mapping=None, measure=LAYER, issue_mode=QUEUED, ranks=1,
        bytes=1, slice_bytes=1, measured_s=1e-3, measured_min_s=1e-3, measured_max_s=1e-3, predicted_s=predicted_s,
        predicted_low_s=predicted_s, predicted_high_s=predicted_s, error=error, stable=stable, unstable_reason=None,
        fitted=False, counts=stable, noise=noise, link_noise=noise, doubt=doubt,
    )  # fmt: skip


def verdict(errors: list[float], noise: float = 0.001, doubt: float = 0.0) -> str:
    rows = [row(f"case {number}", error, noise=noise, doubt=doubt) for number, error in enumerate(errors)]
    return verdict_of(judge(rows, Bars()), rows)


@pytest.mark.parametrize(
    ("errors", "noise", "doubt", "expected"),
    [
        ([0.005] * 12, 0.001, 0.0, AGREES),
        ([0.04] * 12, 0.001, 0.0, DISAGREES),
        ([0.016] * 12, 0.001, 0.0, DISAGREES),  # the median of twelve is known better than each of them
        ([0.016] * 12, 0.01, 0.0, CANNOT_TELL),
        ([0.014] * 12, 0.01, 0.0, CANNOT_TELL),  # a pass that noise can have lent
        ([0.005] * 10 + [0.12, 0.09], 0.001, 0.0, DISAGREES),  # two layers, measured in several calm rounds
        ([0.005] * 10 + [0.12, 0.09], 0.001, 0.15, CANNOT_TELL),  # measured in one stretch of time
        ([0.04] * 12, 0.001, 0.15, DISAGREES),  # no stretch explains all
        ([0.04], 0.001, 0.15, CANNOT_TELL),  # of one row nothing is left without what may have been disturbed
        ([0.005] * 12, 0.001, 0.15, AGREES),
    ],
)
def test_a_bar_is_missed_or_reached_only_beyond_noise(
    errors: list[float], noise: float, doubt: float, expected: str
) -> None:
    assert verdict(errors, noise, doubt) == expected


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=20), st.floats(0, 0.02), st.floats(1, 4), st.floats(0, 0.3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_noise_or_doubt_never_decides_what_less_left_open(
    errors: list[float], noise: float, times: float, doubt: float
) -> None:
    allowed = {AGREES: {AGREES, CANNOT_TELL}, DISAGREES: {DISAGREES, CANNOT_TELL}, CANNOT_TELL: set(VERDICTS)}
    before = verdict(errors)
    assert verdict(errors, 0.001 + noise * times) in allowed[before] | {CANNOT_TELL}
    assert verdict(errors, 0.001, doubt) in allowed[before]
    if before != DISAGREES:
        assert verdict(errors, 0.001, doubt) != DISAGREES


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=20), st.floats(0, 0.01))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_noise_widens_each_figure_around_its_value(errors: list[float], noise: float) -> None:
    rows = [row(f"case {number}", error, noise=noise) for number, error in enumerate(errors)]
    for found in judge(rows, Bars()):
        assert 0.0 <= found.low <= found.value + 1e-12
        assert found.value <= found.high + 1e-12


def test_a_mode_most_of_which_is_unstable_does_not_agree_and_names_what_to_measure_again() -> None:
    rows = [row("good", 0.001), row("shaky", 0.3, stable=False), row("shakier", 0.2, stable=False)]
    assert shaky_modes(rows) == [QUEUED]
    assert verdict_of(judge(rows, Bars()), rows) == CANNOT_TELL
    assert undecided_rows(judge(rows, Bars()), rows) == ["shaky", "shakier"]


def test_every_verdict_has_an_exit_code_that_no_error_has() -> None:
    assert list(VERDICT_EXITS) == list(VERDICTS)
    assert (VERDICT_EXITS[AGREES], VERDICT_EXITS[DISAGREES]) == (0, 1)
    assert VERDICT_EXITS[CANNOT_TELL] not in {0, 1, BAD_INPUT, NO_GPU_EXIT, FAULT_EXIT, 130, 143}


@pytest.fixture(scope="module")
def h100() -> tuple[Cluster, Recording]:
    """An H100 calibrated on one node, and layers measured there after it."""
    calibration = read_recording(str(MEASUREMENTS / "h100_x1_live_calibration.json"))
    found = calibrate([calibration], read_cluster("h100_x1_host"), OPTIONS, name="h100_x1_live", use="all")
    return found.cluster, read_recording(str(MEASUREMENTS / "h100_x1_live_validation.json"))


def slowed(rows: tuple[RecordedRow, ...], by: dict[str, float]) -> tuple[RecordedRow, ...]:
    return tuple(
        replace(one, median_s=tuple(by.get(one.case, 1.0) * s for s in one.median_s),
                min_s=tuple(by.get(one.case, 1.0) * s for s in one.min_s),
                max_s=tuple(by.get(one.case, 1.0) * s for s in one.max_s))
        for one in rows
    )  # fmt: skip


def judged(h100: tuple[Cluster, Recording], by: dict[str, float]) -> Validation:
    cluster, recording = h100
    rows = replace(recording, rows=slowed(recording.rows, by))
    return validate([rows], cluster, OPTIONS, fitted_rows([rows], cluster), Bars())


def test_recorded_rows_of_one_round_agree_and_a_slow_stretch_leaves_them_open(
    h100: tuple[Cluster, Recording],
) -> None:
    assert judged(h100, {}).verdict == AGREES
    queued = [one.case for one in h100[1].rows if one.queued]
    assert len(queued) == 12
    for first in range(0, len(queued) - 1, 3):
        stretch = {queued[first]: 1.12, queued[first + 1]: 1.09}
        found = judged(h100, stretch)
        assert found.failures  # the bars are missed
        assert found.verdict == CANNOT_TELL
        assert set(undecided_rows(found.judgements, found.rows)[:2]) == set(stretch)
        assert any(f"rows to measure again: {queued[first]}, {queued[first + 1]}" in step for step in found.next_steps)
        assert found.next_steps[-1] == "on that machine: dwdp-hw mode=validate cluster=h100_x1_live"
    everything = {one.case: 1.05 for one in h100[1].rows}
    assert judged(h100, everything).verdict == DISAGREES


def test_rounds_give_a_row_its_noise_and_leave_no_doubt(h100: tuple[Cluster, Recording]) -> None:
    _, recording = h100
    rounded = [replace(one, rounds_s=tuple((0.998 * s, s, 1.002 * s) for s in one.median_s)) for one in recording.rows]
    found = validate([replace(recording, rows=tuple(rounded))], h100[0], OPTIONS, set(), Bars())
    once = validate([recording], h100[0], OPTIONS, set(), Bars())
    queued = [one for one in found.rows if one.mode == QUEUED]
    assert all(one.rounds == 3 and one.doubt == 0.0 for one in found.rows)
    for one in queued:  # 0.4 % ÷ 1.693, the error of whose median of three is √(π ÷ 2) ÷ √3 of it
        assert one.noise == pytest.approx(0.004 / 1.693 * 1.2533 / 3**0.5, rel=0.01)
    assert all(one.rounds == 1 and one.noise > 0.0 and one.doubt > 0.0 for one in once.rows)
    # a row whose own rounds lie further apart has a noise of its own, and its link keeps the others'
    apart = [replace(queued[0], between=0.02), *queued[1:]]
    noisy = with_noise(apart, [recording])
    assert noisy[0].noise > noisy[0].link_noise == noisy[1].link_noise == noisy[1].noise
