"""Kernels and forward steps of torch on one H200 beside what was said of them: docs/compute.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rows import ROOT
from wording import cells

from dwdp_sim.silicon.tables import BACKENDS

DATA = ROOT / "docs/data/pipelines_h200.json"
_PARTS = ("before the MoE block", "MoE block")
_MEASURED = "measured windows"


def figures() -> dict[str, str]:
    """A row of cells for each step, and errors of operations, of windows and of steps."""
    content = json.loads(DATA.read_text(encoding="utf-8"))
    steps = {"host": [], "local": []}
    for row in content["rows"]:
        steps["host" if "_host_" in row["case"] else "local"].append(row)
    operations = [row for row in content["kernels"] if row["operation"] not in _PARTS]
    windows = [row for row in content["kernels"] if row["operation"] in _PARTS]
    found = {_name(row): _step(row) for row in content["rows"]}
    for engine in BACKENDS:
        found[f"operations_{engine}"] = cells(*_errors(operations, engine))
        found[f"windows_{engine}"] = cells(*_errors(windows, engine))
    return found | {
        "operations": str(len(operations)),
        "windows": str(len(windows)),
        "host_measured": _errors(steps["host"], _MEASURED)[1],
        "host_trtllm": _errors(steps["host"], "trtllm")[1],
        "local_measured": _errors(steps["local"], _MEASURED)[1],
    }


def _name(row: Mapping[str, Any]) -> str:
    return str(row["case"]).removeprefix("mixtral_8x7b_bf16_").replace("qwen3_235b_fp8", "qwen")


def _step(row: Mapping[str, Any]) -> str:
    """Window ÷ prefetch, the step, and three errors."""
    errors = (f"{100 * row['error'][name]:+.1f} %" for name in (_MEASURED, *BACKENDS))
    return cells(f"{row['window_over_prefetch']:.1f}", f"{row['step_us'] / 1e3:.1f} ms", *errors)


def _errors(rows: Sequence[Mapping[str, Any]], of: str) -> tuple[str, str]:
    """Median and largest absolute error."""
    found = [abs(row["error"][of]) for row in rows]
    return f"{100 * median(found):.1f} %", f"{100 * max(found):.1f} %"
