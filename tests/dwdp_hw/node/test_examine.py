"""A node is examined by commands in processes of their own, whatever comes of each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dwdp_hw.node.examine import examine
from dwdp_hw.node.outcome import BAD, GOOD, OPEN, SKIPPED, Outcome, exit_code, verdict_of
from dwdp_hw.node.parts import ADVISE, BUNDLE, CALIBRATE, HEALTH, NAMES, RATES, VALIDATE, Part
from dwdp_hw.node.run_part import run_part
from dwdp_sim.base.errors import FAILED, UNDECIDED
from dwdp_sim.base.terminal import TextConsole

ROOT = Path(__file__).parents[3]
MEASURED = ROOT / "measurements"
LITE = "model=deepseek_v3_lite_nvfp4"
SMALL = (LITE, "dwdp.dwdp_size=2", "advise.screen_layers=2", "advise.copies=1", "advise.samples=0")
ENDLESS = ("backend=host", "backend.repeats=100000", LITE)


def recorded_parts(folder: Path) -> list[Part]:
    """The parts of two H200s, on rows that were measured on some."""
    fitted = "cluster/this_node.yaml"
    (folder / "cluster").mkdir()

    def words(mode: str, rows: str, *more: str) -> tuple[str, ...]:
        own = ("--config-dir", ".", f"hydra.run.dir={mode}")
        return (*own, f"mode={mode}", "source=recorded", f"rows={MEASURED / rows}", *more)

    calibrate = words(
        "calibrate", "h200_x2_live_calibration.json", "check.use=all", "cluster=h200_x2", f"check.out={fitted}",
        "check.name=this_node",
    )  # fmt: skip
    validate = words("validate", "h200_x2_live_validation.json", "cluster=this_node")
    advise = ("--config-dir", ".", "cluster=this_node", *SMALL, "hydra.run.dir=advise_lite")
    rows = tuple(str(MEASURED / f"h200_x2_live_{name}.json") for name in ("calibration", "validation"))
    bundle = ("bundle", *rows, fitted, "--out", "bundle.zip")
    return [
        Part(CALIBRATE, "dwdp-hw", calibrate, CALIBRATE, 120, 10),
        Part(RATES, "dwdp-hw", ("health", rows[0]), "", 60, 1, (CALIBRATE,)),
        Part(VALIDATE, "dwdp-hw", validate, VALIDATE, 120, 10, (CALIBRATE,)),
        Part(ADVISE, "dwdp-advise", advise, "advise_lite", 120, 10, (CALIBRATE,)),
        Part(BUNDLE, "dwdp-hw", bundle, "", 60, 1, (CALIBRATE, VALIDATE)),
    ]


@pytest.mark.long
def test_recorded_rows_of_a_node_end_in_a_page_a_bundle_and_an_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = examine(recorded_parts(tmp_path), NAMES, tmp_path, "2 × H200", TextConsole(width=120))
    found = {one.part.name: one.verdict for one in outcomes}
    said = capsys.readouterr().out
    assert [found[name] for name in (CALIBRATE, VALIDATE, ADVISE, BUNDLE)] == [GOOD] * 4, said
    content = json.loads((tmp_path / "node.json").read_text())
    assert [part["part"] for part in content["parts"]] == [CALIBRATE, RATES, VALIDATE, ADVISE, BUNDLE]
    assert "GB/s between GPUs" in content["parts"][0]["said"]
    assert "deepseek_v3_lite_nvfp4, 2 ranks" in content["parts"][3]["said"]
    page = (tmp_path / "node.html").read_text()
    assert 'href="validate/report.html"' in page
    assert (tmp_path / "validate" / "report.html").is_file()
    check = [sys.executable, "-c", "from dwdp_hw.app import main; main()", "check", "--no-refit", "bundle.zip"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_part_that_fails_is_bad_with_its_last_line_and_skips_those_that_need_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        Part(CALIBRATE, "dwdp-hw", ("mode=nonsense",), CALIBRATE, 60, 1),
        Part(VALIDATE, "dwdp-hw", ("mode=validate",), VALIDATE, 60, 1, (CALIBRATE,)),
    ]
    outcomes = examine(parts, NAMES, tmp_path, "a node", TextConsole(width=120))
    assert [one.verdict for one in outcomes] == [BAD, SKIPPED]
    assert "nonsense" in outcomes[0].said
    assert outcomes[1].said == "needs what calibrate finds"
    assert capsys.readouterr().out.splitlines()[-2].startswith("node: bad (calibrate), after ")
    assert json.loads((tmp_path / "node.json").read_text())["verdict"] == BAD
    (style,) = re.findall(r'<div class="verdict ([a-z-]+)"', (tmp_path / "node.html").read_text())
    assert f".{style}" in (ROOT / "dwdp_sim" / "results" / "base.css").read_text()


def test_a_part_that_takes_too_long_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    endless = (*ENDLESS, f"hydra.run.dir={tmp_path / 'x'}")
    began = time.monotonic()
    outcome = run_part(Part(HEALTH, "dwdp-hw", endless, "", 6, 1), tmp_path)
    assert time.monotonic() - began < 20
    assert outcome.verdict == BAD
    assert "took longer than 6 s and was ended" in outcome.said
    assert not _running(str(tmp_path))


def test_whoever_ends_the_examination_ends_its_part(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from dwdp_hw.node.examine import examine
from dwdp_hw.node.parts import Part
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.terminal import TextConsole
part = Part("health", "dwdp-hw", {(*ENDLESS, f"hydra.run.dir={tmp_path}/x")}, "", 60, 1)
run_command(lambda: examine([part], ["health"], Path({str(tmp_path)!r}), "a node", TextConsole()))
"""
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: (tmp_path / "health.log").exists() and _running(str(tmp_path / "x")))
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGTERM
    assert said.count("\n") == 1
    _wait_until(lambda: not _running(str(tmp_path / "x")))


@pytest.mark.parametrize(
    ("verdicts", "worst", "code"),
    [
        ((GOOD, GOOD), GOOD, 0),
        ((GOOD, OPEN), OPEN, UNDECIDED),
        ((OPEN, BAD, SKIPPED), BAD, FAILED),
        ((GOOD, SKIPPED), GOOD, 0),
        ((), SKIPPED, FAILED),
    ],
)
def test_the_worst_part_decides(verdicts: tuple[str, ...], worst: str, code: int) -> None:
    part = Part(HEALTH, "dwdp-hw", ("health",), "", 1, 1)
    assert verdict_of([Outcome(part, verdict, "") for verdict in verdicts]) == worst
    assert exit_code(worst) == code


def _running(word: str) -> list[int]:
    """Processes with `word` in their command line."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in line and b"-c" not in line.split(b"\0")[:2]:
                found.append(int(entry.name))
    return found


def _wait_until(holds: Callable[[], object], most_s: float = 20.0) -> None:
    ends_at = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
