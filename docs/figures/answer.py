"""The gains in the README's picture (docs/data/answer.json, made by studies/answer.py)."""

from __future__ import annotations

import json

from rows import ROOT


def figures() -> dict[str, str]:
    """The largest gain of batched copies under any hypothesis, at any ratio."""
    content = json.loads((ROOT / "docs/data/answer.json").read_text(encoding="utf-8"))
    return {"largest": f"{100 * max(row['gain'] for row in content['gains']):+.1f} %"}
