"""Can anything beat TensorRT-LLM's batched copies? Two strategies, against the rules that nobody has measured.

`paced rounds`: everybody pulls from rank + 1, then from rank + 2, …, and a group barrier starts each round, so that
every source has one reader. `carry over`: a step's first layers are prefetched as soon as the last layers of the step
before have freed their slots. Both are plans that `dwdp_hw` runs.

Run: python studies/beyond.py [paced | carry_over] [N …]; adds to docs/data/beyond.json. Half an hour of one core for
N = 4; N = 72 takes an hour.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.build import build_config
from dwdp_sim.files import write_whole
from dwdp_sim.iteration import Scenario
from dwdp_sim.metrics import lower_bound_s
from dwdp_sim.presets import preset
from dwdp_sim.replications import Estimate, paired_gain, run_replications, workers

OUT = Path(__file__).resolve().parents[1] / "docs/data/beyond.json"
RULES = [(1, "oldest"), (2, "oldest"), (2, "any"), (4, "oldest"), (4, "any")]
INCAST = ["always", "off"]
Strategy = tuple[str, bool]  # option of conf/strategy, and whether it carries over
BASE: Strategy = ("batched", False)


@dataclass(frozen=True)
class Size:
    """How a group size is studied: large slices stand for smaller ones, fewer layers for a whole model.

    `without` names candidates that would take too long.
    """

    slices: str | None
    layers: int
    seeds: int
    loads: Sequence[dict[str, Any]]
    rules: Sequence[tuple[int, str]] = field(default_factory=lambda: RULES)
    values: dict[str, Any] = field(default_factory=dict)
    without: Sequence[str] = ()


@dataclass(frozen=True)
class Study:
    """What is compared with the batched copies, for which model."""

    groups: dict[str, str]
    candidates: Sequence[Strategy]
    dense_layers: int
    sizes: dict[int, Size]


TOKENS = [{"workload.max_num_tokens": tokens} for tokens in (12288, 16384, 24576)]  # inputs of 4,096 to 8,192 tokens
WINDOWS = [{"compute.window_s": s, "compute.by_tokens": True} for s in (1.5e-3, 2.5e-3, 4e-3)]
WEIGHTS_IN_BLOCKS = {"model.include": ["weight"], "strategy.call_rounds": 8}  # only weights; a barrier every 8 rounds
FEW = [RULES[0], RULES[1], RULES[-1]]
STUDIES = {
    "paced": Study(
        {"model": "deepseek_r1_nvfp4", "cluster": "gb200_nvl72", "compute": "roofline_gb200"},
        [("default", False), ("batched", True), ("paced_rounds", False)],
        3,
        {
            4: Size("16MiB", 58, 4, TOKENS),
            8: Size("32MiB", 24, 2, TOKENS),
            72: Size(None, 3, 2, TOKENS[1:2], FEW, WEIGHTS_IN_BLOCKS, without=["default", "batched + carry over"]),
        },
    ),
    "carry_over": Study(
        {"model": "gpt_oss_120b_mxfp4", "cluster": "gb200_nvl72", "compute": "constant"},
        [("batched", True)],
        0,
        {
            4: Size("32MiB", 36, 4, WINDOWS),
            8: Size("32MiB", 36, 3, WINDOWS[1:2]),
            72: Size(None, 3, 3, WINDOWS[1:2], FEW, {"model.include": ["weight"]}),
        },
    ),
}


def scenario(
    study: Study, ranks: int, strategy: Strategy, load: dict[str, Any], incast: str, rule: tuple[int, str]
) -> Scenario:
    """One cell of a study."""
    size = study.sizes[ranks]
    values: dict[str, Any] = {
        "dwdp.dwdp_size": ranks,
        "model.num_moe_layers": size.layers,
        "model.num_layers": size.layers + study.dense_layers,
        "workload.ratio": 0.5,
        "workload.iterations": 2 if ranks < 72 else 1,
        "workload.carry_over": strategy[1],
        "fabric.incast": incast,
        **load,
        **size.values,
    }
    if strategy[0] != "default":
        values["strategy.slice_bytes"] = size.slices
    found = build_config(preset(values, strategy=strategy[0], workload="iteration", **study.groups), []).scenario
    assert found is not None
    places, refill = rule
    return replace(found, constants=replace(found.constants, in_flight_sources=places, refill=refill))


def measure(name: str, ranks: int, pool: Executor | None) -> list[dict[str, Any]]:
    """All cells of one study and group size."""
    study = STUDIES[name]
    size = study.sizes[ranks]
    cells = [(incast, load, rule) for incast in INCAST for load in size.loads for rule in size.rules]
    strategies = [BASE, *(one for one in study.candidates if label(one) not in size.without)]
    tasks = [
        (scenario(study, ranks, strategy, load, incast, rule), seed)
        for incast, load, rule in cells
        for strategy in strategies
        for seed in range(size.seeds)
    ]
    began = time.monotonic()
    show = lambda n: print(f"\r{name} {ranks}: {n}/{len(tasks)}, {time.monotonic() - began:.0f} s", end="", flush=True)  # noqa: E731
    figures = iter([run.figures for run in run_replications(tasks, pool, show)])
    rows = []
    for incast, load, rule in cells:
        found = {strategy: [next(figures) for _ in range(size.seeds)] for strategy in strategies}
        bound = scenario(study, ranks, BASE, load, incast, rule)
        rows.append(
            {
                "study": name,
                "ranks": ranks,
                "layers": size.layers,
                "seeds": size.seeds,
                **{key.split(".")[1]: value for key, value in load.items()},
                "incast": incast,
                "in_flight_sources": rule[0],
                "refill": rule[1],
                "lower_bound_layer_s": lower_bound_s(bound.program, bound.constants),
                "compute_s": float(np.mean([f["compute_s"] for f in found[BASE]])),
                "strategies": {label(strategy): compare(found[strategy], found[BASE]) for strategy in strategies},
            }
        )
    return rows


def label(strategy: Strategy) -> str:
    """Name of a strategy in the rows."""
    return strategy[0] + (" + carry over" if strategy[1] else "")


def compare(of: list[dict[str, float]], base: list[dict[str, float]]) -> dict[str, Any]:
    """Means, gain in time, and how much shorter the longest bubbles are, each difference with its 95 % interval."""
    gain = paired_gain([f["iteration_s"] for f in of], [f["iteration_s"] for f in base])
    less = Estimate.of([b["bubble_p99_s"] - a["bubble_p99_s"] for a, b in zip(of, base, strict=True)])
    return {
        "iteration_s": float(np.mean([f["iteration_s"] for f in of])),
        "bubble_p99_s": float(np.mean([f["bubble_p99_s"] for f in of])),
        "gain": [gain.mean, gain.half_width],
        "bubble_p99_less_s": [less.mean, less.half_width],
    }


def main() -> None:
    """Run the studies and group sizes named on the command line, or all."""
    names = [word for word in sys.argv[1:] if word in STUDIES] or list(STUDIES)
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
    with workers(os.cpu_count() or 1) as pool:
        for name in names:
            for ranks in sizes or STUDIES[name].sizes:
                rows = measure(name, ranks, pool)
                old = json.loads(OUT.read_text())["rows"] if OUT.exists() else []
                kept = [row for row in old if (row["study"], row["ranks"]) != (name, ranks)]
                text = json.dumps({"rows": kept + rows}, indent=1) + "\n"
                write_whole(OUT, lambda path, text=text: path.write_text(text))


if __name__ == "__main__":
    main()
