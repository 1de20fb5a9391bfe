"""Rounds on host memory: every case in each of them, in fresh processes, with the reference around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import RankResult
from dwdp_hw.rows import stability
from dwdp_hw.rows.file import MeasurementFile, read_measurement_file
from dwdp_hw.run import rounds
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.rounds import run_rounds
from dwdp_hw.run.supervise import OnResult
from dwdp_hw.run.worker import Work
from tests.dwdp_hw.conftest import ON_HOST

pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")


@pytest.fixture
def run(shared_folder: Path, tmp_path: Path, small_case: Callable[..., Case]) -> Callable[..., MeasurementFile]:
    """Run cases of two ranks in three rounds and read what was written."""

    def run(cases: list[Case], **more: float) -> MeasurementFile:
        settings, path = replace(ON_HOST, shared_folder=str(shared_folder)), tmp_path / "rows.json"
        reference = small_case("reference", repeats=3)
        run_rounds(cases, reference, 2, settings, path, "a test", rounds=3, seed=1, **more)  # type: ignore[arg-type]
        return read_measurement_file(str(path))

    return run


@pytest.fixture
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start ranks for the first group alone, and tell its results again for every later one: who decides what is
    measured again, and when, does not look at how."""
    told: dict[str, list[RankResult]] = {}

    def group(work: Work, ranks: int, on_result: OnResult) -> None:
        def keep(case: Case, results: list[RankResult]) -> None:
            told[case.name] = results
            on_result(case, results)

        if told:
            for case in work.cases:
                on_result(case, told[case.name])
        else:
            run_group(work, ranks, keep)

    monkeypatch.setattr(rounds, "run_group", group)


@pytest.mark.long
def test_every_case_is_measured_in_each_round_in_fresh_processes_and_a_failing_one_is_left_out(
    run: Callable[..., MeasurementFile],
    small_case: Callable[..., Case],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stability, "LARGEST_DRIFT", 1e9)
    refused = small_case("refused", measure="issue_cost")  # there is no driver whose calls could be timed
    names = ["a", "b", "c", "d"]
    file = run([refused, *(small_case(name, repeats=3) for name in names)])
    assert [row["case"] for row in file.rows] == names
    assert [(failure["case"], "has no driver" in failure["why"]) for failure in file.failed] == [("refused", True)]
    for row in file.rows:
        groups = [one["group"] for one in row["rounds"]]
        assert len(groups) == len(set(groups)) == 3
        times = [one["at_s"] for one in row["rounds"]]
        assert times == sorted(times)
        assert all(len(runs) == 3 for one in row["rounds"] for runs in one["device_us_runs"])
        assert all(min(one["reference_us"]) > 0.0 for one in row["rounds"])
        assert not any(one["disturbed"] for one in row["rounds"])
        assert set(row["verified_runs"]) <= {10, 15}  # five runs in each round that counts
    orders = [sorted(names, key=lambda name: _at_s(file, name, number)) for number in range(3)]
    assert len(set(map(tuple, orders))) > 1
    printed = capfd.readouterr().out
    assert "round 1 of 3" in printed
    assert "round 3 of 3" in printed
    assert "about   0 s left" in printed


@pytest.mark.usefixtures("measured_once")
def test_what_the_reference_saw_disturbed_is_measured_again_once_a_round(
    run: Callable[..., MeasurementFile], small_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stability, "LARGEST_DRIFT", -1.0)  # whatever it is, it drifts
    monkeypatch.setattr(stability, "SMALLEST_SPREAD_S", -1.0)
    (row,) = run([small_case("a", repeats=3)]).rows
    assert [one["disturbed"] for one in row["rounds"]] == [True] * 6
    assert "only 0 of 6 rounds count (6 disturbed" in (row["unstable_reason"] or "")


@pytest.mark.usefixtures("measured_once")
def test_relative_costs_are_measured_before_each_round_by_enough_processes_and_one_that_fails_is_noted(
    run: Callable[..., MeasurementFile], small_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rounds.PROCESSES == 12
    monkeypatch.setattr(rounds, "PROCESSES", 5)  # of two ranks before each of three rounds: six
    fine = small_case("fine", measure="relative_cost", issue_mode="as_issued", lasting_s=0.001)
    refused = replace(fine, name="refused", measure="issue_cost")  # there is no driver whose calls could be timed
    file = run([small_case("a", repeats=3)], relative=[refused, fine])  # type: ignore[arg-type]
    assert [row["case"] for row in file.rows] == ["a", "fine"]
    assert [failure["case"] for failure in file.failed] == ["refused"]
    row = file.rows[1]
    groups = [(number, rank) for number in range(1, 4) for rank in range(2)]  # group 0 ended with what was refused
    assert [(one["group"], one["rank"]) for one in row["relative_cost"]] == groups
    assert row["device_us"] == []
    assert all(one["pairs"] >= 1 and len(one["cost_us"]) == 5 for one in row["relative_cost"])


@pytest.mark.usefixtures("measured_once")
def test_what_speaks_against_the_machine_is_asked_before_each_round_and_after_the_last_and_stands_in_the_header(
    run: Callable[..., MeasurementFile], small_case: Callable[..., Case]
) -> None:
    said = iter([[], ["it is shared"], ["it is shared", "it is hot"], ["it is hot"]])
    file = run([small_case("a", repeats=3)], warned=lambda: next(said))  # type: ignore[arg-type]
    assert file.machine["warnings"] == ["it is shared", "it is hot"]
    assert next(said, None) is None


def test_a_limit_ends_the_run_and_lists_what_has_no_round(
    run: Callable[..., MeasurementFile], small_case: Callable[..., Case]
) -> None:
    file = run([small_case(name, repeats=3) for name in ("a", "b")], limit_s=0.001)
    (row,) = file.rows
    assert len(row["rounds"]) == 1
    assert [failure["why"] for failure in file.failed] == ["not run: the limit of 0.001 s was over"]
    assert {row["case"], file.failed[0]["case"]} == {"a", "b"}


def _at_s(file: MeasurementFile, name: str, number: int) -> float:
    return next(row["rounds"][number]["at_s"] for row in file.rows if row["case"] == name)
