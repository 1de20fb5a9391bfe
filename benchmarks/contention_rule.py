"""Points on which the rule of `dwdp_sim/advise/rule.py` is tested: half of them found it, the others test it.

Each point is a model, machine, group, engine, in-flight rule, compute window and variation, drawn at random; there the
gain of contention_opt over the default copies is simulated. In the first 240 the host's time is hidden, in the others
it counts. Even points are for finding a rule, odd ones for testing it. It takes about an hour and a half on one core,
and goes on where it was stopped:

    python benchmarks/contention_rule.py docs/data/contention_rule.jsonl [processes]
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dwdp_sim.advise.candidates import Candidate, pair
from dwdp_sim.advise.gain_map import map_gain
from dwdp_sim.advise.host import host_cost
from dwdp_sim.advise.lab import Bench, Lab
from dwdp_sim.advise.load import measure_load
from dwdp_sim.build import build_config
from dwdp_sim.presets import preset

HIDDEN, COUNTED = 240, 160
LAYERS, LAYERS_OF_LARGE_GROUPS = 16, 10
SEEDS = range(4)
MODELS = (
    "deepseek_r1_nvfp4", "deepseek_r1_fp8", "kimi_k2_nvfp4", "qwen3_235b_nvfp4", "gpt_oss_120b_mxfp4",
    "deepseek_v3_lite_nvfp4",
)  # fmt: skip
CLUSTERS = ("gb200_nvl72", "dgx_b200", "hgx_h200")
SIZES = (2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 6, 8)
RULES = ((1, "oldest"), (2, "oldest"), (2, "any"), (3, "oldest"), (3, "any"))


@dataclass(frozen=True)
class Point:
    """One question.

    Attributes:
        window_ratio: A layer's window ÷ its uncontended prefetch.
        cv: Variation of the ranks' steps.
        before_share: Part of a window before its experts are needed.
        issue_slice_s: Host seconds a slice; None where the host's time is hidden.
        ahead: Whether the host may be a step ahead.
    """

    number: int
    model: str
    cluster: str
    implementation: str
    dwdp_size: int
    in_flight_sources: int
    refill: str
    window_ratio: float
    cv: float
    before_share: float
    issue_slice_s: float | None = None
    ahead: bool = True


def draw_points() -> list[Point]:
    """The questions, from fixed seeds: first those with the host's time hidden, then those where it counts."""
    hidden = _draw(np.random.default_rng(0), range(HIDDEN))
    random = np.random.default_rng(1)
    return hidden + [
        replace(
            point,
            issue_slice_s=float(np.exp(random.uniform(np.log(0.5e-6), np.log(3.3e-6)))),
            ahead=bool(random.integers(2)),
        )
        for point in _draw(random, range(HIDDEN, HIDDEN + COUNTED))
    ]


def _draw(random: np.random.Generator, numbers: Iterable[int]) -> list[Point]:
    return [
        Point(
            number,
            str(random.choice(MODELS)),
            str(random.choice(CLUSTERS)),
            str(random.choice(["trtllm_ipc", "trtllm_vmm"])),
            int(random.choice(SIZES)),
            *RULES[int(random.integers(len(RULES)))],
            float(np.exp(random.uniform(np.log(0.2), np.log(5.0)))),
            float(random.uniform(0.0, 0.3)),
            float(random.uniform(0.2, 0.8)),
        )
        for number in numbers
    ]


def simulate_point(point: Point) -> dict[str, object]:
    """The point with its gain, and half of the gain's 95 % interval."""
    values = {"dwdp.dwdp_size": point.dwdp_size, "strategy.implementation": point.implementation}
    window = {"compute.window_s": 1.0, "compute.before_share": point.before_share}
    host: dict[str, object] = {}
    if point.issue_slice_s is not None:
        cost = {"cluster.constants.issue_slice_s.value": point.issue_slice_s}
        host = {"issue_mode": "as_issued", "workload.ahead": point.ahead, **cost}
    groups = {"model": point.model, "cluster": point.cluster, "compute": "constant"}
    config = preset({**values, **window, **host}, workload="iteration", strategy="default", **groups)
    job = build_config(config, [])
    assert job.layer is not None
    bench = Bench(config, job.cluster, job.options, job.layer.model, job.layer.placement)
    have = Candidate(job.layer.strategy)
    load = measure_load(bench, have.strategy, SEEDS)
    state = State(point.in_flight_sources, point.refill)
    layers = LAYERS if point.dwdp_size < 8 else LAYERS_OF_LARGE_GROUPS
    place = point.window_ratio, point.cv
    lab = Lab(bench, None)
    (found,) = map_gain(lab, have, load, [place], [state], layers, SEEDS)
    gain = found.gains[state]
    batched = host_cost(lab, job.cluster, pair(have)[1])
    known = {"prefetch_s": load.prefetch_s, "copies": batched.copies, "host_s": batched.seconds}
    return {**asdict(point), **known, "gain": gain.mean, "half_width": gain.half_width}


def main() -> None:
    """Simulate every point that the file does not have yet, and add it as one line."""
    path = Path(sys.argv[1])
    known = len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with (
        path.open("a", encoding="utf-8") as lines,
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool,
    ):
        for row in pool.map(simulate_point, draw_points()[known:]):
            lines.write(json.dumps(row) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
