"""A node that is struck, has no room, rights or driver: a verdict or one line, no process left, no half a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.endings import REPOSITORY, Command, temporary_files

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu"), pytest.mark.filterwarnings("default")]
_NOBODY = 65534
_PROGRAM = f"{sys.executable} -m dwdp_hw.app"
_HOG = """
import time, torch
host = torch.empty(2**28, dtype=torch.uint8, pin_memory=True)
card = torch.empty_like(host, device="cuda")
ends_at = time.monotonic() + 150
while time.monotonic() < ends_at:
    for _ in range(20):
        card.copy_(host, non_blocking=True)
    torch.cuda.synchronize()
"""


# What Python runs at its start, where it finds it as sitecustomize.py.
_MIG_ON = """
import pynvml
pynvml.nvmlDeviceGetMigMode = lambda handle: [1, 1]
"""
_FAULT = """
import os, pathlib, sys, threading, time
def always():
    while "cuda.core" not in sys.modules:
        time.sleep(0.1)
    time.sleep(1.5)
    from cuda.core import Device, LaunchConfig, Program, launch
    device = Device(0)
    device.set_current()
    code = 'extern "C" __global__ void fault() { asm("trap;"); }'
    kernel = Program(code, code_type="c++").compile("cubin").get_kernel("fault")
    launch(device.create_stream(), LaunchConfig(grid=1, block=1), kernel)
def once():
    try:
        pathlib.Path(os.environ["FAULTY"]).open("x").close()
    except FileExistsError:
        return
    always()
if "RANK" in os.environ:
    threading.Thread(target=globals()[os.environ["FAULTS"]], daemon=True).start()
"""


def at_start(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every Python that is started run this first."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("hiding a device takes a mount namespace of root's")


def in_namespace(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A shell script whose mounts nobody else sees."""
    as_root()
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"}
    command = ["unshare", "--mount", "bash", "-uc", script]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def verdicts(folder: Path) -> dict[str, str]:
    return {part["part"]: part["verdict"] for part in json.loads((folder / "node.json").read_text())["parts"]}


