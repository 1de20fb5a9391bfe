"""Recorded rows as they stand in `measurements/`, whose headers explain the fields; times there are microseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGNS = ("h200_x2_ordered", "h200_x2_random", "h200_x2_random_again")
LAYERS = ("v3lite36", "r1_16", "r1_56", "r1_128", "gptoss64")

Row = dict[str, Any]


def read_rows(name: str) -> dict[str, Row]:
    """The rows of `measurements/NAME.json` by case."""
    content = json.loads((ROOT / f"measurements/{name}.json").read_text(encoding="utf-8"))
    return {row["case"]: row for row in content["rows"]}


def slowest_us(row: Row) -> float:
    """The median time of the slowest rank."""
    return max(float(rank["median"]) for rank in row["device_us"])


def sizes(row: Row) -> list[int]:
    """Bytes of each copy of the first pulling rank, in issue order."""
    pieces = row["copies_bytes"]
    return [size for piece in pieces for size in [piece["each"]] * (piece["n"] - 1) + [piece["last"]]]


def gigabytes_per_s(row: Row) -> float:
    """Bytes of a rank over the time of the slowest."""
    return sum(sizes(row)) / slowest_us(row) / 1e3
