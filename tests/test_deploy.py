"""The files in deploy/ as far as their hosts are not needed: shells read them, and their command lines are ours."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from dwdp_hw.job.schema import HwConfig, Mode, register_hw_schemas
from dwdp_hw.node.machine import machine_of
from dwdp_hw.node.parts import parts_of
from dwdp_hw.subcommands import WORDS, parser
from dwdp_sim.advice.config import AdviseTree, register_advise_schemas
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_folders
from dwdp_sim.job.hydra_flags import read_command_line

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENTRYPOINT"}
RECORDER = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""


def shell(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(script), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Any:
    """Run a script with commands that only note how they were called, and return these calls."""
    log = tmp_path / "log"
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("dwdp-hw", "srun"):
        (commands / name).write_text(RECORDER.format(python=sys.executable, log=str(log)), encoding="utf-8")
        (commands / name).chmod(0o755)

    def run(script: str, *arguments: str, code: int = 0, **environment: str) -> list[list[str]]:
        log.unlink(missing_ok=True)
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        ended = shell(DEPLOY / script, *arguments, PATH=path, **environment)
        assert (ended.returncode, ended.stderr) == (code, "")
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]

    return run


def logical_lines(text: str) -> list[str]:
    """The lines of a script without comments, those that end in a backslash joined with the next."""
    joined = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in joined if line.strip() and not line.lstrip().startswith("#")]


def check_command(words: Sequence[str]) -> str:
    """Read a command line of `dwdp-hw` as the command itself does; returns its mode or word."""
    if words[0] in WORDS:
        return str(parser().parse_args(words).command)
    register_hw_schemas()
    line = read_command_line(words)
    config = compose(line.config_name or "hw", HwConfig, line.overrides, config_folders(line))
    assert isinstance(config.mode, Mode)
    return config.mode.name


def check_advice(words: Sequence[str]) -> str:
    """Read a command line of `dwdp-advise` as the command itself does; returns its model."""
    register_advise_schemas()
    line = read_command_line(words)
    return str(compose("advise", AdviseTree, line.overrides, config_folders(line)).model.name)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_reads_every_script(script: Path) -> None:
    read = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    assert logical_lines(script.read_text(encoding="utf-8"))[0] == "set -euo pipefail"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", str(DEPLOY / "Containerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("gpus", [1, 2, 8])
def test_each_part_of_a_node_is_a_command_that_exists(
    gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machine_of(gpus, "NVIDIA H200")
    (tmp_path / "cluster").mkdir()
    for name in ("this_node", "this_node_with_peers"):
        shutil.copy(ROOT / "conf" / "cluster" / f"{machine.start}.yaml", tmp_path / "cluster" / f"{name}.yaml")
    monkeypatch.chdir(tmp_path)
    parts = parts_of(machine, ["deepseek_r1_fp8", "gpt_oss_120b_mxfp4"], 4096)
    ours = [check_command(part.words) for part in parts if part.program == "dwdp-hw"]
    assert ours == [*["health"], *["validate"] * (gpus > 2), "calibrate", "health", "validate", "bundle"]
    advice = [check_advice(part.words) for part in parts if part.program == "dwdp-advise"]
    assert advice == ["deepseek_r1_fp8", "gpt_oss_120b_mxfp4"]


def test_slurm_starts_one_task_with_an_image_or_without(recorded: Any, tmp_path: Path) -> None:
    job = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7"}
    (plain,) = recorded("slurm.sh", **job)
    assert plain == ["srun", "dwdp-hw", "node", "--out", f"{tmp_path}/dwdp-node-7"]
    mine = tmp_path / "my own"
    (boxed,) = recorded("slurm.sh", str(mine), "--model", "deepseek_r1_fp8", DWDP_IMAGE="dwdp.sqsh", **job)
    assert boxed[1:3] == ["--container-image=dwdp.sqsh", f"--container-mounts={mine}:/results"]
    assert boxed[3:] == ["dwdp-hw", "node", "--out", "/results", "--model", "deepseek_r1_fp8"]
    for words in (plain[2:], boxed[4:]):
        assert check_command(words) == "node"


def test_slurm_is_told_that_the_node_is_the_job_s_alone() -> None:
    lines = (DEPLOY / "slurm.sh").read_text(encoding="utf-8").splitlines()
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert {"--nodes=1", "--ntasks=1", "--exclusive"} <= set(options)
    assert lines.index("set -euo pipefail") > max(n for n, line in enumerate(lines) if line.startswith("#SBATCH"))


def test_the_image_is_built_of_files_that_exist_and_examines_the_node() -> None:
    lines = logical_lines((DEPLOY / "Containerfile").read_text(encoding="utf-8"))
    steps = [line.partition(" ")[::2] for line in lines]
    assert {name for name, _ in steps} == INSTRUCTIONS
    assert steps[0] == ("FROM", "docker.io/library/python:3.12-slim")
    copied = {source for name, rest in steps if name == "COPY" for source in rest.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    assert {
        "pyproject.toml",
        "conf",
        "measurements",
        "dwdp_sim",
        "dwdp_hw",
        "tests",
        "requirements",
    } <= copied
    for name, rest in steps:
        if name == "RUN":
            assert subprocess.run(["bash", "-n", "-c", rest], check=False).returncode == 0
    (entry,) = [json.loads(rest) for name, rest in steps if name == "ENTRYPOINT"]
    assert entry == ["dwdp-hw", "node", "--out", "/results"]


def test_the_image_installs_the_extra_that_measures_and_what_the_tests_import() -> None:
    (install,) = [
        shlex.split(line.removeprefix("RUN "))
        for line in logical_lines((DEPLOY / "Containerfile").read_text(encoding="utf-8"))
        if "pip install" in line
    ]
    assert {".[hw]", "pytest", "hypothesis"} <= set(install)
    assert (ROOT / install[install.index("--constraint") + 1]).is_file()


def test_the_first_prediction_of_the_image_runs(tmp_path: Path) -> None:
    (line,) = [
        line.removeprefix("RUN ").partition(" && ")[0]
        for line in logical_lines((DEPLOY / "Containerfile").read_text(encoding="utf-8"))
        if line.startswith("RUN dwdp-sim")
    ]
    words = [word for word in shlex.split(line)[1:] if not word.startswith("hydra.")]
    command = [sys.executable, "-m", "dwdp_sim.app", *words, "workload.draws=1", "workload.range=false"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_kubernetes_is_asked_for_gpus_shared_memory_and_one_run() -> None:
    job = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] > 0
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] >= 2
    *command, results = container["command"]
    assert command == ["dwdp-hw", "node", "--out"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    assert set(mounts) == {"/dev/shm", results}
    assert set(mounts.values()) == set(volumes)
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert "persistentVolumeClaim" in volumes[mounts[results]]
    assert "privileged" not in container["securityContext"]
