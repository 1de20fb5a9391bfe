"""Jobs from Python objects are those that a configuration makes."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.job import LayerJob, ReplayJob, StepsJob
from dwdp_sim.job.make import make_layer_job, make_replay_job, make_scenario, make_steps_job
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.job.start_times import Starts
from dwdp_sim.steps.scenario import draw
from tests.dwdp_sim.composing import job

STEPS = (
    "workload=iteration", "model=deepseek_v3_lite_nvfp4", "model.num_layers=3", "model.num_moe_layers=2",
    "strategy.slice_bytes=64MiB", "workload.isl=1024", "workload.max_num_tokens=2048",
)  # fmt: skip


def columns(one: object) -> dict[str, object]:
    """Fields of a dataclass of arrays, comparable."""
    assert hasattr(one, "__dataclass_fields__")
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def test_a_layer_needs_no_configuration() -> None:
    configured: LayerJob = job("seed=3", "workload.draws=2")
    layer, starts = configured.layer, Starts(draws=2)
    made = make_layer_job(
        layer.model, layer.placement, layer.strategy, read_cluster("gb200_nvl72"), starts=starts, seed=3
    )
    assert columns(made.program) == columns(configured.program)
    assert (made.constants, made.starts_s) == (configured.constants, configured.starts_s)


def test_forward_steps_need_no_configuration_and_run_with_their_background() -> None:
    configured: StepsJob = job(*STEPS, "workload.background_bytes_per_token=1e4", "seed=2")
    layer = configured.layer
    workload = replace(configured.scenario.workload, carry_over=True)
    made = make_steps_job(layer.model, layer.placement, layer.strategy, configured.cluster, workload, seed=2)
    assert made.scenario.workload.pace().carry_over
    assert made.first.steps == configured.first.steps
    assert made.program.num_gpus == made.coarse.program.num_gpus == 8  # four ranks, and a GPU for each one's KV cache
    assert made.constants == configured.constants
    alone = make_scenario(layer.model, layer.plan, made.cluster, workload, made.options, issue_mode="queued", seed=2)
    assert columns(alone.program) == columns(made.program)


def test_the_first_draw_of_a_job_is_that_of_its_seed() -> None:
    configured: StepsJob = job(*STEPS, "seed=5")
    again = draw(configured.scenario, 5)
    assert configured.first.steps == again.steps
    assert configured.first.start_s.tolist() == again.start_s.tolist()


def test_a_program_starts_as_it_says_unless_it_is_told_otherwise() -> None:
    program = job("model=deepseek_v3_lite_nvfp4").program
    made: ReplayJob = make_replay_job(program, read_cluster("gb200_nvl72"))
    assert made.starts_s == ((0.0,) * 4,)
    assert make_replay_job(program, made.cluster, starts=Starts("offsets", offsets_s=(0, 1e-3, 0, 0))).starts_s == (
        (0, 1e-3, 0, 0),
    )


def test_what_cannot_go_together_is_refused_by_name() -> None:
    configured: LayerJob = job()
    layer = configured.layer
    with pytest.raises(ConfigError, match=r"^dwdp\.dwdp_size=4: cluster h200_x2 has 2 GPUs"):
        make_layer_job(layer.model, layer.placement, layer.strategy, read_cluster("h200_x2"))
    with pytest.raises(ConfigError, match=r"^seed=-1"):
        make_layer_job(layer.model, layer.placement, layer.strategy, configured.cluster, seed=-1)
    with pytest.raises(ConfigError, match=r"^workload\.start=file"):
        make_layer_job(layer.model, layer.placement, layer.strategy, configured.cluster, starts=Starts("file"))


def test_a_long_name_of_a_gpu_is_shortened_where_it_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^compute=constant: is for x{200}…, but cluster gb200_nvl72 has GB200; "
    ) as said:
        job(*STEPS, "compute=constant", "compute.window_s=1e-3", f"compute.gpu={'x' * 3000}")
    assert len(str(said.value)) < 400