def wait_for_ranks(command: Command) -> list[int]:
    """Processes of ranks that have measured for a second or two; each round has its own."""
    seen: list[int] = []
    while not command.is_over:
        ranks = [pid for pid in command.descendants() if b"dwdp_hw.run.worker" in _command_line(pid)]
        if ranks and ranks == seen:
            return ranks
        seen = ranks
        time.sleep(2.0)
    pytest.fail("it ended before it measured")


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_struck_node_leaves_no_process_and_no_half_a_file(number: signal.Signals, tmp_path: Path) -> None:
    command = Command("dwdp_hw.app", ["node", "--only", "health,calibrate", "--out", "node"], tmp_path)
    wait_for_ranks(command)
    command.strike(number)
    end = command.end(within_s=15.0)
    assert len([line for line in end.lines if "Traceback" in line]) == 0
    assert temporary_files(tmp_path) == []
    assert verdicts(tmp_path / "node").keys() == {"health"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rank_that_dies_or_hangs_costs_one_case_and_leaves_the_verdict_open(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = Command("dwdp_hw.app", ["node", "--only", "calibrate,rates", "--out", "node"], tmp_path)
    ranks = wait_for_ranks(command)
    command.strike(number, ranks[0])
    assert command.end(within_s=170.0).code == 5
    found = json.loads((tmp_path / "node" / "node.json").read_text())["parts"]
    assert found[0]["verdict"] == "cannot tell"
    assert "failed: " in found[0]["said"]
    print(found[0])
    assert temporary_files(tmp_path) == []


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    done = in_namespace(
        "mkdir small; mount -t tmpfs -o size=64k tmpfs small; head -c 60000 /dev/zero > small/fill\n"
        f"{_PROGRAM} node --only health,calibrate --out small/node; echo code $?; ls -A small/node",
        tmp_path,
    )
    print(done.stdout, done.stderr)
    assert "code 1" in done.stdout or "code 2" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "No space left" in done.stdout + done.stderr


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    as_root()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-m", "dwdp_hw.app", "node", "--out", str(closed / "node")],
        cwd="/tmp",
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}", "HOME": "/tmp"},
        user=_NOBODY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    print(done.stdout, done.stderr)
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "Permission denied" in done.stderr
    assert list(closed.iterdir()) == []


def test_devices_that_may_not_be_opened_are_one_line(tmp_path: Path) -> None:
    done = in_namespace(
        "for device in /dev/nvidia[0-9]* /dev/nvidiactl; do mount --bind /dev/null $device; done\n"
        f"{_PROGRAM} node --out node; echo code $?; ls -A",
        tmp_path,
    )
    print(done.stdout, done.stderr)
    assert done.stdout.splitlines()[-1] == "code 3"
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_lost_after_the_calibration_ends_the_rest_with_a_verdict(tmp_path: Path) -> None:
    done = in_namespace(
        f"{_PROGRAM} node --only calibrate,validate,bundle --out node & node=$!\n"
        "until grep -qs '\"calibrate\"' node/node.json || ! kill -0 $node; do sleep 0.02; done\n"
        "for device in /dev/nvidia[0-9]* /dev/nvidiactl; do mount --bind /dev/null $device; done\n"
        "wait $node; echo code $?",
        tmp_path,
    )
    print(done.stdout, done.stderr)
    assert "code 1" in done.stdout
    found = verdicts(tmp_path / "node")
    assert (found["calibrate"], found["validate"]) == ("good", "bad")
    assert temporary_files(tmp_path) == []


def test_without_nvml_measurements_are_made_and_health_says_what_it_could_not_ask(tmp_path: Path) -> None:
    done = in_namespace(
        "for library in $(ldconfig -p | sed -n 's/.*libnvidia-ml.so.1.*=> //p'); do\n"
        "mount --bind /dev/null $(readlink -f $library); done\n"
        f"{_PROGRAM} node --cluster hgx_h200 --only health,calibrate --out node; echo code $?",
        tmp_path,
    )
    print(done.stdout, done.stderr)
    found = verdicts(tmp_path / "node")
    assert found["calibrate"] == "good"
    assert "Traceback" not in done.stdout + done.stderr


def test_with_another_process_on_the_gpu_the_verdict_is_not_that_the_model_is_wrong(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOG]) as other:
        try:
            time.sleep(10.0)
            command = Command("dwdp_hw.app", ["node", "--only", "health,calibrate,validate", "--out", "node"], tmp_path)
            command.end(within_s=200.0)
        finally:
            other.kill()
    found = json.loads((tmp_path / "node" / "node.json").read_text())
    print(json.dumps(found["parts"], indent=1))
    said = {part["part"]: part for part in found["parts"]}
    assert said["health"]["verdict"] == "bad"
    assert "other process" in said["health"]["said"]
    assert "disagrees" not in said["validate"]["said"]
    assert temporary_files(tmp_path) == []


def test_with_mig_on_health_is_bad_and_the_verdict_is_not_that_the_model_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MIG itself is not touched: NVML is made to say that it is on, and all else runs on the GPU."""
    at_start(_MIG_ON, tmp_path / "start", monkeypatch)
    command = Command("dwdp_hw.app", ["node", "--only", "health,calibrate,validate", "--out", "node"], tmp_path)
    assert command.end(within_s=400.0).code == 1
    said = {part["part"]: part for part in json.loads((tmp_path / "node" / "node.json").read_text())["parts"]}
    print(json.dumps(said, indent=1))
    assert said["health"]["verdict"] == "bad"
    assert "MIG is on" in said["health"]["said"]
    assert "disagrees" not in said["validate"]["said"]


@pytest.mark.parametrize("faults", ["once", "always"])
def test_a_gpu_that_fails_while_copies_run_leaves_the_verdict_open_and_no_process(
    faults: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that traps ends its process's context, so that every later call fails, as on a GPU that is lost.

    In every process it does so after a second or two, by when some cases have been measured.
    """
    at_start(_FAULT, tmp_path / "start", monkeypatch)
    monkeypatch.setenv("FAULTS", faults)
    monkeypatch.setenv("FAULTY", str(tmp_path / "start" / "done"))
    command = Command("dwdp_hw.app", ["node", "--only", "calibrate", "--out", "node"], tmp_path)
    end = command.end(within_s=400.0)
    (part,) = json.loads((tmp_path / "node" / "node.json").read_text())["parts"]
    print(end.code, part, *end.lines[-5:], sep="\n")
    assert (end.code, part["verdict"]) == (5, "cannot tell")
    assert len([line for line in end.lines if "Traceback" in line]) == 0
    assert temporary_files(tmp_path) == []
