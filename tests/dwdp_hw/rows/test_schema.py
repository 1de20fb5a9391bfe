"""One form of a measured row: every writer keeps to it, and rows of older formats are brought to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.cases.case import Case, Pipeline
from dwdp_hw.cases.result import Detail, LayerTimes, RelativeCost, Witness
from dwdp_hw.rows.file import measurement_file, read_measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.schema import FIELDS, FORMAT, MeasuredRow
from dwdp_hw.rows.upgrade import upgraded
from dwdp_hw.rows.write import measured_row
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.rows.test_write import result

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
KNOWN = set(MeasuredRow.__annotations__)
OLD: dict[str, Any] = {"case": "old", "queued_behind_gate": True, "device_us": [{"median": 50, "min": 49, "max": 51}]}


def test_every_field_is_described_once() -> None:
    named = {name for line in (MeasuredRow.__doc__ or "").splitlines() if line.startswith("        ")
             for name in line.strip().partition(":")[0].split(", ")}  # fmt: skip
    assert {*FIELDS} <= KNOWN
    assert KNOWN - {*FIELDS} <= named
    assert not named & {*FIELDS}


@pytest.mark.parametrize("more", [
    {},
    {"detail": True, "witness": True},
    {"measure": "pipeline", "pipeline": Pipeline((1e-3,), factors=((1.0,), (2.0,))), "layers": 1},
    {"measure": "issue_cost"},
    {"measure": "relative_cost"},
])  # fmt: skip
def test_what_a_campaign_writes_is_what_the_schema_says(more: dict[str, Any], small_case: Callable[..., Case]) -> None:
    found = [
        result(
            rank, [1e-3] * 3, detail=Detail([1e-3], [0.0], [1e-3]), witness=Witness([], "", "no profiler"),
            layers=[[LayerTimes(0, 0.0, 1e-3, 1e-3, 2e-3)]] * 3 if "pipeline" in more else [],
            issue_cost_s={"arrays": [1e-6]},
            relative=RelativeCost(9, [1e-7] * 5, [3e-7] * 5),
        )
        for rank in range(2)
    ]  # fmt: skip
    row = measured_row(small_case(**more), found)
    assert MeasuredRow.__required_keys__ <= set(row) <= KNOWN


@pytest.mark.parametrize("path", sorted(MEASUREMENTS.glob("h200_x2_*.json")), ids=lambda path: path.stem)
def test_committed_rows_of_every_format_are_read_as_the_schema_says(path: Path) -> None:
    if path.stem == "h200_x2_host_speed":
        with pytest.raises(ConfigError, match="the file lacks the field 'rows'"):
            read_measurement_file(str(path))
        return
    for row in read_measurement_file(str(path)).rows:
        assert MeasuredRow.__required_keys__ <= set(row), row["case"]


def test_rows_of_format_1_learn_what_later_formats_say() -> None:
    wide = OLD | {"case": "wide", "device_us": [{"median": 50, "min": 49, "max": 61}]}
    (stable, unstable), other = upgraded([OLD, wide], 1, "f"), upgraded([{"case": "another", "pull_us": []}], 1, "f")
    assert stable == OLD | {
        "measure": "layer", "start_skew_us": None, "stable": True, "unstable_reason": None
    }  # fmt: skip
    assert not unstable["stable"]
    assert unstable["unstable_reason"] == "(max − min) ÷ median is 24%, above 10%"
    assert other == []  # it times something else than copies in issue order


def test_jobs_of_format_1_are_given_their_calls() -> None:
    pieces = [{"n": 3, "each": 8, "last": 2}]
    push = {"gpu": 1, "kind": "push", "peer": 0, "issue": "batch", "copies_bytes": pieces}
    (row,) = upgraded([OLD | {"jobs": [push]}], 1, "f")
    ends = {"src": "gpu1", "dst": "gpu0"}
    copies = [{**ends, "bytes": 8, "count": 2}, {**ends, "bytes": 2, "count": 1}]
    assert row["jobs"][0]["calls"] == [{"issue": "batch", "copies": copies}]


@pytest.mark.parametrize("number", [2, 3, 4, 5, FORMAT])
def test_rows_of_later_formats_are_rows_of_this_one(number: int) -> None:
    (new,) = upgraded([OLD], 1, "f")
    assert upgraded([dict(new)], number, "f") == [new]


def test_a_format_from_the_future_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(json.loads(measurement_file({"gpus": 2}, "", [], [])) | {"format": FORMAT + 1}))
    with pytest.raises(ConfigError, match=f"has format {FORMAT + 1}; this version reads 1 to {FORMAT}"):
        read_recording(str(path))
