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
        row = found[strategy]
        low, high = (f"{1e3 * value:.1f}" for value in row["range_s"])
        texts[strategy] = f"{1e3 * row['mean_s']:.1f} ms"
        texts[f"{strategy}_range"] = f"{low} to {high} ms"
        texts[f"{strategy}_spread"] = f"{100 * row['draw_spread']:.1f} %"
    return texts
