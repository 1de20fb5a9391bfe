"""Make jobs from Python objects, without a configuration."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.job import Layer, LayerJob, ReplayJob, StepsJob, layer_program
from dwdp_sim.job.start_times import Starts
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.program import Program
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.background import with_background
from dwdp_sim.steps.scenario import Draw, Scenario, draw_workload
from dwdp_sim.steps.workload import StepsWorkload

MOST_SEED = 2**62  # the seeds that follow it, one for each draw, still fit in 64 bits


def make_layer_job(
    model: MoEModel,
    placement: Placement,
    strategy: Strategy,
    cluster: Cluster,
    options: FabricOptions | None = None,
    *,
    issue_mode: str = "queued",
    starts: Starts | None = None,
    slots: int = 2,
    seed: int = 0,
) -> LayerJob:
    """Make a job that prefetches one MoE layer.

    Args:
        model: Whose experts are pulled.
        placement: Which rank holds which.
        strategy: How they are pulled.
        cluster: The machine.
        options: Alternatives of the contention model.
        issue_mode: `queued` or `as_issued`.
        starts: When the ranks start; at random within the measured phase when unset.
        slots: Slots for prefetched layers that a GPU has.
        seed: Seed of everything random, at least 0.

    Raises:
        ConfigError: These cannot go together, or the cluster lacks a constant.
    """
    options, starts = options or FabricOptions(), starts or Starts()
    check_seed(seed)
    if starts.kind == "file":
        raise ConfigError("workload.start", "file", "only workload=replay has starts in a file")
    layer = make_layer(model, placement, strategy)
    program = layer_program(layer.plan, cluster, issue_mode)
    return LayerJob(
        layer=layer,
        cluster=cluster,
        options=options,
        program=program,
        constants=constants_for(cluster, program, options),
        starts=starts,
        starts_s=_starts_s(starts, program, seed),
        slots=slots,
        seed=seed,
        issue_mode=issue_mode,
    )


def make_replay_job(
    program: Program,
    cluster: Cluster,
    options: FabricOptions | None = None,
    *,
    starts: Starts | None = None,
    seed: int = 0,
) -> ReplayJob:
    """Make a job that replays a copy program.

    Args:
        program: Streams, calls and copies.
        cluster: The machine.
        options: Alternatives of the contention model.
        starts: How much later than the program says its streams start; not at all when unset.
        seed: Seed of everything random, at least 0.

    Raises:
        ConfigError: The starts cannot be drawn, or the cluster lacks a constant.
    """
    options, starts = options or FabricOptions(), starts or Starts("file")
    check_seed(seed)
    constants = constants_for(cluster, program, options)
    return ReplayJob(cluster, options, program, constants, starts, _starts_s(starts, program, seed), seed)


def make_steps_job(
    model: MoEModel,
    placement: Placement,
    strategy: Strategy,
    cluster: Cluster,
    workload: StepsWorkload,
    options: FabricOptions | None = None,
    *,
    issue_mode: str = "queued",
    seed: int = 0,
) -> StepsJob:
    """Make a job of forward steps; the requests of the first seed are drawn here.

    Args:
        model: Whose layers are computed and whose experts are pulled.
        placement: Which rank holds which.
        strategy: How they are pulled.
        cluster: The machine.
        workload: Requests, compute, and how many steps.
        options: Alternatives of the contention model.
        issue_mode: `queued` or `as_issued`.
        seed: The first seed, at least 0.

    Raises:
        ConfigError: These cannot go together, the compute times cannot be had, or the cluster lacks a constant.
    """
    options = options or FabricOptions()
    check_seed(seed)
    _check_gpu(workload, cluster)
    layer = make_layer(model, placement, strategy)
    program = layer_program(layer.plan, cluster, issue_mode)
    first = draw_workload(workload, model, len(program.stream_gpu), seed)
    taken = _background_bytes(workload, cluster, first)
    scenario = _make_scenario(model, program, cluster, workload, options, taken)
    return StepsJob(layer, cluster, options, scenario, first, taken, seed, issue_mode)


def make_scenario(
    model: MoEModel,
    plan: CopyPlan,
    cluster: Cluster,
    workload: StepsWorkload,
    options: FabricOptions,
    *,
    issue_mode: str,
    seed: int,
) -> Scenario:
    """Make only the scenario of `make_steps_job`; nothing is drawn unless there is background traffic.

    Raises:
        ConfigError: As `make_steps_job`, but for compute times that cannot be had.
    """
    _check_gpu(workload, cluster)
    program = layer_program(plan, cluster, issue_mode)
    taken = 0
    if workload.background_bytes_per_token:
        first = draw_workload(workload, model, len(program.stream_gpu), seed)
        taken = _background_bytes(workload, cluster, first)
    return _make_scenario(model, program, cluster, workload, options, taken)


def _make_scenario(
    model: MoEModel, program: Program, cluster: Cluster, workload: StepsWorkload, options: FabricOptions, taken: int
) -> Scenario:
    ranks = len(program.stream_gpu)
    program = with_background(program, taken)
    constants = constants_for(cluster, program, options, in_steps=True)
    return Scenario(program, constants, options, model, ranks, workload)


def make_layer(model: MoEModel, placement: Placement, strategy: Strategy) -> Layer:
    """Make a layer together with its plan.

    Raises:
        ConfigError: The strategy's implementation cannot do it.
    """
    return Layer(model, placement, strategy, build_plan(model, placement, strategy))


def _background_bytes(workload: StepsWorkload, cluster: Cluster, first: Draw) -> int:
    """Bytes that another GPU takes from each rank after a step: for each token of the first draw's mean step."""
    ranks = first.windows.ranks
    taken = round(workload.background_bytes_per_token * float(first.windows.tokens.mean()))
    if taken and cluster.home == "peer" and 2 * ranks > cluster.num_gpus:
        raise ConfigError(
            "workload.background_bytes_per_token",
            workload.background_bytes_per_token,
            f"one more GPU for each of {ranks} ranks is wanted; cluster {cluster.name} has {cluster.num_gpus}",
        )
    return taken


def _check_gpu(workload: StepsWorkload, cluster: Cluster) -> None:
    """Refuse compute times of another kind of GPU than the cluster's."""
    compute = workload.compute
    if cluster.gpu and compute.gpu and cluster.gpu != compute.gpu:
        raise ConfigError(
            "compute",
            compute.name,
            f"is for {shorten(compute.gpu)}, but cluster {shorten(cluster.name)} has {shorten(cluster.gpu)}; "
            "choose another with compute=…",
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is negative or too large for what is derived from it.

    Raises:
        ConfigError: It is.
    """
    if not 0 <= seed <= MOST_SEED:
        raise ConfigError("seed", seed, f"a whole number from 0 to {MOST_SEED} is wanted")


def _starts_s(starts: Starts, program: Program, seed: int) -> tuple[tuple[float, ...], ...]:
    """When each stream starts in each draw: as the program says, or later."""
    draws = starts.draw_s(len(program.stream_gpu), seed)
    return tuple(tuple((program.stream_start_s + np.array(draw)).tolist()) for draw in draws)
