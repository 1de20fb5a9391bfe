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

from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.job.schema import HwConfig, Mode, register_hw_schemas
from dwdp_hw.subcommands import WORDS, parser
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
sys.exit(int(os.environ.get("VERDICT", 0)) if "mode=validate" in sys.argv else 0)
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
    for name in ("dwdp-hw", "python", "srun"):
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


def test_a_node_is_tested_calibrated_validated_and_bundled_by_commands_that_exist(
    recorded: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "with a blank" / "results"
    (folder / "conf" / "cluster").mkdir(parents=True)
    shutil.copy(ROOT / "conf" / "cluster" / "h200_x2.yaml", folder / "conf" / "cluster" / "node.yaml")
    calls = recorded("measure.sh", "h200_x2", str(folder))
    ours = [words[1:] for words in calls if words[0] == "dwdp-hw"]
    done = [check_command(words) for words in ours]
    assert done == ["health", "calibrate", "validate", "health", "bundle", "check"]
    (tests,) = [words[1:] for words in calls if words[0] == "python"]
    assert tests == ["-m", "pytest", "-m", "gpu", f"{DEPLOY}/../tests/dwdp_hw"] or tests[-1] == str(
        ROOT / "tests/dwdp_hw"
    )
    bundle = parser().parse_args(ours[-2])
    assert bundle.paths == [f"{folder}/{name}" for name in ("calibration", "validation", "conf/cluster/node.yaml")]


def test_the_calibration_and_the_validation_are_two_neighbouring_lines_that_one_command_may_replace() -> None:
    lines = logical_lines((DEPLOY / "measure.sh").read_text(encoding="utf-8"))
    calibrate, validate = (
        next(n for n, line in enumerate(lines) if f"mode={m}" in line) for m in ("calibrate", "validate")
    )
    assert validate == calibrate + 1


@pytest.mark.parametrize("verdict", [0, 1])
def test_a_validation_that_fails_is_bundled_all_the_same_and_ends_with_its_exit_code(
    verdict: int, recorded: Any, tmp_path: Path
) -> None:
    calls = recorded("measure.sh", "h200_x2", str(tmp_path / "out"), code=verdict, VERDICT=str(verdict))
    assert calls[-1][:2] == ["dwdp-hw", "check"]


@pytest.mark.parametrize("verdict", [2, 4, 143])
def test_a_validation_that_breaks_ends_everything(verdict: int, recorded: Any, tmp_path: Path) -> None:
    calls = recorded("measure.sh", "h200_x2", str(tmp_path / "out"), code=verdict, VERDICT=str(verdict))
    assert "mode=validate" in calls[-1]


def test_without_a_gpu_nothing_is_begun(tmp_path: Path) -> None:
    try:
        count_gpus()
    except NoGpuError:
        commands = tmp_path / "bin"
        commands.mkdir()
        for name, module in {"dwdp-hw": "dwdp_hw.app", "python": "none"}.items():
            (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n', encoding="utf-8")
            (commands / name).chmod(0o755)
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        ended = shell(DEPLOY / "measure.sh", "h200_x2", str(tmp_path / "out"), PATH=path, PYTHONPATH=str(ROOT))
        assert ended.returncode == 3
        assert "no GPU can be asked here" in ended.stderr
        assert list((tmp_path / "out").iterdir()) == []
    else:
        pytest.skip("this machine has a GPU")


@pytest.mark.parametrize("script", ["measure.sh", "slurm.sh"])
def test_a_script_without_a_cluster_says_what_is_wanted(script: str) -> None:
    ended = shell(DEPLOY / script)
    assert ended.returncode != 0
    assert "a cluster to start from is wanted" in ended.stderr


def test_slurm_starts_one_task_with_an_image_or_without(recorded: Any, tmp_path: Path) -> None:
    job = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7"}
    (plain,) = recorded("slurm.sh", "h200_x2", **job)
    assert plain == ["srun", "bash", f"{tmp_path}/deploy/measure.sh", "h200_x2", f"{tmp_path}/dwdp-measure-7"]
    (boxed,) = recorded("slurm.sh", "h200_x2", str(tmp_path / "mine"), DWDP_IMAGE="dwdp.sqsh", **job)
    assert boxed[1:3] == ["--container-image=dwdp.sqsh", f"--container-mounts={tmp_path / 'mine'}:/results"]
    assert boxed[3:] == ["bash", "/opt/dwdp/deploy/measure.sh", "h200_x2", "/results"]


def test_slurm_is_told_that_the_node_is_the_job_s_alone() -> None:
    lines = (DEPLOY / "slurm.sh").read_text(encoding="utf-8").splitlines()
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert {"--nodes=1", "--ntasks=1", "--exclusive"} <= set(options)
    assert lines.index("set -euo pipefail") > max(n for n, line in enumerate(lines) if line.startswith("#SBATCH"))


def test_the_image_is_built_of_files_that_exist_and_runs_the_same_script() -> None:
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
        "deploy",
        "requirements",
    } <= copied
    for name, rest in steps:
        if name == "RUN":
            assert subprocess.run(["bash", "-n", "-c", rest], check=False).returncode == 0
    (entry,) = [json.loads(rest) for name, rest in steps if name == "ENTRYPOINT"]
    assert entry == ["bash", "/opt/dwdp/deploy/measure.sh"]


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
    assert container["command"] == ["bash", "/opt/dwdp/deploy/measure.sh"]
    cluster, results = container["args"]
    assert (ROOT / "conf" / "cluster" / f"{cluster}.yaml").is_file()
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    assert set(mounts) == {"/dev/shm", results}
    assert set(mounts.values()) == set(volumes)
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert "persistentVolumeClaim" in volumes[mounts[results]]
    assert "privileged" not in container["securityContext"]
