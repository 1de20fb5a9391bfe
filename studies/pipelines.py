"""Forward steps with real kernels on one GPU beside what the simulator says of them.

Each case is a pipeline of layers: the experts of the other ranks come from pinned host memory, or from the same GPU,
into two slots while torch computes the layers. Expectations are written before the run, from tables of kernels that
others measured and from the constants of another machine's host link. Nothing is fitted. The experts that torch
multiplies are tensors of their own, loaded evenly: what is copied are test patterns, every byte of which is compared.

    python studies/pipelines.py expect H200 measurements/predictions/h200_pipelines.json
    python studies/pipelines.py measure FOLDER      (needs one GPU and torch; windows.json and rows.json become
                              h200_x1_pipeline_windows.json and h200_x1_pipelines.json in measurements/)
    python studies/pipelines_report.py h200         (docs/data/pipelines_h200.json)
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.cases.case import Case, LayerCompute, Pipeline, Settings
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.start_offsets import program_draws_s
from dwdp_hw.kernels.expected import CACHE, LOAD
from dwdp_hw.kernels.layer import TorchLayer
from dwdp_hw.kernels.machine import describe, open_torch, refuse_gpu
from dwdp_hw.kernels.timing import METHOD, Effort, time_layer
from dwdp_hw.run.campaign import run_campaign
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset, read_cluster
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.silicon.tables import BACKENDS
from dwdp_sim.steps.compute import compute_times
from dwdp_sim.steps.compute_times import step_windows
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.windows import StepWindows

LINK = "h100_x1_host"  # the cluster whose host link and copies within a GPU predict
ROUNDS, SEED = 3, 0
TARGETS = {"measured windows": 0.03, **dict.fromkeys(BACKENDS, 0.15)}


@dataclass(frozen=True)
class Group:
    """A model and its placement; the cases of a group share their buffers.

    Attributes:
        name: Of the model in these formats.
        model: In `conf/model`.
        weight_format: Of the experts, if not the model's own.
        ranks: Of the DWDP group.
        pulled: Experts pulled from each peer.
        layers: Of the pipeline.
    """

    name: str
    model: str
    weight_format: str | None
    ranks: int
    pulled: int
    layers: int

    def shape(self) -> MoEModel:
        """The model, cut to the pipeline's layers."""
        whole = build_model(preset(model=self.model).model)
        return replace(
            whole,
            name=self.name,
            weight_format=self.weight_format or whole.weight_format,
            num_layers=self.layers,
            num_moe_layers=self.layers,
        )


MIXTRAL = Group("mixtral_8x7b_bf16", "mixtral_8x7b_bf16", None, 2, 4, 6)
QWEN = Group("qwen3_235b_fp8", "qwen3_235b_nvfp4", "fp8_block", 4, 8, 6)
# Group, home, strategy, number of requests, their length. Within one GPU the call of a batch comes back when its copies
# have run, so that no step can be queued: there the default copies alone are looked at.
CASES = (
    (MIXTRAL, "host", "batched", 1, 4096),
    (MIXTRAL, "host", "batched", 2, 4096),
    (MIXTRAL, "host", "batched", 2, 8192),
    (MIXTRAL, "host", "batched", 4, 8192),
    (MIXTRAL, "host", "default", 2, 8192),
    (MIXTRAL, "local", "default", 1, 4096),
    (MIXTRAL, "local", "default", 2, 8192),
    (QWEN, "host", "batched", 1, 4096),
    (QWEN, "host", "batched", 2, 4096),
    (QWEN, "host", "default", 2, 4096),
    (QWEN, "host", "batched", 2, 8192),
    (QWEN, "local", "default", 2, 4096),
)


def cases() -> Iterator[Case]:
    """The pipelines, in order."""
    for group, home, strategy, requests, length in CASES:
        lengths = (length,) * requests
        yield replace(
            _prefetch(group, home, strategy),
            name=f"{group.name}_{home}_{strategy}_{requests}x{length}",
            measure="pipeline",
            pipeline=Pipeline((), "kernels", compute=LayerCompute(group.shape(), (lengths,))),
            warmups=1,
            repeats=4,
        )


def prefetches() -> dict[tuple[str, str, str], Case]:
    """The prefetch of one layer alone, by model, home and strategy."""
    kinds = dict.fromkeys((group, home, strategy) for group, home, strategy, _, _ in CASES)
    return {(group.name, home, strategy): _prefetch(group, home, strategy) for group, home, strategy in kinds}


