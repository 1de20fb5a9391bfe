"""Rows of costs beside the yardstick: read as they were written, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_sim.base.errors import ConfigError

PROCESS: dict[str, Any] = {
    "group": 0, "rank": 0, "pairs": 7,
    "yardstick_us": [0.12, 0.13, 0.14, 0.2, 0.3], "cost_us": [0.35, 0.36, 0.4, 0.5, 0.6],
}  # fmt: skip
ROW: dict[str, Any] = {
    "case": "relative_batch", "measure": "relative_cost", "issue": "batch", "queued_behind_gate": False,
    "device_us": [], "start_skew_us": None, "stable": True, "unstable_reason": None,
    "relative_cost": [PROCESS, {**PROCESS, "rank": 1}],
}  # fmt: skip


def file_of(folder: Path, row: dict[str, Any]) -> str:
    path = folder / "rows.json"
    content = json.loads(measurement_file({"gpus": 2}, "", [], []))
    path.write_text(json.dumps({**content, "rows": [row]}))
    return str(path)


def test_the_tenth_percentile_of_each_process_counts(tmp_path: Path) -> None:
    recording = read_recording(file_of(tmp_path, ROW))
    (costs,) = recording.relative
    assert (costs.case, costs.issue) == ("relative_batch", "batch")
    assert costs.yardstick_s == pytest.approx((0.13e-6, 0.13e-6))
    assert costs.cost_s == pytest.approx((0.36e-6, 0.36e-6))
    assert recording.rows == ()  # it times no copies


@pytest.mark.parametrize(("name", "times"), [
    ("cost_us", [0.35, 0.36]),
    ("cost_us", [0.35, 0.36, 0.3, 0.5, 0.6]),
    ("yardstick_us", [0.0, 0.1, 0.1, 0.1, 0.1]),
])  # fmt: skip
def test_what_is_no_rising_list_of_times_is_refused(name: str, times: list[float], tmp_path: Path) -> None:
    wrong = {**ROW, "relative_cost": [{**PROCESS, name: times}]}
    with pytest.raises(ConfigError, match=f"relative_batch: {name} is .*; 5 rising times above zero are wanted"):
        read_recording(file_of(tmp_path, wrong))


@pytest.mark.parametrize("missing", ["relative_cost", "issue"])
def test_a_row_without_its_costs_or_its_way_of_issuing_is_refused(missing: str, tmp_path: Path) -> None:
    row = {name: value for name, value in ROW.items() if name != missing}
    with pytest.raises(ConfigError, match="has no relative_cost, or not how its copies were issued"):
        read_recording(file_of(tmp_path, row))
