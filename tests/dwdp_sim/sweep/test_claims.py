"""A claim is held by one living process at a time, and by nobody when that process has died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dwdp_sim.sweep.claims import Attempt, attempts, claim, is_held, record, wait_until_free
from dwdp_sim.sweep.own_file import Stranger

HOLD = """
import sys, time
from pathlib import Path
from dwdp_sim.sweep.claims import claim, record
path = Path(sys.argv[1])
with claim(path) as descriptor:
    record(descriptor, path, "theirs")
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_nobody_else_gets_a_held_claim_and_it_goes_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "claims" / "job"
    with claim(path) as ours:
        assert ours is not None
        assert is_held(path)
        with claim(path) as second:
            assert second is None
        assert path.exists()
    assert not path.exists()
    assert not is_held(path)


def test_a_block_that_raises_gives_its_claim_back(tmp_path: Path) -> None:
    path = tmp_path / "job"
    try:
        with claim(path):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert not path.exists()


def test_a_killed_holder_leaves_a_free_claim_that_tells_of_it(tmp_path: Path) -> None:
    path = tmp_path / "job"
    process = holder(path)
    assert is_held(path)
    with claim(path) as descriptor:
        assert descriptor is None
    end(process)
    assert not is_held(path)
    assert attempts(path) == [Attempt("theirs", os.uname().nodename, process.pid)]
    with claim(path) as descriptor:
        assert descriptor is not None
        record(descriptor, path, "ours")
        assert [one.sweep for one in attempts(path)] == ["theirs", "ours"]
    assert attempts(path) == []


def test_waiting_ends_with_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "job"
    process = holder(path)
    waiting = threading.Thread(target=wait_until_free, args=(path,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    end(process)
    waiting.join(10.0)
    assert not waiting.is_alive()
    wait_until_free(tmp_path / "none")


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder"])
def test_what_is_no_claim_is_refused_and_nothing_is_written_through_it(kind: str, tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "job"
    if kind != "dangling link":
        theirs.write_text("theirs host 1\n")
    match kind:
        case "link" | "dangling link":
            path.symlink_to(theirs)
        case "second name":
            path.hardlink_to(theirs)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    with pytest.raises(Stranger, match="where a claim is wanted: remove it"), claim(path) as descriptor:
        assert descriptor is None
    if kind != "second name":
        assert attempts(path) == []
        assert not is_held(path)
        wait_until_free(path)
    assert os.path.lexists(path)
    assert theirs.exists() == (kind != "dangling link")
    assert not theirs.exists() or theirs.read_text() == "theirs host 1\n"


def test_lines_that_no_worker_writes_are_no_attempts(tmp_path: Path) -> None:
    path = tmp_path / "job"
    path.write_bytes(b"s h x\ns h -1\ns h " + b"9" * 5000 + b"\n\xff h 7\ns h 8\n")
    assert [one.pid for one in attempts(path)] == [7, 8]


def test_many_claimants_never_hold_a_claim_together(tmp_path: Path) -> None:
    # Each thread opens the file anew, so flock keeps them apart as it does processes; the holder removes the file
    # again and again, which is where a claim on a removed file could let two in.
    path, inside, most, taken = tmp_path / "job", 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, taken
        for _ in range(300):
            with claim(path) as descriptor:
                if descriptor is None:
                    continue
                with guard:
                    inside, taken = inside + 1, taken + 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert taken > 0