def _prefetch(group: Group, home: str, strategy: str) -> Case:
    model, kind = group.shape(), Strategy(STRATEGIES[strategy])
    held = model.num_experts - (group.ranks - 1) * group.pulled
    plan = build_plan(model, Placement.create(model.num_experts, group.ranks, held, group.pulled), kind)
    return Case(
        name=f"{group.name}_{home}_{strategy}_prefetch",
        plan=plan,
        labels={
            "model": model.name,
            "strategy": kind.name,
            "implementation": kind.implementation,
            "slice_bytes": kind.slice_bytes,
        },
        home=home,
        layers=group.layers,
        repeats=5,
    )


def compute_of(case: Case) -> LayerCompute:
    """What a pipeline's layers compute."""
    assert case.pipeline is not None
    assert case.pipeline.compute is not None
    return case.pipeline.compute


def table_windows(case: Case, gpu: str, backend: str) -> StepWindows:
    """Windows from an engine's tables, slower beside copies as `conf/compute/silicon.yaml` says."""
    compute = compute_of(case)
    group = replace(preset(compute="silicon").compute, gpu=gpu, backend=backend, load=LOAD, cache=CACHE)
    times = compute_times(group, compute.model)
    assert times is not None
    return step_windows(times, [[tuple(map(Chunk, compute.lengths_of(0)))]])


def step_s(case: Case, windows: StepWindows, cluster: Cluster) -> float:
    """The simulated seconds of a step."""
    program, options = case_program(case), FabricOptions()
    constants = constants_for(cluster, program, options, in_steps=True)
    return float(program_draws_s(program, constants, options, np.zeros((1, 1)), windows=windows)[0, 0])


def alone_s(case: Case, cluster: Cluster) -> float:
    """The simulated seconds of one layer's prefetch."""
    program, options = case_program(case), FabricOptions()
    return float(program_draws_s(program, constants_for(cluster, program, options), options, np.zeros((1, 1)))[0, 0])


def expect(gpu: str, path: Path) -> None:
    """Write what the simulator says of every case, from the tables of both engines."""
    cluster = read_cluster(LINK)
    rows = []
    for case in cases():
        row: dict[str, Any] = {"case": case.name}
        for backend in BACKENDS:
            windows = table_windows(case, gpu, backend)
            parts = {"before_us": windows.before_s, "moe_us": windows.moe_s}
            row[backend] = {"step_us": us(step_s(case, windows, cluster))} | {
                name: us(float(values[0, 0, 0])) for name, values in parts.items()
            }
        rows.append(row)
    alone = [{"case": case.name, "us": us(alone_s(case, cluster))} for case in prefetches().values()]
    write(path, {"gpu": gpu, "link": LINK, "load": LOAD, "targets": TARGETS, "prefetches": alone, "rows": rows})


def measure(folder: Path) -> int:
    """Time the windows, then the prefetches and steps in rounds; returns how many cases failed."""
    torch = open_torch()
    rows = []
    for compute in dict.fromkeys(compute_of(case) for case in cases()):
        refuse_gpu(torch, compute.model)
        layer = TorchLayer(torch, compute.model, compute.lengths_of(0))
        timing = time_layer(torch, layer, Effort(repeats=5), SEED)
        layer.close()
        assert timing.moe is not None
        parts = {"before": timing.before.as_dict(), "moe": timing.moe.as_dict()}
        operations = {name: rounds.as_dict() for name, rounds in timing.operations.items()}
        rows.append({"model": compute.model.name, "requests": compute.lengths_of(0), **parts, "operations": operations})
        sys.stdout.write(f"{compute.model.name} {compute.lengths_of(0)}: {parts}\n")
        sys.stdout.flush()
    write(folder / "windows.json", {"machine": describe(torch), "method": METHOD, "rows": rows})
    return run_campaign(list(_rounds()), 1, Settings(wait_s=60.0), folder / "rows.json", "")


def _rounds() -> Iterator[Case]:
    """Every round's cases: in random order among those that share buffers."""
    order, every = random.Random(SEED), [*prefetches().values(), *cases()]
    for buffers in dict.fromkeys((case.labels["model"], case.home) for case in every):
        own = [case for case in every if (case.labels["model"], case.home) == buffers]
        for number in range(ROUNDS):
            order.shuffle(own)
            yield from (replace(case, name=f"{case.name}_round{number}") for case in own)


def us(seconds: float) -> float:
    """Microseconds, as files have them."""
    return round(seconds * 1e6, 1)


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole, a row a line."""
    text = json_rows(content)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def main() -> int:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case ["expect", gpu, path]:
            expect(gpu, Path(path))
        case ["measure", folder]:
            return 1 if measure(Path(folder)) else 0
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
