"""What the model says of published figures about DWDP that need no long simulation."""

from __future__ import annotations

import json

from rows import ROOT

from dwdp_sim.published.rows import roofline_rows, synchronization_rows


def figures() -> dict[str, str]:
    """Ratios by input length, DEP's waiting, and a layer's default copies."""
    found: dict[str, list[str]] = {"share": [], "dep": []}
    for row in roofline_rows():
        found["share" if row.what.startswith("compute") else "dep"].append(f"{row.predicted:.3f}")
    (waiting,) = synchronization_rows()
    lines = (ROOT / "docs/data/evidence.jsonl").read_text(encoding="utf-8").splitlines()
    (layer,) = (
        row
        for row in map(json.loads, lines)
        if (row["kind"], row.get("row"), row.get("hypothesis"))
        == ("figure", "gb200x4_dwdp_default_peer_copy_layer", "as configured")
    )
    return {
        **{name: " / ".join(values) for name, values in found.items()},
        "waiting": f"{waiting.predicted:.0f} %",
        "peer_copy": f"{layer['predicted']:.2f} ± {layer['spread']:.2f} ms",
    }
