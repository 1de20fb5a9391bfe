"""`dwdp-hw health`, `bundle`, `check` and `pool` as a user meets them: words before Hydra."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dwdp_hw.bundle.archive import REPORT, pack, unpack
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.subcommands import WORDS
from dwdp_sim.job.config_files import config_dir, config_groups
from tests.dwdp_hw.bundle.recorded import MEASUREMENTS, ROOT
from tests.here import run_here

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dwdp_hw(tmp_path: Path) -> Run:
    """Run `dwdp-hw` in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default"}
        command = [sys.executable, "-m", "dwdp_hw.app", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=200
        )

    return run


def rows(name: str) -> str:
    return str(MEASUREMENTS / f"{name}.json")


@pytest.mark.long
def test_a_bundle_is_written_checked_and_pooled(dwdp_hw: Run, tmp_path: Path) -> None:
    run = partial(run_here, "dwdp_hw.app", folder=tmp_path)
    for number in (1, 2):
        calibrated = run(
            "mode=calibrate", "source=recorded", f"rows={rows(f'h200_x2_calibration_{number}')}", "cluster=h200_x2",
            "check.use=all", f"check.name=alice_{number}", f"hydra.run.dir=cal{number}",
        )  # fmt: skip
        assert calibrated.returncode == 0, calibrated.stderr
        files = [rows(f"h200_x2_{kind}_{number}") for kind in ("calibration", "validation")]
        made = dwdp_hw("bundle", f"cal{number}", *files, "--out", f"{number}.zip")
        assert (made.returncode, made.stderr) == (0, "")
        data = (tmp_path / f"{number}.zip").read_bytes()
        assert made.stdout.rstrip().endswith(hashlib.sha256(data).hexdigest())
        assert b"alice" not in data
    checked = run("check", "1.zip", "--report", "report.html")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "constants follow from the rows: holds" in checked.stdout
    assert "Predicted against measured" in (tmp_path / "report.html").read_text(encoding="utf-8")
    skipped = run("check", "1.zip", "--no-refit")
    assert skipped.returncode == 0
    assert "constants follow from the rows: skipped" in skipped.stdout
    pooled = run("pool", "1.zip", "2.zip", "--cluster", "h200_x2", "--out", "pooled.yaml")
    assert (pooled.returncode, pooled.stderr) == (0, "")
    assert hashlib.sha256((tmp_path / "2.zip").read_bytes()).hexdigest() in (tmp_path / "pooled.yaml").read_text()
    assert "<h2>Machines</h2>" in (tmp_path / "pooled.html").read_text(encoding="utf-8")


def test_a_claim_that_fails_ends_with_exit_code_one(dwdp_hw: Run, tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(whole)
    _, manifest, files = unpack(str(tmp_path / "b.zip"))
    files[REPORT] = files[REPORT].replace(b'"predicted_s": 1.38754e-05', b'"predicted_s": 2.38754e-05')
    (tmp_path / "b.zip").write_bytes(pack(manifest.toolkit, manifest.machine, files))
    ended = dwdp_hw("check", "b.zip", "--no-refit")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "figures follow from rows and constants: FAILS" in ended.stdout


BAD = {
    "a bundle that is none": (("check", "/etc/hostname"), "bundle=/etc/hostname: "),
    "no bundle": (("check",), "required: bundle; dwdp-hw check --help"),
    "a further word": (("check", "a.zip", "b.zip"), "unrecognized arguments: b.zip"),
    "an unknown flag": (("check", "a.zip", "--refit"), "unrecognized arguments: --refit"),
    "no place for a bundle": (("bundle", "x"), "required: --out"),
    "nothing to bundle": (("bundle", "x", "--out", "b.zip"), "one cluster file (.yaml) is wanted"),
    "a cluster of no name": (("pool", "a.zip", "--cluster", "h200_x2", "--out", "mine"), "a cluster file, NAME.yaml"),
    "no rows": (("health", "none.json"), "rows=none.json: cannot be read as JSON"),
    "rows that are none": (("health", rows("h200_kernels")), "rows="),
    "an unknown part of a node": (("node", "--only", "health,x"), "--only=x: allowed: health, incast"),
    "an unknown model": (("node", "--model", "gpt5"), "--model=gpt5: allowed: deepseek_r1_fp8"),
    "no tokens": (("node", "--isl", "0"), "--isl=0: at least 1 token is wanted"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_two_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    words, said = BAD[name]
    ended = run_here("dwdp_hw.app", *words, folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_health_of_rows_is_a_table_and_an_exit_code(dwdp_hw: Run) -> None:
    fine = dwdp_hw("health", rows("h200_x2_ordered"))
    assert "NVIDIA H200" in fine.stdout
    assert "low" not in fine.stdout
    slow = dwdp_hw("health", rows("odd_allocation/h200_x2"))
    assert slow.returncode == 1
    assert "low" in slow.stdout


def test_without_a_gpu_health_says_so_in_one_line(dwdp_hw: Run) -> None:
    ended = dwdp_hw("health")
    if ended.returncode == 3:
        assert ended.stderr.count("\n") == 1
        assert ended.stdout == ""
        beside = dwdp_hw("health", rows("h200_x2_ordered"))
        assert beside.stdout.splitlines()[0].startswith("note: no GPU can be asked here: ")
        assert beside.stdout.splitlines()[-1].startswith("healthy: ")
        assert beside.returncode == 0
    else:
        assert "driver" in ended.stdout


@pytest.mark.gpu
def test_on_a_gpu_health_names_its_driver_and_card(dwdp_hw: Run) -> None:
    try:
        count_gpus()
    except NoGpuError as error:
        pytest.skip(str(error))
    ended = dwdp_hw("health")
    assert ended.returncode in (0, 1), ended.stderr
    assert ended.stdout.startswith("driver ")
    assert "GPU 0: " in ended.stdout


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_a_help_of_its_own(word: str, dwdp_hw: Run) -> None:
    ended = dwdp_hw(word, "--help")
    assert ended.returncode == 0
    assert f"usage: dwdp-hw {word}" in ended.stdout
    assert word in dwdp_hw("--help").stdout


def test_no_word_is_a_group_of_the_configuration() -> None:
    assert not set(WORDS) & set(config_groups([str(config_dir())]))
