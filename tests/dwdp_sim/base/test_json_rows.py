"""Data is one row a line, and what is written is what is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.base.json_rows import json_rows

ROOT = Path(__file__).resolve().parents[2]
DATA = sorted([*(ROOT / "measurements").rglob("*.json"), *(ROOT / "docs/data").glob("*.json")])
LEVELS = {"bands.json": 3, "headline.json": 1, "links.json": 1}


@pytest.mark.parametrize(
    ("content", "levels", "text"),
    [
        ({"a": 1, "rows": [{"b": [2]}, {"c": {}}]}, 2, '{\n "a": 1,\n "rows": [\n  {"b": [2]},\n  {"c": {}}\n ]\n}\n'),
        ([{"a": [1]}, {"µ": None}], 1, '[\n {"a": [1]},\n {"µ": null}\n]\n'),
        ({"rows": [], "none": {}}, 2, '{\n "rows": [],\n "none": {}\n}\n'),
        ({"a": {"b": {"c": 1}}}, 3, '{\n "a": {\n  "b": {\n   "c": 1\n  }\n }\n}\n'),
    ],
)  # fmt: skip
def test_entries_of_the_outer_levels_have_a_line_each(content: Any, levels: int, text: str) -> None:
    assert json_rows(content, levels) == text
    assert json.loads(text) == content


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_committed_data_is_one_row_a_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == json_rows(json.loads(text), LEVELS.get(path.name, 2))
