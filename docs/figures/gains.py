"""Gains over forward steps under every hypothesis.

They are in docs/data/conclusions.jsonl, made by studies/conclusions.py, and, of one model over more windows and seeds,
in docs/data/answer.json, made by studies/answer.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from rows import ROOT

APART = ("0.858 is a loss", "fifo sources", "random order inside a batch")  # what evidence speaks against
_ONE, _TWO, _AHEAD, _ALL = "1 source; fair", "as configured", "1 MiB ahead; fair", "all sources; fair"
_RATIOS = {"08": 0.8, "13": 1.3, "17": 1.7, "25": 2.5}


def figures() -> dict[str, str]:
    """Ranges of gains over the hypotheses that stand, and gains under some of them."""
    lines = (ROOT / "docs/data/conclusions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]

    def gains(subject: str, strategy: str, ratio: float, *names: str) -> list[float]:
        return [
            row["gain"]
            for row in rows
            if (row["subject"], row["strategy"], row["ratio"]) == (subject, strategy, ratio)
            and (row["hypothesis"] in names if names else row["hypothesis"] not in APART)
        ]

    found = {"hypotheses": str(len(gains("R1 N=4", "batched", 0.8)))}
    for key, ratio in _RATIOS.items():
        found[f"batched_{key}"] = _span(gains("R1 N=4", "batched", ratio))
        found[f"gpt_oss_{key}"] = _span(gains("gpt-oss N=4", "batched", ratio))
        found[f"carry_over_{key}"] = _span(gains("gpt-oss N=4", "batched + carry over", ratio))
        for word, name in (("one", _ONE), ("two", _TWO), ("ahead", _AHEAD), ("all", _ALL)):
            found[f"batched_{key}_{word}"] = _span(gains("R1 N=4", "batched", ratio, name))
        found[f"paced_{key}"] = _span(gains("R1 N=4, 8 layers", "paced rounds", ratio))
    for word in ("256 KiB", "8 MiB", "32 MiB"):
        found[f"slices_{word.replace(' ', '')}_08"] = _span(gains("R1 N=4, 8 layers", f"batched {word}", 0.8))
    answer = json.loads((ROOT / "docs/data/answer.json").read_text(encoding="utf-8"))
    found["largest"] = _span([max(row["gain"] for row in answer["gains"])])
    found["paced_n8_08"] = _span(gains("R1 N=8, 6 layers", "paced rounds", 0.8))
    return found


def _span(values: Iterable[float]) -> str:
    """The lowest and the highest of gains, as `+0.7 to +58.9 %`; one if they are written alike."""
    shown = [f"{100 * value:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0") for value in values]
    low, high = min(shown, key=float), max(shown, key=float)
    return f"{low} %" if low == high else f"{low} to {high} %"
