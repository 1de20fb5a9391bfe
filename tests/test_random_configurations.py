"""Whatever valid configuration is asked for: finite figures that add up, possible ones, always the same."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import config_dir, group_options
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.compact import read_folder
from dwdp_sim.sweep.results_folder import Folder
from tests.config_fuzz import numbers
from tests.dwdp_sim.composing import checked

FEW, SOME, MANY = 4, 25, 500
_TICKS, _LATER_S = 2**36, 1024.0  # later starts are exact: first in, first out turns a rounded tie into another order
FOLDERS = [str(config_dir())]
MODELS = [name for name in group_options("model", FOLDERS) if name != "hf"]
CLUSTERS = group_options("cluster", FOLDERS)
STRATEGIES = [name for name in group_options("strategy", FOLDERS) if name != "custom"]


def valid(count: int, seed: int = 0) -> Iterator[tuple[str, ...]]:
    """So many random configurations that can be built, always the same ones."""
    draw, found = random.Random(seed), 0
    while found < count:
        overrides = _overrides(draw)
        try:
            checked(*overrides)
        except ConfigError:
            continue
        found += 1
        yield overrides


def _overrides(draw: random.Random) -> tuple[str, ...]:
    size = draw.choice((2, 2, 3, 4, 4, 6, 8))
    whole = draw.random() < 0.3
    return (
        f"model={draw.choice(MODELS)}",
        f"cluster={draw.choice(CLUSTERS)}",
        f"strategy={draw.choice(STRATEGIES)}",
        f"strategy.implementation={draw.choice(('trtllm_ipc', 'trtllm_vmm', 'sglang'))}",
        f"strategy.slice_bytes={draw.choice(('2MiB', '8MiB', '16MiB', '64MiB', '12345678', 'null'))}",
        f"dwdp.dwdp_size={size}",
        f"issue_mode={draw.choice(('queued', 'as_issued'))}",
        f"fabric.sharing={draw.choice(('fair', 'equal', 'fifo'))}",
        f"fabric.incast={draw.choice(('always', 'demand', 'off'))}",
        f"fabric.both_ways={draw.choice(('true', 'false'))}",
        f"fabric.batch_order={draw.choice(('kept', 'swapped', 'random'))}",
        f"engine={draw.choice(('auto', 'compiled'))}",
        f"seed={draw.choice((0, 1, draw.randrange(2**62)))}",
        "workers=1",
        *(_steps(draw) if whole else _layer(draw, size)),
    )


def _layer(draw: random.Random, size: int) -> tuple[str, ...]:
    offsets = [round(draw.uniform(0, 10 ** draw.randint(-6, -3)) * _TICKS) / _TICKS for _ in range(size)]
    start = draw.choice(("random", "lockstep", "offsets"))
    return (
        f"workload.start={start}",
        *([f"workload.offsets_s={str(offsets).replace(' ', '')}"] if start == "offsets" else []),
        f"workload.draws={draw.randint(1, 3)}",
        f"workload.range={draw.choice(('true', 'false', 'false', 'false'))}",
    )


def _steps(draw: random.Random) -> tuple[str, ...]:
    return (
        "workload=iteration",
        *draw.choice((("compute=auto",), ("compute=sol",), ("compute=constant", "compute.window_s=2e-3"))),
        f"compute.variation={draw.choice((0, 0.1, 1))}",
        f"workload.isl={draw.choice((1000, 8192, 16000))}",
        f"workload.ratio={draw.choice((0.3, 1))}",
        f"workload.iterations={draw.randint(1, 2)}",
        f"workload.warmup={draw.randint(0, 1)}",
        f"workload.carry_over={draw.choice(('true', 'false'))}",
        "workload.replications=2",
        "workload.range=false",
    )


def summary_of(overrides: tuple[str, ...]) -> dict[str, Any]:
    """What is predicted, but for how long that took."""
    found = summarize_run(checked(*overrides)).to_dict()
    del found["wall_s"]
    return found


def problems(overrides: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the answer to a configuration."""
    found = summary_of(overrides)
    yield from (f"{path} is {value}" for path, value in numbers(found) if not math.isfinite(value))
    yield from _of_steps(found) if "figures" in found else _of_a_layer(found, overrides)
    if summary_of(overrides) != found:
        yield "the same configuration has two answers"


