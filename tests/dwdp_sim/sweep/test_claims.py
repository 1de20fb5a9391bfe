"""A claim is held by one living process at a time, and by nobody when that process has died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from dwdp_sim.sweep.claims import Attempt, attempts, claim, is_held, record, wait_until_free

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
