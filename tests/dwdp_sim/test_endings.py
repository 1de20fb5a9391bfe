"""Whatever ends a command, it ends in one line and in time, with its processes, and leaves nothing half-written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwdp_sim.sweep.results_folder import Folder
from tests.dwdp_sim.sweep.harness import assert_one_valid_row_set_each
from tests.endings import CODES, REPOSITORY, Command, temporary_files

SMALL = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2", "hydra.run.dir=out")
STEPS = (
    *SMALL, "workload=iteration", "engine=simpy", "workers=2", "workload.max_num_tokens=4096", "model.num_layers=9",
    "model.num_moe_layers=8",
)  # fmt: skip
SEEDS = 60
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a layer": ("dwdp_sim.app", SMALL),
    "steps in processes": ("dwdp_sim.app", STEPS),
    "advice": ("dwdp_sim.advice.app", (*SMALL, "workers=2")),
    "Hydra's own multirun": ("dwdp_sim.app", ("-m", *SMALL[:3], "seed=range(20)", "hydra.sweep.dir=out")),
    "a sweep": ("dwdp_sim.app", ("-m", *SMALL[:3], f"seed=range({SEEDS})", "results_dir=rows")),
    "a sweep of joblib's": (
        "dwdp_sim.app",
        ("-m", *SMALL[:3], f"seed=range({SEEDS})", "results_dir=rows", "hydra/launcher=joblib", "sweep.workers=2"),
    ),
    "a report": ("dwdp_sim.report_app", ("page", "rows")),
}
SIGNALS = (signal.SIGKILL,) * 4 + (signal.SIGTERM, signal.SIGINT)


def strike_at_random(names: list[str], strikes: int, folder: Path, dice: random.Random) -> dict[int, int]:
    """Strike commands at random moments, then let each finish; how many ended with which code."""
    codes: dict[int, int] = {}
    left: list[Path] = []
    for strike in range(strikes):
        module, arguments = COMMANDS[names[strike % len(names)]]
        number = SIGNALS[(strike // len(names) + strike) % len(SIGNALS)]
        command = Command(module, arguments, folder)
        command.wait_until_it_listens()
        time.sleep(dice.choice((0.2, 1.0, 4.0)) * dice.random())
        over = command.is_over
        command.strike(number)
        end = command.end()
        assert over or end.code in (0, CODES[number]), (names[strike % len(names)], number, end)
        assert len(end.lines) == (number is not signal.SIGKILL and end.code != 0), (number, end)
        if number is not signal.SIGKILL and end.code != 0:
            mine = [path for path in temporary_files(folder) if path not in left]
            assert mine == [], (number, end)
        left = temporary_files(folder)
        codes[end.code] = codes.get(end.code, 0) + 1
    for name in dict.fromkeys(names):
        end = Command(COMMANDS[name][0], COMMANDS[name][1], folder).end(within_s=300.0)
        assert (end.code, end.lines) == (0, []), name
    assert temporary_files(folder) == []
    return codes


def words_of(pid: int) -> str:
    """The command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.long
def test_a_few_strikes_at_random_moments_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    strike_at_random(["a layer", "a sweep", "steps in processes"], 18, folder, random.Random(1))
    assert_one_valid_row_set_each(Folder(folder / "rows"), SEEDS)


