"""Kernels of torch on one H200 beside what the tables said beforehand: docs/compute.md."""

from __future__ import annotations

import json
from statistics import median

from rows import ROOT
from wording import cells, percent

_KINDS = ("projection bf16", "projection fp8", "attention", "experts", "")  # parts of their names; the last of all
_ENGINES = ("trtllm", "sglang")


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    of_engines = {engine: cells(*(percent(median(errors(engine, kind))) for kind in _KINDS)) for engine in _ENGINES}
    return {"cases": str(len(errors("sglang", "")))} | of_engines


def errors(engine: str, word: str) -> list[float]:
    """|measured ÷ expected − 1| of the cases whose name has the word."""
    measured = {row["case"]: row["median_us"] for row in _rows("h200_kernels.json")}
    expected = {row["case"]: row[f"{engine}_us"] for row in _rows("predictions/h200_kernels.json")}
    return [abs(us / expected[case] - 1) for case, us in measured.items() if word in case]


def _rows(file: str) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = json.loads((ROOT / "measurements" / file).read_text(encoding="utf-8"))["rows"]
    return rows
