"""A sweep costs each job itself only, whoever launches it, and says what happened."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from dwdp_sim.app import main
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.schema import register_schemas
from dwdp_sim.sweep.compact import compact, read_folder
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.run import jobs_of
from tests.dwdp_sim.sweep.harness import (
    LAUNCHERS,
    SMALL,
    Sweep,
    arguments,
    assert_one_valid_row_set_each,
    finished_files,
    kill_a_worker,
    result_bytes,
    run,
)

LONG, SLOW = pytest.mark.long, pytest.mark.slow


def jobs(*overrides: str) -> list[Asked]:
    register_schemas()
    return jobs_of("config", overrides, [str(config_dir())])


@pytest.fixture(scope="module")
def by_basic(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("basic"))
    printed = run(arguments(folder, 2))
    assert f"{folder.path}: 0 of 6 jobs are finished and skipped" in printed
    assert "6 ran in " in printed
    assert printed.endswith(", 0 failed\n")
    return folder


@pytest.mark.parametrize("launcher", ["joblib", *(pytest.param(name, marks=LONG) for name in LAUNCHERS[2:])])
def test_whoever_launches_them_jobs_give_equal_bytes(launcher: str, by_basic: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    run(arguments(folder, 2, launcher))
    assert_one_valid_row_set_each(folder, 6)
    assert result_bytes(folder) == result_bytes(by_basic)


@SLOW
def test_merged_jobs_are_finished_jobs(by_basic: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    run(arguments(folder, 2))
    assert compact(tmp_path) == 6
    before = finished_files(folder)
    assert [name.split("-")[0] for name in before] == ["compact"]
    assert "6 of 6 jobs are finished and skipped" in run(arguments(folder, 2))
    assert "6 of 9 jobs are finished and skipped" in run(arguments(folder, 3))
    assert compact(tmp_path) == 3
    assert before.items() <= finished_files(folder).items()
    rows = read_folder(folder)
    assert len(set(rows.column("job").to_pylist())) == 9
    assert rows.num_rows == 18


def test_a_combination_that_fails_is_a_row_and_is_tried_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    # 2 × 36 and 3 × 24 experts go together; 2 × 24 and 3 × 36 with 24 pulled each hold too few, or too many.
    sweep = arguments(folder, 1, "basic", "dwdp.dwdp_size=2", "strategy=ring", "dwdp.num_experts_per_worker=36,24")
    first = run(sweep, code=1)
    assert "2 ran in" in first
    assert "1 failed" in first
    assert "failed: 1 × dwdp.num_experts_per_worker=24: " in first
    (row,) = [row for row in read_folder(folder).to_pylist() if row["status"] == "failed"]
    assert row["error"].startswith("dwdp.num_experts_per_worker=24: ")
    assert (row["rank"], row["num_experts_per_worker"], row["prefetch_latency_s"]) == (None, 24, None)
    second = run([*sweep, "sweep.quiet=true"], code=1)
    assert second.startswith("failed: 1 × dwdp.num_experts_per_worker=24: ")
    assert second.count("\n") == 1
    assert (len(folder.finished_files()), len(folder.failed_files())) == (1, 1)


@LONG
def test_a_job_that_kills_its_worker_each_time_fails_and_costs_no_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    overrides = [
        "model=deepseek_r1_nvfp4", "workload.range=false", "workload.draws=2", "strategy=batched",
        "strategy.slice_bytes=256KiB,64MiB,32MiB", "engine=simpy", f"results_dir={folder.path}",
    ]  # fmt: skip
    slow = jobs(*overrides)[0].job  # 73,000 copies for each of two draws: seconds on SimPy
    sweep = Sweep(["-m", *overrides])
    kills = 0
    while kill_a_worker(folder, sweep, slow):
        kills += 1
    printed = sweep.finish(code=1)
    assert kills == 3
    assert "failed: 1 × its worker died 3 times, last process" in printed
    assert len(folder.finished_files()) == 2
    assert [path.stem for path in folder.failed_files()] == [slow]
    # The next sweep starts from zero, and a success replaces the failure.
    assert "2 of 3 jobs are finished" in run(["-m", *overrides])
    assert folder.failed_files() == []


@SLOW
def test_two_sweeps_in_one_folder_share_the_work(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    both = [Sweep(arguments(folder, 20)), Sweep(arguments(folder, 25))]
    both[0].wait_for_files(folder, 1)
    for sweep in both:
        sweep.finish()
    assert_one_valid_row_set_each(folder, 75)


BAD = {
    "a value of the wrong type": (["-m", "seed=1,much"], "seed=much: Value 'much'"),
    "a file that does not exist": (["-m", "strategy=ring,rings"], "strategy=rings: allowed: batched"),
    "an unknown key": (["-m", "sede=3,4"], "sede=3: there is no key or group 'sede'"),
    "an interval": (["-m", "seed=interval(0,1)"], "seed=interval(0,1): a list of values"),
    "no worker": (["-m", "sweep.workers=0"], "sweep.workers=0: at least 1"),
    "no attempt": (["-m", "sweep.attempts=0"], "sweep.attempts=0: at least 1"),
    "an unknown launcher": (["-m", "hydra/launcher=none"], "hydra/launcher=none: allowed: basic"),
    "no folder": (["-m", "results_dir="], "results_dir='': a folder is wanted"),
    "no sweep": ([], "rows: rows are written by sweeps: add -m"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    more, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    where = [] if any(text.startswith("results_dir") for text in more) else ["results_dir=rows"]
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *more, *where])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capfd.readouterr()
    assert stopped.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


@SLOW
def test_a_sweep_told_to_end_says_how_to_go_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    sweep = Sweep(arguments(folder, 50))
    sweep.wait_for_files(folder, 5)
    os.kill(sweep.pid, signal.SIGINT)
    sweep.finish(code=130)
    done = finished_files(folder)
    run(arguments(folder, 50))
    assert done.items() <= finished_files(folder).items()
    assert_one_valid_row_set_each(folder, 150)


def test_a_job_with_a_value_that_no_column_holds_is_a_row_and_costs_no_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    far = 10**24
    printed = run(["-m", *SMALL[:3], "strategy=ring", f"seed=1,{far},2", f"results_dir={folder.path}"], code=1)
    assert f"failed: 1 × seed={far}: at most 9223372036854775807 fits in 64 bits" in printed
    assert (len(folder.finished_files()), len(folder.failed_files())) == (2, 1)
    (row,) = [row for row in read_folder(folder).to_pylist() if row["status"] == "failed"]
    assert row["seed"] is None
