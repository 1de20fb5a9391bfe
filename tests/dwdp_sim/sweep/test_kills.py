"""Whatever is killed, truncated or full: after a restart each job has its rows once, and nothing finished ran twice."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwdp_sim.sweep.results_folder import Folder
from tests.dwdp_sim.sweep.harness import (
    LAUNCHERS,
    Sweep,
    arguments,
    assert_one_valid_row_set_each,
    finished_files,
    kill_a_worker,
    reader,
    run,
)

SLOW = pytest.mark.slow


def test_a_killed_sweep_goes_on_where_it_was_and_mends_a_truncated_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    sweep = Sweep(arguments(folder, 20))
    sweep.wait_for_files(folder, 10)
    sweep.kill(whole_group=True)
    before = finished_files(folder)
    assert 10 <= len(before) < 60
    victim = folder.finished_files()[0]
    folder.claim(folder.finished_files()[1].stem).write_text("earlier here 1\n")  # killed after its rows were whole
    os.truncate(victim, victim.stat().st_size // 2)
    printed = run(arguments(folder, 20))
    assert f"{len(before) - 1} of 60 jobs are finished and skipped" in printed
    assert "1 damaged file is replaced" in printed
    after = finished_files(folder)
    assert [name for name in before if before[name] != after[name]] == [victim.name]
    assert_one_valid_row_set_each(folder, 60)


@SLOW
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_twenty_kills_at_random_moments_cost_nothing_finished(launcher: str, tmp_path: Path) -> None:
    folder, dice, moments = Folder(tmp_path / "rows"), random.Random(launcher), []
    with reader(folder):
        for _ in range(20):
            done = finished_files(folder)
            sweep = Sweep(arguments(folder, 100, launcher))
            # From the first import to well into the jobs: starting takes seconds, a job milliseconds.
            sweep.wait_for_files(folder, len(done) + dice.choice((0, 0, 1, 3, 10)))
            time.sleep(dice.uniform(0.0, 0.3 if len(finished_files(folder)) > len(done) else 5.0))
            sweep.kill(whole_group=dice.random() < 0.5)
            moments.append(len(finished_files(folder)))
            assert done.items() <= finished_files(folder).items()
        done = finished_files(folder)
        assert len(done) < 300, "the kills came too late"
        run(arguments(folder, 100, launcher))
    print(launcher, "jobs finished at each kill:", moments)
    assert done.items() <= finished_files(folder).items()
    assert_one_valid_row_set_each(folder, 300)


@SLOW
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_killed_worker_costs_nothing(launcher: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rows")
    sweep = Sweep(arguments(folder, 100, launcher))
    with reader(folder):
        sweep.wait_for_files(folder, 5)
        assert kill_a_worker(folder, sweep) is not None
        sweep.finish()
    assert_one_valid_row_set_each(folder, 300)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB; a file of rows takes 12 KiB of it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("launcher", ["basic", *(pytest.param(name, marks=SLOW) for name in LAUNCHERS[1:])])
def test_a_full_disk_stops_the_sweep_in_one_line_and_breaks_no_file(launcher: str, small_disk: Path) -> None:
    folder = Folder(small_disk / "rows")
    printed = run(arguments(folder, 25, launcher), code=2)
    if launcher != "submitit_local":  # whose own files do not fit either; then it says so in its own words
        assert "No space left on device" in printed.splitlines()[-1]
    assert "the same command goes on from here" in printed.splitlines()[-1]
    before = finished_files(folder)
    assert 5 < len(before) < 75
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    run(arguments(folder, 25, launcher))
    assert before.items() <= finished_files(folder).items()
    assert_one_valid_row_set_each(folder, 75)
