"""`dwdp-hw mode=calibrate` and `mode=validate` from the command line, and their report in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_hw.check_command import VERDICT_EXITS
from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.schema import FORMAT
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.live import calibration_cases, relative_cost_cases, validation_cases
from dwdp_hw.validation.report import Subject, html_report
from dwdp_hw.validation.validate import validate
from dwdp_sim.fabric.cluster import Cluster
from tests.dwdp_hw.simulated_machine import OPTIONS
from tests.here import run_here

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"


def dwdp_hw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from dwdp_hw.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.long
def test_recorded_rows_are_calibrated_and_validated_from_the_command_line(recording: Recording, tmp_path: Path) -> None:
    common = ("source=recorded", f"rows={recording.path}")
    out = tmp_path / "cluster" / "mine.yaml"
    done = dwdp_hw(tmp_path, "mode=calibrate", *common, "check.name=mine", f"check.out={out}", "hydra.run.dir=cal")
    assert done.returncode == 0, done.stderr
    assert "peer rate" in done.stdout
    done = dwdp_hw(tmp_path, f"--config-dir={tmp_path}", "mode=validate", *common, "cluster=mine", "hydra.run.dir=val")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: agrees" in done.stdout
    assert "queued rows: 7 figures out of sample" in done.stdout
    assert "as_issued rows: nothing judged" in done.stdout
    assert {"report.html", "report.md", "validation.json"} <= {path.name for path in (tmp_path / "val").iterdir()}
    page = (tmp_path / "val" / "report.html").read_text()
    assert not re.search(r"(src|href)=.?https?:|@import|<script", page)  # needs no network
    # another machine's constants do not pass, and say why in the exit code
    done = dwdp_hw(tmp_path, "mode=validate", *common, "cluster=h200_x2", "hydra.run.dir=bad")
    assert done.returncode == 1
    assert "verdict: disagrees" in done.stdout
    assert "no longer fits: peer rate" in done.stdout


@pytest.mark.long
def test_host_memory_rehearses_a_calibration_and_a_validation_in_rounds(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    done = dwdp_hw(tmp_path, "mode=calibrate", "backend=host", "check.name=mine", "hydra.run.dir=cal")
    assert done.returncode == 0, done.stderr
    assert "round 3 of 3" in done.stdout
    rows = {row["case"]: row for row in json.loads((tmp_path / "cal" / "calibration_rows.json").read_text())["rows"]}
    timed, relative = ({case.name for case in cases(2)} for cases in (calibration_cases, relative_cost_cases))
    assert {*rows} == timed | relative
    assert all(len({one["group"] for one in rows[case]["rounds"]}) >= 3 for case in timed)
    assert all(len({(one["group"], one["rank"]) for one in rows[case]["relative_cost"]}) == 12 for case in relative)
    assert (tmp_path / "cal" / "mine.yaml").is_file()
    done = dwdp_hw(tmp_path, "--config-dir=cal", "mode=validate", "backend=host", "hydra.run.dir=val")
    assert done.returncode in VERDICT_EXITS.values(), done.stderr
    content = json.loads((tmp_path / "val" / "validation.json").read_text())
    assert VERDICT_EXITS[content["verdict"]] == done.returncode
    assert len(content["rows"]) == 2 * len(validation_cases(2))
    assert f"verdict: {content['verdict']}" in done.stdout
    assert all(step in done.stdout for step in content["next_steps"])


def test_a_browser_shows_the_report_without_complaint(base: Cluster, recording: Recording, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        assert os.environ.get("DWDP_REQUIRE_CHROMIUM") != "1", "chromium is wanted and not installed"
        pytest.skip("chromium is not installed")
    result = validate([recording], base, OPTIONS, set(), Bars())
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(html_report(result, Subject(base, ["rows.json"], recording.machine, {})), encoding="utf-8")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--window-size=1100,2000", f"--screenshot={picture}", page.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mode=validate", "source=recorded"], "rows=missing: recorded rows are wanted"),
        (
            ["mode=validate", "source=recorded", "rows=none.json"],
            "rows=none.json: cannot be read as JSON: No such file",
        ),
        (["mode=validate", "source=recorded", "rows=[ROWS,ROWS]"], "the same file is listed twice"),
        (
            ["mode=calibrate", "source=recorded", "rows=ROWS", "check.out=/"],
            "check.out=/: cannot be written: not a reg",
        ),
        (["mode=calibrate", "source=recorded", "rows=ROWS", "check.out=/dev/null"], "cannot be written: not a regular"),
        (["mode=calibrate", "source=recorded", "rows=ROWS", "check.use=some"], "check.use=some: allowed: design, all"),
        (
            ["mode=calibrate", "source=recorded", "rows=ROWS", "check.p95=3"],
            "check.p95=3.0: a fraction between 0 and 1",
        ),
        (["mode=validate", "source=recorded", "rows=ROWS", "check.step_median=0"], "check.step_median=0.0: a fraction"),
        (
            ["mode=calibrate", "source=recorded", f"rows={MEASUREMENTS}/h200_x2_one_process.json"],
            "h200_x2_one_process.json: one process held all GPUs",
        ),
    ],
)
def test_bad_input_to_a_check_is_one_line_and_exit_code_two(
    arguments: list[str], message: str, recording: Recording, tmp_path: Path
) -> None:
    words = [argument.replace("ROWS", recording.path) for argument in arguments]
    done = run_here("dwdp_hw.app", *words, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_future_format_is_refused(recording: Recording, tmp_path: Path) -> None:
    content = json.loads(Path(recording.path).read_text()) | {"format": FORMAT + 1}
    (tmp_path / "rows.json").write_text(json.dumps(content))
    done = dwdp_hw(tmp_path, "mode=validate", "source=recorded", "rows=rows.json")
    assert done.returncode == 2
    assert f"has format {FORMAT + 1}; this version reads 1 to {FORMAT}" in done.stderr
