"""The page about measured steps with real kernels shows what the committed rows and predictions come to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "studies"))
    try:
        import pipelines_report  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    return json.loads(json.dumps(pipelines_report.report("h200")))  # type: ignore[no-any-return]


def test_the_committed_report_is_what_rows_and_predictions_come_to(found: dict[str, Any]) -> None:
    stored = json.loads((ROOT / "docs/data/pipelines_h200.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in stored["rows"]] == [row["case"] for row in found["rows"]]
    for one, other in zip(stored["rows"], found["rows"], strict=True):
        assert one["error"] == pytest.approx(other["error"], abs=2e-4)
    for one, other in zip(stored["kernels"], found["kernels"], strict=True):
        assert one["error"] == pytest.approx(other["error"], abs=2e-4)


def test_steps_fed_from_the_host_meet_their_targets_from_measured_windows_and_one_engine_s_tables(
    found: dict[str, Any],
) -> None:
    from_host = [row["error"] for row in found["rows"] if "_host_" in row["case"]]
    assert len(from_host) == 9
    assert max(abs(error["measured windows"]) for error in from_host) < found["targets"]["measured windows"] == 0.03
    assert max(abs(error["trtllm"]) for error in from_host) < found["targets"]["trtllm"] == 0.15


def test_half_of_a_layer_s_operations_are_within_15_percent_of_either_engine_s_tables(found: dict[str, Any]) -> None:
    for engine in ("trtllm", "sglang"):
        errors = sorted(abs(row["error"][engine]) for row in found["kernels"])
        assert errors[len(errors) // 2] < 0.15
