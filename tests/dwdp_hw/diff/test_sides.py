"""Recorded rows against one another: the same machine has not moved, a slower allocation has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_hw.bundle.make import Sources, make_bundle
from dwdp_hw.diff.sides import BUNDLES, ROWS, read_bundle_side, read_rows_side
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.diff.compare import compare
from dwdp_sim.diff.side import Side
from tests.dwdp_hw.bundle.recorded import CLUSTER, MEASUREMENTS, ROOT
from tests.here import run_here


def rows(name: str) -> Side:
    side = read_rows_side(str(MEASUREMENTS / f"{name}.json"))
    assert side is not None
    return side


def dwdp_report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dwdp_hw.report_app", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


SAME = [
    ("h200_x2_random", "h200_x2_random_again"),
    ("h200_x2_ordered", "h200_x2_random"),
    ("h200_x2_calibration_1", "h200_x2_calibration_2"),
    ("h200_x2_validation_1", "h200_x2_validation_2"),
    ("h200_x2_validation_3", "h200_x2_validation_4"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_campaigns_of_the_same_kind_of_machine_differ_by_noise_alone(first: str, second: str) -> None:
    found = compare(rows(first), rows(second))
    assert len(found.changes) >= 25
    assert found.moved == []


def test_experts_in_odd_allocations_have_moved() -> None:
    moved = {change.name: change for change in compare(rows("h200_x2_ordered"), rows("odd_allocation/h200_x2")).moved}
    slower = moved["r1_56_default_queued_solo, rank 0"].relative
    assert slower is not None
    assert 0.3 < slower < 0.5
    assert all((change.relative or 0.0) > 0.1 for change in moved.values())


def test_unstable_rows_are_not_compared() -> None:
    content = json.loads((MEASUREMENTS / "h200_x2_ordered.json").read_text(encoding="utf-8"))
    unstable = {row["case"] for row in content["rows"] if not row["stable"]}
    assert unstable
    names = {name.rpartition(", rank")[0] for name in rows("h200_x2_ordered").figures}
    assert not unstable & names


def test_forward_steps_are_compared_too() -> None:
    assert any("_pipeline_" in name for name in rows("h200_x2_ordered").figures)


def test_a_bundle_has_figures_of_its_rows_and_of_its_constants(tmp_path: Path) -> None:
    data = make_bundle(Sources((str(MEASUREMENTS / "h200_x2_validation_1.json"),), str(CLUSTER)))
    (tmp_path / "b.zip").write_bytes(data)
    side = read_bundle_side(str(tmp_path / "b.zip"))
    assert side is not None
    assert side.kind == BUNDLES
    assert {"pair_bytes_per_s", "r1_16_default_queued, rank 1"} <= set(side.figures)
    assert (
        side.figures["r1_16_default_queued, rank 1"]
        == rows("h200_x2_validation_1").figures["r1_16_default_queued, rank 1"]
    )
    with pytest.raises(ConfigError, match=f"is one of the {ROWS}, but .* of the {BUNDLES}"):
        compare(side, rows("h200_x2_validation_1"))


def test_the_folder_of_a_validation_has_its_rows(tmp_path: Path) -> None:
    shutil.copy(MEASUREMENTS / "h200_x2_validation_1.json", tmp_path / "validation_rows.json")
    side = read_rows_side(str(tmp_path))
    assert side is not None
    assert compare(side, rows("h200_x2_validation_1")).moved == []
    assert dict(side.figures) == dict(rows("h200_x2_validation_1").figures)
    (tmp_path / "empty").mkdir()
    assert read_rows_side(str(tmp_path / "empty")) is None


def test_other_paths_are_of_another_kind() -> None:
    assert read_rows_side("h200_x2") is None
    assert read_bundle_side("h200_x2") is None


@pytest.mark.parametrize(
    ("first", "second", "code", "said"),
    [
        ("measurements/h200_x2_validation_1.json", "measurements/h200_x2_validation_2.json", 0, "none of"),
        ("measurements/h200_x2_ordered.json", "measurements/odd_allocation/h200_x2.json", 1, "moved beyond noise"),
        ("h200_x2", "h200_x2", 0, "none of 29 figures moved beyond noise"),
        ("h200_x2", "h100_x1_host", 1, "figures moved beyond noise"),
    ],
)
def test_the_exit_code_says_whether_something_moved(first: str, second: str, code: int, said: str) -> None:
    ended = dwdp_report("diff", first, second)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert said in ended.stdout


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("measurements/h200_x2_ordered.json", "h200_x2", "is one of the clusters, but"),
        ("h200_x2", "nothing", "diff=nothing: a results folder"),
        ("none.json", "none.json", "rows=none.json: cannot be read as JSON"),
        ("none.zip", "none.zip", "bundle=none.zip: cannot be read as ZIP"),
        ("measurements/h200_kernels.json", "h200_x2", "rows=measurements/h200_kernels.json: "),
        ("measurements/h200_x2_calibration_1.json", "measurements/h200_x2_validation_1.json", "has no figure that"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(first: str, second: str, said: str) -> None:
    ended = run_here("dwdp_hw.report_app", "diff", first, second, folder=ROOT)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_json_has_every_figure_and_the_command_still_makes_pages() -> None:
    said = json.loads(dwdp_report("diff", "h200_x2", "hgx_h200", "--json").stdout)
    assert (said["moved"], said["kind"]) == (0, "clusters")
    assert {"name": "num_gpus", "first": "2", "second": "8"} in said["settings"]
    assert "dwdp-report page" in dwdp_report("--help").stdout
