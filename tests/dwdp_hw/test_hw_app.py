"""`dwdp-hw` as a user meets it on a machine without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dwdp_hw.executors.cuda.gpu import Versions, count_gpus
from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.job.schema import BackendConfig, CheckConfig, Mode
from dwdp_hw.rows.schema import FORMAT
from tests.here import run_here

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dwdp_hw(tmp_path: Path) -> Run:
    """Run `dwdp-hw` in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "default"}
        command = [sys.executable, "-m", "dwdp_hw.app", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


BAD = {
    "a document": ("json=true", "json=true: dwdp-hw prints for people"),
    "an unknown executor": ("backend.executor=x", "backend.executor=x"),
    "an unknown key": ("+backend.executer=host", "nearest: backend.executor"),
    "a flag of a number": ("backend.detail=7", "backend.detail=7: true or false is wanted"),
    "an unknown command line flag": ("--foo", "unrecognized arguments: --foo"),
    "an unknown way of issuing": ("backend.issue=x", "backend.issue=x: allowed: arrays, lists, built_lists"),
    "an unknown mapping": ("backend.mapping=x", "backend.mapping=x: allowed: ipc, vmm_fd, vmm_fabric"),
    "an unknown home": ("backend.home=x", "backend.home=x: allowed: peer, host, local"),
    "an unknown issue mode": ("issue_mode=x", "issue_mode=x: allowed: queued, as_issued"),
    "no repeats": ("backend.repeats=0", "backend.repeats=0: must be from 1 to 100000"),
    "no time to wait": ("backend.wait_s=0", "backend.wait_s=0.0: seconds above zero are wanted"),
    "an empty window": ("backend.window_s=[]", "backend.window_s=[]: one number of seconds above zero a rank"),
    "a replay": ("workload=replay", "workload.kind=replay: "),
    "a rank beyond the group": ("backend.ranks=[2]", "backend.ranks=[2]: ranks from 0 to 1 run"),
    "driver calls on host memory": (
        "backend.measure=issue_cost",
        "backend.measure=issue_cost: backend.executor=host has",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_two_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    override, said = BAD[name]
    ended = run_here("dwdp_hw.app", "backend=host", override, folder=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_a_gpu_one_line_says_what_is_missing_and_what_still_works(dwdp_hw: Run, tmp_path: Path) -> None:
    try:
        count_gpus()
    except NoGpuError:
        ended = dwdp_hw()
        assert ended.returncode == 3
        assert ended.stderr.count("\n") == 1
        assert "dwdp-sim works without it" in ended.stderr
        assert list(tmp_path.iterdir()) == []
    else:
        pytest.skip("this machine has a GPU")


def test_help_names_every_mode_and_key(dwdp_hw: Run) -> None:
    ended = dwdp_hw("--help")
    assert ended.returncode == 0
    keys = {item.name for group in (BackendConfig, CheckConfig) for item in fields(group)} - {"executor"}  # the group's
    words = set(re.findall(r"\w+", ended.stdout))
    assert {*keys, *Mode.__members__, "source", "rows", "trace", "h100_x1_host"} <= words


def test_a_run_on_host_memory_writes_the_files_of_a_prediction(dwdp_hw: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    ended = dwdp_hw("backend=host", "backend.detail=true", "model.num_experts=4", "model.top_k=2", "hydra.run.dir=out")
    assert ended.returncode == 0, ended.stderr
    assert "every byte of every run was compared" in ended.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["measured"]
    assert summary["home"] == "peer"
    assert [rank["verified_runs"] for rank in summary["ranks"]] == [12, 12]
    copies = pq.read_table(tmp_path / "out" / "copies.parquet")
    assert sum(copies["bytes"].to_pylist()) == sum(summary["plan"]["bytes_per_rank"])
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["traceEvents"]
    assert json.loads((tmp_path / "out" / "rows.json").read_text())["format"] == FORMAT


def test_torchrun_starts_the_same_measurement(dwdp_hw: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torchrun is torch's")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "dwdp_hw.app"]
    overrides = ["backend=host", "model.num_experts=4", "model.top_k=2", "hydra.run.dir=out"]
    ended = subprocess.run(
        [*launch, *overrides], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["ranks"]) == 2


@pytest.mark.parametrize(("override", "code"), [("backend.repeats=0", 2), ("--cfg=job", 0)])
def test_a_rank_above_0_checks_its_command_line_before_it_looks_for_the_others(
    override: str, code: int, dwdp_hw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    ended = dwdp_hw("backend=host", override)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert list(tmp_path.iterdir()) == []


def test_an_old_driver_or_runtime_is_named_with_both_versions_and_what_still_works() -> None:
    assert Versions(13000, 13030, "13").batch_missing is None
    assert Versions(12080, 12090, "12").batch_missing is None
    said = Versions(12040, 12080, "12").batch_missing
    assert said is not None
    assert "driver supports 12.4" in said
    assert "runtime is 12.8" in said
    assert "strategy=default works" in said


def test_importing_needs_neither_torch_nor_cuda() -> None:
    program = """
import importlib, pathlib, sys
for name in ("torch", "cuda", "pynvml"):
    sys.modules[name] = None
for path in sorted(pathlib.Path("dwdp_hw").rglob("*.py")):
    parts = path.with_suffix("").parts
    importlib.import_module(".".join(parts[:-1] if path.stem == "__init__" else parts))
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_calibration_that_could_not_be_kept_is_not_begun(dwdp_hw: Run, tmp_path: Path) -> None:
    for out, reason in (("/proc/q.yaml", "No such file or directory"), (str(tmp_path), "not a regular file")):
        ended = dwdp_hw("mode=calibrate", f"check.out={out}")
        assert ended.returncode == 2
        assert ended.stderr == f"app.py: check.out={out}: cannot be written: {reason}\n"
    assert list(tmp_path.iterdir()) == []