def _of_a_layer(found: dict[str, Any], overrides: tuple[str, ...]) -> Iterator[str]:
    for rank in found["ranks"]:
        parts = sum(rank[part] for part in ("host_s", "gap_s", "transfer_s", "contention_s"))
        if not math.isclose(parts, rank["prefetch_latency_s"], rel_tol=1e-9):
            yield f"rank {rank['rank']}: the parts are {parts}, the whole is {rank['prefetch_latency_s']}"
    given = next((text for text in overrides if text.startswith("workload.offsets_s=")), "=[0,1.6e-6]")
    offsets = json.loads(given.partition("=")[2])
    if found["prefetch_latency_s"]["max"] + max(offsets) - min(offsets) < found["lower_bound_s"] * (1 - 1e-9):
        yield f"{found['prefetch_latency_s']['max']} is below the bound {found['lower_bound_s']}"
    if "workload.start=offsets" in overrides:
        later = f"workload.offsets_s={[offset + _LATER_S for offset in offsets]}".replace(" ", "")
        shifted = summary_of(tuple(later if text == given else text for text in overrides))
        if not math.isclose(shifted["prefetch_latency_s"]["mean"], found["prefetch_latency_s"]["mean"], rel_tol=1e-6):
            yield f"later by {_LATER_S} s: {shifted['prefetch_latency_s']} and not {found['prefetch_latency_s']}"


def _of_steps(found: dict[str, Any]) -> Iterator[str]:
    of = {name: figure["mean"] for name, figure in found["figures"].items()}
    for whole, parts in {
        "iteration_s": ("compute_s", "bubble_s", "launch_wait_s"),
        "prefetch_latency_s": ("own_engine_s", "host_s", "copy_s"),
        "copy_s": ("gap_s", "transfer_s", "contention_s"),
    }.items():
        if not math.isclose(sum(of[part] for part in parts), of[whole], rel_tol=1e-9, abs_tol=1e-12):
            yield f"{whole} is {of[whole]}, its parts are {[of[part] for part in parts]}"
    if of["tokens_per_s"] <= 0 or of["compute_s"] <= 0:
        yield f"nothing is computed: {of}"


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, FEW), pytest.param(1, SOME, marks=pytest.mark.long), pytest.param(2, MANY, marks=pytest.mark.slow)],
)
def test_every_answer_is_finite_adds_up_respects_the_bound_and_is_given_again(seed: int, count: int) -> None:
    wrong = [f"{' '.join(one)}: {said}" for one in valid(count, seed) for said in problems(one)]
    assert not wrong, "\n".join([f"{len(wrong)} of {count}", *wrong[:20]])


@pytest.mark.long
def test_another_process_gives_the_same_answer(tmp_path: Path) -> None:
    for number, overrides in enumerate(valid(2, seed=3)):
        code = "from dwdp_sim.app import main; main()"
        command = [sys.executable, "-c", code, *overrides, f"hydra.run.dir={number}"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
        written = json.loads((tmp_path / str(number) / "summary.json").read_text())
        del written["wall_s"]
        assert written == json.loads(json.dumps(summary_of(overrides)))


@pytest.mark.long
def test_a_sweep_gives_the_same_answer(tmp_path: Path) -> None:
    layers = [one for one in valid(4, seed=4) if "workload=iteration" not in one][:1]
    for number, overrides in enumerate(layers):
        code = "from dwdp_sim.app import main; main()"
        command = [sys.executable, "-c", code, "-m", *overrides, f"results_dir={number}"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
        rows = read_folder(Folder(tmp_path / str(number))).to_pylist()
        assert [row["prefetch_latency_s"] for row in sorted(rows, key=lambda row: row["rank"])] == [
            rank["prefetch_latency_s"] for rank in summary_of(overrides)["ranks"]
        ]
