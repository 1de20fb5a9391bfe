"""What a validation counts, how it judges, and what it says, on rows of a simulated machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_hw.rows.recording import Recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import AS_ISSUED, QUEUED
from dwdp_hw.validation.gate import moved
from dwdp_hw.validation.report import Subject, html_report, markdown_report
from dwdp_hw.validation.summary import summarize
from dwdp_hw.validation.validate import Validation, validate
from dwdp_hw.validation.verdict import AGREES, CANNOT_TELL, DISAGREES
from dwdp_sim.fabric.cluster import Cluster
from tests.dwdp_hw.simulated_machine import CASES, OPTIONS, rates, record


def test_fitted_rows_are_shown_and_do_not_count_unless_all_are_fitted(base: Cluster, recording: Recording) -> None:
    everything = {(recording.sha256, row.case) for row in recording.rows}
    some = validate([recording], base, OPTIONS, everything - {(recording.sha256, "batch alone")}, Bars())
    assert {row.case for row in some.rows} == {row.case for row in recording.rows}
    assert {row.case for row in some.rows if row.counts} == {"batch alone"}
    assert not some.in_sample
    result = validate([recording], base, OPTIONS, everything, Bars())
    assert result.in_sample
    assert all(row.counts == row.stable and row.fitted for row in result.rows)
    subject = Subject(base, [recording.path], recording.machine, {})
    assert "in sample" in markdown_report(result, subject)
    assert "in sample" not in markdown_report(some, subject)


def test_an_unstable_row_is_shown_and_never_counts(base: Cluster, recording: Recording) -> None:
    shaky = tuple(replace(row, unstable="the gate opened late") for row in recording.rows)
    result: Validation = validate([replace(recording, rows=shaky)], base, OPTIONS, set(), Bars())
    assert result.failures == ["nothing judged: no row is stable and out of sample"]
    assert not result.passed
    assert not result.in_sample
    assert [summarize(result.rows, mode) for mode in (QUEUED, AS_ISSUED)] == [None, None]
    subject = Subject(base, ["rows"], {}, {})
    assert "no: the gate opened late" in markdown_report(result, subject)
    assert "no: the gate opened late" in html_report(result, subject)  # with a picture that has no row to scale by


@pytest.mark.parametrize("queued", [True, False])
def test_a_mode_without_rows_is_said_to_be_unjudged_and_does_not_lend_the_other_its_bar(
    queued: bool, base: Cluster, tmp_path: Path
) -> None:
    judged, other = (QUEUED, AS_ISSUED) if queued else (AS_ISSUED, QUEUED)
    cases = {name: case for name, case in CASES.items() if case[1] == queued}
    result = validate([record(tmp_path / "rows.json", base, cases=cases)], base, OPTIONS, set(), Bars())
    assert result.passed
    assert result.judged(other) == f"{other} rows: nothing judged"
    assert "(bar 3 %)" in result.judged(judged)
    assert f"{other} rows: nothing judged" in markdown_report(result, Subject(base, ["rows"], {}, {}))
    slower = record(tmp_path / "slower.json", base.with_values(rates(100e9)), cases=cases)
    failed = validate([slower], base, OPTIONS, set(), Bars())
    assert not failed.passed
    assert failed.failures[0].startswith(f"{judged} rows: 95th percentile")


def test_cases_of_one_name_in_two_files_are_ranked_and_judged_apart(base: Cluster, tmp_path: Path) -> None:
    cases = {name: case for name, case in CASES.items() if name.startswith("layer")}
    fast = record(tmp_path / "fast.json", base, cases=cases)
    slow = record(tmp_path / "slow.json", base.with_values(rates(250e9)), cases=cases)
    alone = [validate([recording], base, OPTIONS, set(), Bars()) for recording in (fast, slow)]
    both = validate([fast, slow], base, OPTIONS, set(), Bars())
    assert len(alone[0].rankings) == 1
    assert both.rankings == [*alone[0].rankings, *alone[1].rankings]
    assert both.rows == [*alone[0].rows, *alone[1].rows]
    text = markdown_report(both, Subject(base, [fast.path, slow.path], {}, {}))
    assert f"| {slow.path} | layer both, default | 0 |" in text


def test_validation_json_has_the_documented_keys(base: Cluster, recording: Recording) -> None:
    content = json.loads(json.dumps(validate([recording], base, OPTIONS, set(), Bars()).as_dict()))
    keys = {"file", "case", "rank", "measured_s", "predicted_s", "error", "outside", "stable", "fitted"}
    assert keys <= set(content["rows"][0])
    for mode in ("queued", "as_issued"):
        assert {"n", "median_abs_error", "p95_abs_error", "max_abs_error", "bias"} < set(content["summary"][mode])
        assert {"covered", "p95_outside", "max_outside", "median_width"} < set(content["summary"][mode])
    row = content["rows"][0]
    assert row["error"] == pytest.approx(row["predicted_s"] / row["measured_s"] - 1)


def test_the_gate_names_what_left_its_band_and_nothing_else() -> None:
    before = {"a#0": 0.01, "b#0": -0.02, "c#0": 0.0}
    assert moved(before, dict(before)) == []
    now = {"a#0": 0.0149, "b#0": -0.026, "d#0": 0.0}
    assert moved(before, now) == [
        "b#0: error -2.00% is now -2.60%",
        "c#0: is no longer predicted",
        "d#0: has no band; accept it",
    ]


def test_report_and_json_say_what_noise_leaves_of_each_figure(base: Cluster, recording: Recording) -> None:
    result = validate([recording], base, OPTIONS, set(), Bars())
    content = json.loads(json.dumps(result.as_dict()))
    assert content["schema"] == 5
    assert content["verdict"] == result.verdict
    assert {"mode", "figure", "value", "low", "high", "bar", "verdict"} == set(content["judgements"][0])
    assert content["next_steps"] == result.next_steps
    text = markdown_report(result, Subject(base, ["rows"], {}, {}))
    assert text.startswith(f"# Predicted against measured: {base.name}\n\n**{result.verdict.capitalize()}**")
    assert "| queued | 95th percentile |" in text
    page = html_report(result, Subject(base, ["rows"], {}, {}))
    assert f'<div class="verdict {result.verdict.replace(" ", "-")}"' in page


def test_rows_of_another_machine_disagree_and_no_row_that_counts_cannot_tell(base: Cluster, tmp_path: Path) -> None:
    slower = record(tmp_path / "slower.json", base.with_values(rates(100e9)))
    assert validate([slower], base, OPTIONS, set(), Bars()).verdict == DISAGREES
    shaky = replace(slower, rows=tuple(replace(row, unstable="the gate opened late") for row in slower.rows))
    result = validate([shaky], base, OPTIONS, set(), Bars())
    assert result.verdict == CANNOT_TELL
    assert result.next_steps[0] == "nothing judged: no row is stable and out of sample"
    assert result.next_steps[-1] == f"on that machine: dwdp-hw mode=validate cluster={base.name}"


def test_a_machine_that_nvml_warned_of_never_disagrees_and_a_failed_case_leaves_agreement_open(
    base: Cluster, tmp_path: Path
) -> None:
    slower = record(tmp_path / "slower.json", base.with_values(rates(100e9)))
    shared = replace(slower, machine={**slower.machine, "warnings": ["GPU 0: 1 other process is on it"]})
    result = validate([shared], base, OPTIONS, set(), Bars())
    assert result.verdict == CANNOT_TELL
    assert "the machine was not in order: GPU 0: 1 other process is on it" in result.next_steps
    assert set(result.failures) < set(result.next_steps)
    same = record(tmp_path / "same.json", base)
    assert validate([same], base, OPTIONS, set(), Bars()).verdict == AGREES
    one_died = replace(same, failed=("a: rank 0 died",))
    result = validate([one_died], base, OPTIONS, set(), Bars())
    assert result.verdict == CANNOT_TELL
    assert "failed: a: rank 0 died" in result.next_steps