@pytest.mark.slow
def test_three_hundred_strikes_at_random_moments_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    names = list(COMMANDS)
    assert Command(*COMMANDS["a sweep"], folder).end(within_s=300.0).code == 0  # rows for the report
    print(strike_at_random(names, 300, folder, random.Random(2)))
    assert_one_valid_row_set_each(Folder(folder / "rows"), SEEDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_is_one_line(number: signal.Signals, tmp_path: Path) -> None:
    command = Command("dwdp_sim.app", SMALL, tmp_path)
    command.wait_until_it_listens()
    command.strike(number)
    end = command.end()
    said = "interrupted" if number is signal.SIGINT else "ended by SIGTERM"
    assert (end.code, end.lines) == (CODES[number], [f"-c: {said}"])
    assert list(tmp_path.iterdir()) == []


def test_advice_that_is_interrupted_between_two_answers_is_one_more_line_and_leaves_no_file(tmp_path: Path) -> None:
    arguments = ("advise.within=1min", "workers=1", "engine=simpy", "hydra.run.dir=out")
    command = Command("dwdp_sim.advice.app", arguments, tmp_path)
    while "So far, over 3 of" not in command.said:
        assert not command.is_over
        time.sleep(0.01)
    command.strike(signal.SIGINT)
    end = command.end()
    assert (end.code, end.lines[-1]) == (CODES[signal.SIGINT], "-c: interrupted")
    assert all(line.startswith("after ") for line in end.lines[:-1])
    assert not (tmp_path / "out" / "advice.json").exists()
    assert temporary_files(tmp_path) == []


def test_a_worker_process_that_is_killed_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    command = Command("dwdp_sim.app", STEPS, tmp_path)
    while not (workers := command.descendants()):
        assert not command.is_over
        time.sleep(0.01)
    command.strike(signal.SIGKILL, workers[0])
    end = command.end(within_s=20.0)
    assert end.code == 1
    assert end.lines == [
        f"-c: worker process {workers[0]} was ended by SIGKILL; if memory ran out, fewer need less: workers=1"
    ]
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_worker_processes_end_with_their_command(number: signal.Signals, tmp_path: Path) -> None:
    command = Command("dwdp_sim.app", STEPS, tmp_path)
    while len(command.descendants()) < 2:
        assert not command.is_over
        time.sleep(0.01)
    command.strike(number)
    end = command.end()  # which looks for processes that are left
    assert end.code == CODES[number]
    assert len(end.lines) == (number is not signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.long)])
def test_workers_end_when_a_sweep_and_its_child_are_killed_at_one_instant(workers: int, tmp_path: Path) -> None:
    module, arguments = COMMANDS["a sweep of joblib's"]
    of_joblib = ("seed=range(300)", "hydra.launcher.n_jobs=3", f"sweep.workers={workers}")  # without work, or with it
    command = Command(module, (*arguments, *of_joblib), tmp_path)
    while not list(tmp_path.glob("rows/jobs/*.parquet")):
        assert not command.is_over
        time.sleep(0.05)
    child = [pid for pid in command.descendants() if "dwdp_sim.sweep.child_process" in words_of(pid)]
    assert len(child) == 1
    idle = [pid for pid in command.descendants() if "loky" in words_of(pid)]
    assert len(idle) >= 3
    command.strike(signal.SIGKILL, child[0])
    command.strike(signal.SIGKILL)
    assert command.end().code == -signal.SIGKILL  # which looks for processes that are left


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB: the settings of a run fit, its results do not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("filled_bytes", [0, 56 * 1024, 64 * 1024])
def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_file(
    filled_bytes: int, small_disk: Path, tmp_path: Path
) -> None:
    (small_disk / "others").write_bytes(bytes(filled_bytes))
    end = Command("dwdp_sim.app", (*SMALL, f"hydra.run.dir={small_disk}/out"), tmp_path).end(within_s=60.0)
    assert end.code == 2
    assert len(end.lines) == 1
    assert "No space left on device" in end.lines[0]
    assert temporary_files(small_disk) == []
    empty = [path for path in small_disk.rglob("*.*") if path.is_file() and not path.stat().st_size]
    assert [path for path in empty if path.suffix != ".log"] == []
    assert not (small_disk / "out" / "summary.json").exists()


def test_a_full_disk_is_one_line_where_hydra_writes_what_it_is_about_to_run(small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "others").write_bytes(bytes(64 * 1024))
    arguments = ("-m", *SMALL[:3], "seed=1,2", f"hydra.sweep.dir={small_disk}/out")
    end = Command("dwdp_sim.app", arguments, tmp_path).end(within_s=60.0)
    assert (end.code, end.lines) == (2, ["-c: No space left on device"])
    assert [path.name for path in small_disk.rglob("*.*")] == ["multirun.yaml"]  # Hydra's, and empty


def test_a_reader_that_has_enough_ends_the_command_without_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from dwdp_sim.report_app import main; main()", "data-dictionary"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, env=environment, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_what_a_killed_run_has_left_is_removed_by_the_next_in_its_folder(tmp_path: Path) -> None:
    code = "from dwdp_sim.base.owner import temporary_name; print(temporary_name('trace', '.json'))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    name = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).strip()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("half")
    assert Command("dwdp_sim.app", SMALL, tmp_path).end(within_s=60.0).code == 0
    assert temporary_files(tmp_path) == []
    assert json.loads((tmp_path / "out" / "trace.json").read_text())
