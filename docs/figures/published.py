"""Published figures about DWDP and what the model says of them: docs/data/published.json, made by `make published`."""

from __future__ import annotations

import json
import re
from typing import Any

from rows import ROOT
from wording import cells

_UNITS = {"x": "", "%": " %", "ms": " ms"}
_ITERATIONS = ("dep4_iteration", "dwdp4_iteration")
DATA = ROOT / "docs/data/published.json"


def figures() -> dict[str, str]:
    """One for each published figure, as cells of a table row; and what the page's text says of some of them."""
    rows = {_name(row["what"]): row for row in json.loads(DATA.read_text(encoding="utf-8"))}
    gains = [row for name, row in rows.items() if row["unit"] == "%" and "_over_" in name and "sglang" not in name]
    over_dep = [row for row in gains if row["what"].startswith("DWDP over DEP")]
    mitigation = rows["batched_over_default_16384_tokens_0_5"]
    unmitigated = rows["batched_over_default_32768_tokens_0_5"]
    return {
        **{name: _cells(row) for name, row in rows.items()},
        "gains": str(len(gains)),
        "gains_off": f"{max(abs(row['difference']) for row in gains):.1f}",
        "uneven_more": f"{max(row['high'] - row['predicted'] for row in over_dep):.0f}",
        "undisturbed_more": f"{max(row['undisturbed'] - row['predicted'] for row in over_dep):.0f}",
        "iterations_off": f"{100 * max(abs(rows[name]['difference']) for name in _ITERATIONS):.0f} %",
        "mitigation": f"{mitigation['predicted']:+.1f} %",
        "mitigation_published": f"{mitigation['published']:+.1f} %",
        "mitigation_range": f"{mitigation['low']:.0f} to {mitigation['high']:.0f} %",
        "dense_error": f"{100 * rows['dep4_dense_gemm']['difference']:+.0f} %",
        "synchronisation_ms": f"{rows['dep4_synchronisation']['predicted']:.0f} ms",
        "synchronisation_most_ms": f"{rows['dep4_synchronisation']['high']:.0f} ms",
        "synchronisation_published_ms": f"{rows['dep4_synchronisation']['published']:.0f} ms",
        "sglang_8k": f"{rows['dwdp_over_dep_sglang_isl_8192']['predicted']:.0f} %",
        "sglang_8k_published": f"{rows['dwdp_over_dep_sglang_isl_8192']['published']:.0f} %",
        "mitigation_span": f"{mitigation['high'] - mitigation['low']:.1f}",
        "mitigation_undisturbed": f"{mitigation['undisturbed']:.1f} %",
        "unmitigated": f"{unmitigated['predicted']:+.1f} %",
        "unmitigated_published": f"{unmitigated['published']:+.1f} %",
    }


def _name(what: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", what.lower()).strip("_")


def _cells(row: dict[str, Any]) -> str:
    """Predicted, range, published, error, and the assumption that decides."""
    unit = _UNITS[row["unit"]]
    span = f"{_number(row['low'])} to {_number(row['high'])}{unit}" if row["low"] < row["high"] else ""
    points = row["unit"] == "%"
    error = f"{row['difference']:+.1f} points" if points else f"{100 * row['difference']:+.1f} %"
    return cells(
        f"{_number(row['predicted'])}{unit}", span, f"{_number(row['published'])}{unit}", error, row["decides"]
    )


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
