"""Can anything beat TensorRT-LLM's batched copies? Two strategies, against the rules that nobody has measured.

`paced rounds`: everybody pulls from rank + 1, then from rank + 2, …, and a group barrier starts each round, so that
every source has one reader. `carry over`: a step's first layers are prefetched as soon as the last layers of the step
before have freed their slots. Both are plans that `dwdp_hw` runs. DeepSeek-R1 on a GB200 NVL72, inputs of 4,096 to
8,192 tokens.

Run: python studies/beyond.py [N …] (about an hour of one core for N = 4); adds to docs/data/beyond.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.build import build_config
from dwdp_sim.iteration import Scenario
from dwdp_sim.metrics import lower_bound_s
from dwdp_sim.presets import preset
from dwdp_sim.replications import Estimate, paired_gain, run_replications, workers

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs/data/beyond.json"
RULES = [(1, "oldest"), (2, "oldest"), (2, "any"), (4, "oldest"), (4, "any")]
INCAST = ["always", "off"]
TOKENS = [12288, 16384, 24576]  # a step; the shorter, the more the copies are the bottleneck
BASE = ("batched", False)
CANDIDATES = [("default", False), ("batched", True), ("paced_rounds", False), ("paced_rounds", True)]
# Ranks: (slices, layers simulated of 58, seeds). Large slices stand for smaller ones. With 72 ranks only the weights
# are pulled, whole, and of fewer layers, so that a step's beginning weighs more there than in a whole model.
SIZES = {4: ("16MiB", 58, 4), 8: ("32MiB", 24, 4), 72: (None, 8, 2)}


def scenario(ranks: int, strategy: str, carry_over: bool, tokens: int, incast: str, rule: tuple[int, str]) -> Scenario:
    """One cell of the study."""
    slices, layers, _ = SIZES[ranks]
    values: dict[str, Any] = {
        "dwdp.dwdp_size": ranks,
        "model.num_moe_layers": layers,
        "model.num_layers": layers + 3,
        "workload.ratio": 0.5,
        "workload.max_num_tokens": tokens,
        "workload.iterations": 2 if ranks < 72 else 1,
        "workload.carry_over": carry_over,
        "fabric.incast": incast,
    }
    if ranks == 72:
        values["model.include"] = ["weight"]
    if strategy != "default":
        values["strategy.slice_bytes"] = slices
    if strategy == "paced_rounds" and ranks == 72:
        values["strategy.call_rounds"] = 8
    found = build_config(preset(values, strategy=strategy, workload="iteration"), []).scenario
    assert found is not None
    places, refill = rule
    return replace(found, constants=replace(found.constants, in_flight_sources=places, refill=refill))


def cells(ranks: int) -> list[tuple[str, int, tuple[int, str]]]:
    """Every combination of incast, tokens and rule."""
    tokens = TOKENS if ranks < 72 else TOKENS[1:]
    return [(incast, each, rule) for incast in INCAST for each in tokens for rule in RULES]


def study(ranks: int, pool: Any) -> list[dict[str, Any]]:
    """All cells of one group size."""
    seeds = range(SIZES[ranks][2])
    strategies = [BASE, *CANDIDATES]
    tasks = [
        (scenario(ranks, name, carry, tokens, incast, rule), seed)
        for incast, tokens, rule in cells(ranks)
        for name, carry in strategies
        for seed in seeds
    ]
    began = time.monotonic()
    runs = run_replications(
        tasks, pool, lambda n: print(f"\r{n}/{len(tasks)} {time.monotonic() - began:.0f} s", end="")
    )
    figures = iter(runs)
    rows = []
    for incast, tokens, rule in cells(ranks):
        found = {strategy: [next(figures).figures for _ in seeds] for strategy in strategies}
        base = found[BASE]
        bound = scenario(ranks, "batched", False, tokens, incast, rule)
        rows.append(
            {
                "ranks": ranks,
                "tokens": tokens,
                "incast": incast,
                "in_flight_sources": rule[0],
                "refill": rule[1],
                "lower_bound_layer_s": lower_bound_s(bound.program, bound.constants),
                "compute_s": float(np.mean([f["compute_s"] for f in base])),
                "strategies": {
                    f"{name}{' + carry over' if carry else ''}": {
                        "iteration_s": Estimate.of([f["iteration_s"] for f in found[name, carry]]).mean,
                        "bubble_p99_s": Estimate.of([f["bubble_p99_s"] for f in found[name, carry]]).mean,
                        "gain": _pair(found[name, carry], base, "iteration_s"),
                        "bubble_p99_less_s": _less(found[name, carry], base),
                    }
                    for name, carry in strategies
                },
            }
        )
    return rows


def _pair(of: list[dict[str, float]], over: list[dict[str, float]], name: str) -> list[float]:
    gain = paired_gain([f[name] for f in of], [f[name] for f in over])
    return [gain.mean, gain.half_width]


def _less(of: list[dict[str, float]], over: list[dict[str, float]]) -> list[float]:
    less = Estimate.of([b["bubble_p99_s"] - a["bubble_p99_s"] for a, b in zip(of, over, strict=True)])
    return [less.mean, less.half_width]


def main() -> None:
    """Study the group sizes named on the command line, or all."""
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    data = json.loads(OUT.read_text()) if OUT.exists() else {"rows": []}
    with workers(os.cpu_count() or 1) as pool:
        for ranks in sizes:
            rows = study(ranks, pool)
            data["rows"] = [row for row in data["rows"] if row["ranks"] != ranks] + rows
            OUT.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
