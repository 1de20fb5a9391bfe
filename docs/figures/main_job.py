"""What the main job predicts (docs/data/headline.json, made by studies/headline.py)."""

from __future__ import annotations

import json

from rows import ROOT


def figures() -> dict[str, str]:
    """Mean latencies of one layer, and where they lie over hypotheses."""
    found = json.loads((ROOT / "docs/data/headline.json").read_text(encoding="utf-8"))
    texts = {"bound": f"{1e3 * found['default']['lower_bound_s']:.1f} ms"}
    for name, start in (("lockstep", "lockstep"), ("drawn", "random")):
        texts[name] = f"{1e3 * found[f'one source, {start}']['mean_s']:.1f} ms"
    for strategy in ("default", "batched"):
        texts[strategy] = f"{1e3 * found[strategy]['mean_s']:.1f} ms"
    low, high = (f"{1e3 * value:.1f}" for value in found["batched"]["range_s"])
    return {**texts, "batched_range": f"{low} to {high} ms"}
