"""The README's picture: what batched copies gain over default ones, by window and hypothesis, and where models are.

Run: python studies/answer.py; writes docs/data/answer.json and docs/images/answer.png (minutes on two cores).
With `--draw` only the picture, from the data that is there.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from conclusions import SUBJECTS, measure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.fabric.engine_choice import takes_many_compiled
from dwdp_sim.fabric.hypotheses import ARTEFACT_AS_LOSS, EXCLUDED
from dwdp_sim.fabric.workers import workers
from dwdp_sim.results.palette import BLUE, GREEN, GREY, PURPLE, VERMILLION
from dwdp_sim.results.png import write_png

DOCS = Path(__file__).resolve().parents[1] / "docs"
DATA = DOCS / "data/answer.json"
RATIOS = (0.4, 0.6, 0.8, 1.0, 1.15, 1.3, 1.5, 1.7, 2.0, 2.5, 3.2, 4.0)
SUBJECT = replace(SUBJECTS["R1 N=4"], ratios=RATIOS, seeds=24)
NAMED = {
    "all sources; fair": ("all sources at once", GREEN, "-"),
    "1 MiB ahead; fair": ("1 MiB requested ahead", PURPLE, "-."),
    "as configured": ("two sources", BLUE, "--"),
    "1 source; fair": ("one source", VERMILLION, "-"),
}
TOKENS = (8192, 16384, 32768)


def main() -> None:
    """Compute what is asked, and draw."""
    if sys.argv[1:] != ["--draw"]:
        content = {"gains": _gains(), "windows": [{"tokens": tokens, **_window(tokens)} for tokens in TOKENS]}
        write_whole(DATA, lambda at: at.write_text(json_rows(content), encoding="utf-8"))
    found = json.loads(DATA.read_text(encoding="utf-8"))
    write_whole(DOCS / "images/answer.png", lambda at: draw(at, found))


def _gains() -> list[dict[str, Any]]:
    """The gain under each hypothesis that evidence does not speak against."""
    apart = {hypothesis.name for hypothesis in (*EXCLUDED, ARTEFACT_AS_LOSS)}
    with workers(os.cpu_count() or 1, threads=takes_many_compiled("auto")) as pool:
        rows = [asdict(row) for row in measure("R1 N=4", SUBJECT, [], pool)]
    kept = ("ratio", "hypothesis", "gain", "half_width")
    return [{name: row[name] for name in kept} for row in rows if row["hypothesis"] not in apart]


def _window(tokens: int) -> dict[str, float]:
    """Where the model is with so many tokens a step."""
    sys.path.append(str(DOCS / "figures"))
    from window_ratios import window_ratio  # noqa: PLC0415

    ratio, low, high = window_ratio(SUBJECT.model, SUBJECT.cluster, "trtllm_ipc", tokens)
    return {"ratio": round(ratio, 3), "low": round(low, 3), "high": round(high, 3)}


def draw(path: Path, found: dict[str, Any]) -> None:
    """Gains as lines over the window, the named hypotheses in colour, with the models' windows below."""
    figure = Figure(figsize=(7, 4.8), layout="constrained")
    gains, places = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _draw_gains(gains, found["gains"])
    for row, window in enumerate(found["windows"]):
        places.plot([window["low"], window["high"]], [row, row], color=GREY, linewidth=6, solid_capstyle="butt")
        places.plot(window["ratio"], row, "o", color="black", markersize=6)
        places.text(window["high"] * 1.03, row, f"{window['tokens'] // 1024}K tokens a step", va="center", fontsize=10)
    places.set_ylim(len(TOKENS) - 0.4, -0.6)
    places.set_yticks([])
    places.set_xlabel("a layer\u2019s compute time \u00f7 its uncontended prefetch (grey: fastest to slowest kernels)")
    places.set_xscale("log")
    places.set_xticks([0.4, 0.6, 0.8, 1, 1.3, 1.7, 2.5, 4], ["0.4", "0.6", "0.8", "1", "1.3", "1.7", "2.5", "4"])
    places.set_xticks([], minor=True)
    places.set_xlim(0.38, 11.0)
    for axes in (gains, places):
        axes.spines[["top", "right"]].set_visible(False)
    write_png(figure, path)


def _draw_gains(axes: Axes, rows: list[dict[str, Any]]) -> None:
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        lines[row["hypothesis"]].append((row["ratio"], 100 * row["gain"]))
    for name, points in lines.items():
        if name not in NAMED:
            axes.plot(*zip(*points, strict=True), color=GREY, linewidth=0.8, alpha=0.6)
    for name, (label, colour, style) in NAMED.items():
        axes.plot(*zip(*lines[name], strict=True), style, color=colour, linewidth=2, label=label)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("contention_opt gains (% tokens/s)")
    axes.set_title("DeepSeek-R1, four GPUs of a GB200 NVL72", loc="left", fontsize=12)
    axes.legend(
        title="a copy engine reads of a batch (grey: other hypotheses)", frameon=False, loc="upper right", fontsize=10
    )


if __name__ == "__main__":
    main()
