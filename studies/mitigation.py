"""Gain of batched over default copies against the compute window: where are the published gains reproduced?

The window at 16,384 tokens has not been published. This draws the gain over windows of 8 to 13 ms for both published
ratios of input lengths, with its 95 % interval and its range over the rules of the copy engine that nobody has
measured, and says which windows would give the published gains. Those windows are inferred, not validation.

Run: python studies/mitigation.py (about ten minutes on two cores); writes docs/data/mitigation.json and
docs/images/mitigation.png.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dwdp_sim.iteration import Scenario
from dwdp_sim.published import LAYERS, STEP_S, gain_scenario
from dwdp_sim.replications import paired_gain, run_replications, workers

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(20)
WINDOWS_S = [8e-3, 9e-3, 10e-3, 11e-3, 12e-3, 13e-3]
PUBLISHED = {0.5: 0.086, 0.8: 0.013}
RULES = {"two in flight, oldest": (2, "oldest"), "one": (1, "oldest"), "two, any": (2, "any"), "three": (3, "oldest")}
SLICES = {"strategy.slice_bytes": "32MiB"}  # stands for 1 MB; benchmarked against 4 MiB: less than 0.1 % apart


def with_rule(scenario: Scenario, rule: str) -> Scenario:
    """The scenario under another rule of the copy engine."""
    places, refill = RULES[rule]
    return replace(scenario, constants=replace(scenario.constants, in_flight_sources=places, refill=refill))


def measure(pool: Any) -> list[dict[str, Any]]:
    """Gain at every ratio and window under every rule."""
    points = []
    for ratio in PUBLISHED:
        for window_s in WINDOWS_S:
            default = gain_scenario("default", ratio, 16384, window_s)
            batched = gain_scenario("batched", ratio, 16384, window_s, SLICES)
            scenarios = [default, *(with_rule(batched, rule) for rule in RULES)]
            runs = run_replications([(scenario, seed) for scenario in scenarios for seed in SEEDS], pool)
            times = np.array([run.figures["iteration_s"] for run in runs]).reshape(len(scenarios), len(SEEDS))
            gains = {
                rule: paired_gain(row.tolist(), times[0].tolist()) for rule, row in zip(RULES, times[1:], strict=True)
            }
            points.append(
                {
                    "ratio": ratio,
                    "window_s": window_s,
                    "gains": {rule: [gain.mean, gain.half_width] for rule, gain in gains.items()},
                }
            )
            print(ratio, window_s, points[-1]["gains"], flush=True)
    return points


def inferred_windows(points: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """For each ratio and rule, the last window at which the gain falls to the published one; None if it never does."""
    found: dict[str, dict[str, float | None]] = {}
    for ratio, published in PUBLISHED.items():
        rows = [point for point in points if point["ratio"] == ratio]
        found[str(ratio)] = {}
        for rule in RULES:
            gains = [(row["window_s"], row["gains"][rule][0]) for row in rows]
            crossings = [
                low + (high - low) * (before - published) / (before - after)
                for (low, before), (high, after) in pairwise(gains)
                if before >= published > after
            ]
            found[str(ratio)][rule] = crossings[-1] if crossings else None
    return found


def draw(points: list[dict[str, Any]], path: Path) -> None:
    """Both ratios side by side."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, (ratio, published) in zip(panels, PUBLISHED.items(), strict=True):
        rows = [point for point in points if point["ratio"] == ratio]
        x = [row["window_s"] * 1e3 for row in rows]
        means = np.array([[100 * row["gains"][rule][0] for rule in RULES] for row in rows])
        half = [100 * row["gains"]["two in flight, oldest"][1] for row in rows]
        panel.fill_between(
            x,
            means.min(axis=1),
            means.max(axis=1),
            color="#56B4E9",
            alpha=0.25,
            lw=0,
            label="range over 1, 2 or 3 sources in flight",
        )
        panel.errorbar(
            x, means[:, 0], half, color="#0072B2", marker="o", capsize=3, label="two in flight, 95 % interval"
        )
        panel.axhline(100 * published, color="#D55E00", ls="--", label=f"published: {100 * published:+.1f} %")
        half_step = STEP_S / LAYERS / 2 * 1e3
        panel.axvline(
            half_step, color="0.4", ls=":", label=f"half the published window of 32,768 tokens ({half_step:.1f} ms)"
        )
        panel.set_title(f"input lengths from {ratio:g} × 8,192 tokens up", fontsize=10)
        panel.set_xlabel("mean compute window of a layer (ms)")
        panel.axhline(0, color="0.7", lw=0.8)
        panel.legend(fontsize=8, frameon=False)
    panels[0].set_ylabel("batched over default, tokens a second (%)")
    figure.suptitle("DeepSeek-R1 on GB200 NVL72, N = 4, at most 16,384 tokens a step", fontsize=11)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, write and draw."""
    with workers(os.cpu_count() or 1) as pool:
        points = measure(pool)
    data = {"seeds": len(SEEDS), "points": points, "inferred_windows_s": inferred_windows(points)}
    (ROOT / "docs/data").mkdir(exist_ok=True)
    (ROOT / "docs/data/mitigation.json").write_text(json.dumps(data, indent=1) + "\n")
    draw(points, ROOT / "docs/images/mitigation.png")


if __name__ == "__main__":
    main()
