"""Draw docs/data/beyond.json: step times over their lower bound, with the range over the unmeasured rules.

Run: python studies/beyond_picture.py; writes docs/images/beyond.png.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
STYLES = {
    "default": ("default", "#E69F00", "s"),
    "batched": ("batched (contention_opt)", "#0072B2", "o"),
    "paced_rounds": ("paced rounds", "#009E73", "D"),
}
OFFSETS = dict(zip(STYLES, (-0.2, 0.0, 0.2), strict=True))


def draw_panel(axis: Axes, rows: list[dict[str, Any]], ranks: int) -> None:
    """Step time ÷ lower bound by tokens a step: a dot at two sources in flight with incast, a bar over all rules."""
    loads = sorted({row["max_num_tokens"] for row in rows})
    for strategy, (name, colour, marker) in STYLES.items():
        for place, tokens in enumerate(loads):
            cells = [row for row in rows if row["max_num_tokens"] == tokens and strategy in row["strategies"]]
            if not cells:
                continue
            ratio = [row["strategies"][strategy]["iteration_s"] / bound_s(row) for row in cells]
            usual = [
                r
                for r, row in zip(ratio, cells, strict=True)
                if (row["in_flight_sources"], row["incast"]) == (2, "always")
            ]
            x = place + OFFSETS[strategy]
            axis.plot([x, x], [min(ratio), max(ratio)], color=colour, lw=3, alpha=0.45, solid_capstyle="butt")
            axis.plot(x, usual[0], marker, color=colour, label=name if place == 0 else None)
    axis.axhline(1.0, color="0.3", lw=1, ls="--")
    axis.text(len(loads) - 0.55, 1.0, "lower bound", ha="right", va="top", fontsize=8, color="0.3")
    axis.set_xticks(range(len(loads)), [f"{tokens:,}" for tokens in loads])
    axis.set_xlim(-0.5, len(loads) - 0.5)
    axis.set_title(f"{ranks} ranks", fontsize=10)


def bound_s(row: dict[str, Any]) -> float:
    """No step is shorter than its compute, nor than all its layers' bytes over the busiest link."""
    return max(row["compute_s"], row["layers"] * row["lower_bound_layer_s"])


def main() -> None:
    """Draw every group size of the first study."""
    rows = [row for row in json.loads((ROOT / "docs/data/beyond.json").read_text())["rows"] if row["study"] == "paced"]
    sizes = sorted({row["ranks"] for row in rows})
    widths = [len({row["max_num_tokens"] for row in rows if row["ranks"] == ranks}) for ranks in sizes]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True, width_ratios=widths))
    for axis, ranks in zip(panels, sizes, strict=True):
        draw_panel(axis, [row for row in rows if row["ranks"] == ranks], ranks)
    figure.supxlabel("tokens a step (at most)", fontsize=10)
    panels[0].set_ylabel("step time ÷ lower bound")
    panels[0].legend(fontsize=8, frameon=False, loc="upper right")
    figure.suptitle(
        "DeepSeek-R1 on GB200 NVL72. Dots: two sources in flight, incast; bars: 1, 2, 4 in flight, both refills, "
        "incast on and off",
        fontsize=10,
    )
    figure.savefig(ROOT / "docs/images/beyond.png", dpi=150)


if __name__ == "__main__":
    main()
