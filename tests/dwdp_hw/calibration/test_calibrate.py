"""Calibration on rows from a machine whose constants are known: a simulated one."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from dwdp_hw.calibration.calibrate import calibrate, fitted_rows, rows_used, write_cluster
from dwdp_hw.calibration.design import calibration_rows
from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.parameters import Parameter
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import QUEUED
from dwdp_hw.validation.console import print_calibration
from dwdp_hw.validation.report import Subject, html_report, markdown_report
from dwdp_hw.validation.summary import summarize
from dwdp_hw.validation.suspects import find_suspects
from dwdp_hw.validation.validate import validate
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.simulated_machine import CASES, OPTIONS, rates, record

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
QUICK = {name: case for name, case in CASES.items() if name not in ("shared", "trains both", "uneven, shared")}


def test_the_design_takes_what_identifies_constants_and_leaves_the_layers(recording: Recording) -> None:
    wanted = {name for name in CASES if name.startswith(("size", "train", "both"))}
    chosen = {row.case for row in calibration_rows(recording.rows)}
    assert chosen == wanted | {"shared", "host 64", "host 512", "trains both", "short train"}


def test_a_calibration_finds_a_machine_s_constants_and_predicts_the_rows_it_left_out(
    base: Cluster, machine: Cluster, recording: Recording, tmp_path: Path
) -> None:
    found = calibrate([recording], base, OPTIONS, name="found")
    truth = {
        "peer rate": 500e9, "peer_fixed_s": 7e-6, "peer_gap_s at 1048576 B": 3e-6, "both ways, pull": 0.9,
        "issue_slice_s": 9e-7,
    }  # fmt: skip
    estimates = {e.parameter.name: e for e in found.fit.estimates}
    for name, value in truth.items():
        estimate = estimates[name]
        slack = 0.25 * (estimate.high - estimate.low)  # 95 %, and seven runs
        assert estimate.low - slack <= value <= estimate.high + slack, (name, estimate)
        assert estimate.value == pytest.approx(value, rel=0.25 if "issue" in name else 0.03), name
    assert "both ways, push" in {parameter.name for parameter in found.fit.kept}
    fitted = {(recording.sha256, row.case) for row in found.rows[recording.sha256]}
    result = validate([recording], found.cluster, OPTIONS, fitted, Bars())
    assert result.passed, result.failures
    summary = summarize(result.rows, QUEUED)
    assert summary is not None
    assert summary.median_abs_error < 0.006
    # what was written is a cluster that knows which rows it must not be judged by
    path = write_cluster(tmp_path / "found.yaml", found)
    again = read_cluster_file(path)
    assert again.gpu == base.gpu
    assert again.rate("pair_bytes_per_s") == pytest.approx(found.cluster.rate("pair_bytes_per_s"), rel=1e-5)
    assert again.constants["pair_bytes_per_s"].provenance == "measured"
    assert again.constants["pair_bytes_per_s"].interval[0] < again.rate("pair_bytes_per_s")
    assert fitted_rows([recording], again) == fitted


@pytest.mark.long
def test_rows_of_another_mapping_are_kept_apart_and_said(base: Cluster, recording: Recording) -> None:
    rows = tuple(replace(row, mapping="vmm_fd" if row.case == "both" else "ipc") for row in recording.rows)
    mixed = replace(recording, rows=rows)
    assert "both" in {row.case for row in rows_used(recording, "design", "ipc")}
    assert {row.case for row in rows_used(mixed, "design", "vmm_fd")} == {"both"}
    found = calibrate([mixed], base, OPTIONS, name="found")
    assert "both" not in {row.case for row in found.rows[recording.sha256]}
    assert found.apart == {"vmm_fd": 1}
    text = StringIO()
    print_calibration(Console(file=text, width=200), found, Path("found.yaml"))
    assert "kept apart: 1 rows with peer memory mapped as vmm_fd (cluster.mapping=ipc)" in text.getvalue()


@pytest.mark.long
def test_forward_steps_say_what_an_event_costs_and_are_fitted_with_it(base: Cluster, recording: Recording) -> None:
    campaign = read_recording(str(MEASUREMENTS / "h200_x2_random.json"))
    both = replace(recording, steps=campaign.steps)
    found = calibrate([both], base, OPTIONS, name="found")
    event = found.cluster.constants["event_s"]
    # Median of the waits of layers whose experts had long arrived; some 95 % of them lie between 2.6 and 3.0 µs.
    assert event.value == pytest.approx(2.94e-6, rel=0.01)
    assert event.interval == pytest.approx([2.58e-6, 3.04e-6], rel=0.01)
    assert event.provenance == "measured"
    fitted = fitted_rows([both], found.cluster)
    assert {(recording.sha256, steps.case) for steps in campaign.steps} < fitted


def read_cluster_file(path: Path) -> Cluster:
    content = yaml.safe_load(path.read_text())
    constants = {key: Constant(**value) for key, value in content.pop("constants").items()}
    return Cluster(**content, constants=constants)


def test_what_the_rows_leave_open_keeps_its_value_and_where_it_came_from(
    base: Cluster, machine: Cluster, tmp_path: Path
) -> None:
    # One batch with its host: 20 µs + 512 · 0.9 µs. How much of the 481 µs is the call's own, no row says.
    cases = {name: case for name, case in QUICK.items() if name != "host 64"}
    recording = record(tmp_path / "rows.json", machine, cases=cases)
    guess = replace(base.constants["issue_batch_s"], value=4e-5, provenance="assumed", source="a guess", interval=None)
    start = replace(base, constants={**base.constants, "issue_batch_s": guess})
    found = calibrate([recording], start, OPTIONS, name="found")
    kept = {parameter.name: reason for parameter, reason in found.fit.kept.items()}
    assert kept["issue_batch_s"].startswith("95 % interval ")
    after = found.cluster.constants["issue_batch_s"]
    assert (after.value, after.provenance, after.interval) == (4e-5, "assumed", None)
    assert after.source == "a guess; not identified by the latest calibration: kept"
    assert found.cluster.constants["issue_slice_s"].provenance == "measured"
    # of a constant that holds two numbers, only one of which is known, the text says so
    loss = found.cluster.constants["both_ways_egress"]
    assert loss.provenance == "measured"
    assert loss.source.endswith("not identified by them, kept: both ways, push")
    assert set(loss.interval) == {"pull"}
    assert "# issue_batch_s: not identified by these rows (95 % interval" in write_cluster(
        tmp_path / "found.yaml", found
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("neutral", "start", "low", "value", "high", "looseness"),
    [
        (0.0, 10.0, 8.0, 10.0, 12.0, 0.2),  # ± 2 of 10
        (0.0, 10.0, 4.0, 8.0, 14.0, 0.625),  # ± 5 of 8
        (0.0, 40.0, 4.0, 8.0, 14.0, 0.0),  # as wide, but 40 is out of the question
        (1.0, 1.2, 1.0, 1.2, 1.7, 1.75),  # a factor: ± 0.35 of an effect of 0.2
        (1.0, 0.95, 0.94, 0.942, 0.96, 0.01 / 0.058),
    ],
)
def test_looseness_is_the_interval_beside_the_effect_unless_the_old_value_is_ruled_out(
    neutral: float, start: float, low: float, value: float, high: float, looseness: float
) -> None:
    parameter = Parameter("p", ("p",), None, start, neutral)
    assert Estimate(parameter, value, low, high).looseness == pytest.approx(looseness)


def test_rows_of_two_files_are_chosen_and_remembered_file_by_file(base: Cluster, tmp_path: Path) -> None:
    # The same case names, on machines one of which is a third slower.
    one = record(tmp_path / "one.json", base, cases=QUICK)
    other = record(tmp_path / "other.json", base.with_values(rates(260e9)), cases=QUICK)
    found = calibrate([one, other], base, OPTIONS, name="found")
    chosen = {recording.sha256: calibration_rows(recording.rows) for recording in (one, other)}
    assert found.rows == chosen
    assert fitted_rows([one, other], found.cluster) == {(s, row.case) for s, rows in chosen.items() for row in rows}
    first = replace(found.cluster, fitted_on=found.cluster.fitted_on[:1])
    fitted = fitted_rows([one, other], first)
    result = validate([one, other], first, OPTIONS, fitted, Bars())
    counted = {(row.file, row.case) for row in result.rows if row.counts}
    assert (other.path, "both") in counted
    assert (one.path, "both") not in counted
    assert (one.path, "batch alone") in counted


FAULTS: dict[str, tuple[dict[str, Any], FabricOptions, str]] = {
    "gaps doubled": ({"peer_gap_s": [[65536, 6.3e-6], [1048576, 7.1e-6], [8388608, 9.1e-6]]}, OPTIONS, "peer_gap_s"),
    "a slower link": (rates(360e9), OPTIONS, "peer rate"),
    "more loss both ways": (
        {"both_ways_egress": {"pull": 0.8, "push": 0.989}, "both_ways_ingress": {"pull": 0.8, "push": 0.989}},
        OPTIONS,
        "both ways, pull",
    ),
    "sources first in, first out": ({}, FabricOptions(sharing="fifo"), "fifo sources"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n == "sources first in, first out")) for n in FAULTS]
)
def test_a_planted_fault_fails_the_validation_and_is_named(name: str, base: Cluster, tmp_path: Path) -> None:
    constants, rules, culprit = FAULTS[name]
    recording = record(tmp_path / "rows.json", base.with_values(constants), rules)
    result = validate([recording], base, OPTIONS, set(), Bars())
    assert not result.passed
    suspects = find_suspects(recording.rows, base, OPTIONS)
    assert suspects[0].name.startswith(culprit), [s.name for s in suspects]
    subject = Subject(base, [recording.path], recording.machine, {}, suspects)
    for report in (html_report(result, subject), markdown_report(result, subject)):
        assert "What no longer fits" in report
        assert culprit in report


def test_without_a_fault_nothing_is_suspected_and_the_report_passes(base: Cluster, tmp_path: Path) -> None:
    recording = record(tmp_path / "rows.json", base)
    result = validate([recording], base, OPTIONS, set(), Bars())
    assert result.passed, result.failures
    assert [s.name for s in find_suspects(recording.rows, base, OPTIONS)] == []


@pytest.mark.parametrize(("start", "memory"), [("h100_x1_host", True), ("h200_x1_host", False)])
def test_the_kind_of_gpu_is_that_of_the_rows_and_another_kind_s_memory_is_not_kept(start: str, memory: bool) -> None:
    rows = read_recording(str(MEASUREMENTS / "h100_x1_live_calibration.json"))
    found = calibrate([rows], read_cluster(start), OPTIONS, name="found", use="all").cluster
    assert found.gpu == "H100"
    assert ("gpu_memory_bytes" in found.constants) is memory
