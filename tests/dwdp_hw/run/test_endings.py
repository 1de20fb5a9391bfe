"""Four ranks on host memory, struck at random: the end comes in time, says who and where, and leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwdp_hw.cases.case import Settings
from dwdp_hw.group.shared_page import Page
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.base.errors import ConfigError
from tests.endings import CODES, Command, End, temporary_files

pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
RANKS = 4
SMALL = (
    "backend=host", "model.num_experts=8", "model.top_k=2", "model.hidden_size=256", "model.intermediate_size=256",
    "hydra.run.dir=out",
)  # fmt: skip
REHEARSAL = (*SMALL, f"dwdp.dwdp_size={RANKS}")
ENDLESS = (*REHEARSAL, "backend.repeats=100000", "backend.heartbeat_s=6", "backend.wait_s=8")
ENDS_WITHIN_S = 45.0  # a lost rank's: the others' start, and then twice `wait_s` at most


def strike_the_rehearsal(victim: str, number: signal.Signals, moment_s: float, folder: Path) -> End:
    """Strike the launcher or a rank, that long after the ranks have been started."""
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    command = Command("dwdp_hw.app", (*ENDLESS, f"backend.shared_folder={shared}"), folder)
    while len(ranks := command.descendants()) < RANKS:
        assert not command.is_over, command.end()
        time.sleep(0.02)
    time.sleep(moment_s)
    command.strike(number, None if victim == "launcher" else ranks[-1])
    end = command.end(ENDS_WITHIN_S if victim == "rank" else 4.0)
    if number is not signal.SIGKILL or victim == "rank":
        assert temporary_files(shared) == []
    if victim == "launcher":
        assert end.code == CODES[number]
        assert len(end.lines) == (number is not signal.SIGKILL)
    else:
        assert end.code == 4, end
        assert len(end.lines) == 1, end
        assert " rank " in end.lines[0]
        assert (number.name if number is not signal.SIGSTOP else "s") in end.lines[0]
    return end


@pytest.mark.long
@pytest.mark.parametrize(("victim", "number"), [("launcher", signal.SIGKILL), ("rank", signal.SIGKILL)])
def test_four_ranks_end_together(victim: str, number: signal.Signals, tmp_path: Path) -> None:
    strike_the_rehearsal(victim, number, 5.0, tmp_path)


@pytest.mark.slow
def test_fifty_strikes_at_random_moments_end_in_time_and_leave_nothing(tmp_path: Path) -> None:
    dice = random.Random(3)
    blows = [("launcher", number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)]
    blows += [("rank", signal.SIGKILL), ("rank", signal.SIGSTOP)]
    for strike in range(50):
        victim, number = blows[strike % len(blows)]
        earliest_s = 8.0 if number is signal.SIGSTOP else 0.0  # a rank that has not begun has the time of the start
        strike_the_rehearsal(victim, number, dice.uniform(earliest_s, 12.0), tmp_path)
    last = Command("dwdp_hw.app", (*REHEARSAL, f"backend.shared_folder={tmp_path}/shared"), tmp_path)
    assert last.end(within_s=120.0).code == 0
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.fixture
def small_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory with room for 64 KiB."""
    folder = tmp_path / "memory"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.long
def test_a_shared_folder_without_room_is_one_line_and_no_dead_rank(small_memory: Path, tmp_path: Path) -> None:
    end = Command("dwdp_hw.app", (*SMALL, f"backend.shared_folder={small_memory}"), tmp_path).end(within_s=120.0)
    assert end.code == 2
    assert len(end.lines) == 1
    assert f"backend.shared_folder={small_memory}: has no room for a file of " in end.lines[0]
    assert list(small_memory.iterdir()) == []


def test_a_page_for_which_memory_has_no_room_is_refused_before_it_is_touched(small_memory: Path) -> None:
    (small_memory / "run").mkdir()
    (small_memory / "others").write_bytes(bytes(60 * 1024))
    with pytest.raises(
        ConfigError, match=rf"^backend.shared_folder={small_memory}: has no room for a file of \d+ bytes"
    ):
        Page(small_memory / "run" / "page", 0, 64)


def run_nothing(shared: Path) -> None:
    run_group(Work((), Settings(executor="host", shared_folder=str(shared))), 0, lambda *_: None)


def test_a_shared_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^backend.shared_folder=.*/none: there is no such folder"):
        run_nothing(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_what_strangers_put_into_the_shared_folder_neither_hangs_nor_goes(tmp_path: Path) -> None:
    for name in ("dwdp-hw-x", ".dwdp-hw.x"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "lock")
    (tmp_path / ".dwdp-hw.link").symlink_to(tmp_path)
    run_nothing(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dwdp-hw.link", ".dwdp-hw.x", "dwdp-hw-x"]


def test_the_memory_of_a_killed_run_is_freed_by_the_next(tmp_path: Path) -> None:
    code = "from dwdp_sim.base.owner import temporary_name; print(temporary_name('dwdp-hw'))"
    left = tmp_path / subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    left.mkdir()
    (left / "experts").write_bytes(b"1")
    run_nothing(tmp_path)
    assert list(tmp_path.iterdir()) == []
