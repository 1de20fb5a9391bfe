"""Build forward steps from a resolved configuration."""

from __future__ import annotations

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.groups import build_cluster, build_model, build_placement, build_starts, build_strategy
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.make import make_steps_job
from dwdp_sim.job.schema import SimConfig, WorkloadConfig
from dwdp_sim.job.work import check_work, work_of_drawing
from dwdp_sim.steps.requests import RequestLoad, read_lengths
from dwdp_sim.steps.workload import MOST_STEPS, StepsWorkload


def build_steps_job(config: SimConfig) -> StepsJob:
    """Build the job of a resolved configuration of forward steps (workload=iteration).

    Raises:
        ConfigError: Something in it cannot be used.
    """
    build_starts(config.workload)
    _check_seeds(config.workload)
    model = build_model(config.model)
    placement, workload = build_placement(config.dwdp, model), build_workload(config)
    steps, seeds = workload.warmup + workload.iterations, config.workload.replications
    drawing = work_of_drawing(workload.load, placement.dwdp_size, steps, seeds, model.num_moe_layers)
    check_work(drawing, config.limits)
    return make_steps_job(
        model,
        placement,
        build_strategy(config.strategy),
        build_cluster(config.cluster),
        workload,
        FabricOptions(**vars(config.fabric)),
        issue_mode=config.issue_mode,
        seed=config.seed,
    )


def build_workload(config: SimConfig) -> StepsWorkload:
    """Build the workload that the `workload` and `compute` groups describe.

    Raises:
        ConfigError: A value is out of range, or the file of lengths cannot be read.
    """
    group = config.workload
    return StepsWorkload(
        compute=config.compute,
        load=build_load(group),
        iterations=group.iterations,
        warmup=group.warmup,
        start=group.start,
        slots=group.slots,
        launch_s=group.launch_s,
        ahead=group.ahead,
        carry_over=group.carry_over,
        background_bytes_per_token=group.background_bytes_per_token,
    )


def build_load(group: WorkloadConfig) -> RequestLoad:
    """Build the requests that the `workload` group describes.

    Raises:
        ConfigError: A value is out of range, or the file of lengths cannot be read.
    """
    lengths = () if group.lengths is None else read_lengths(group.lengths)
    return RequestLoad(group.isl, group.ratio, group.max_num_tokens, lengths)


def _check_seeds(workload: WorkloadConfig) -> None:
    if not 1 <= workload.replications <= MOST_STEPS:
        raise ConfigError("workload.replications", workload.replications, f"must be from 1 to {MOST_STEPS}")
    if workload.target is not None and not 0 < workload.target < 1:
        raise ConfigError("workload.target", workload.target, "a share above 0 and below 1 is wanted, or null")
