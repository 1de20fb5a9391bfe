"""From a checked layer and a composed configuration to forward steps that can run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.program import Program, ProgramStream
from dwdp_sim.steps.compute import read_interference
from dwdp_sim.steps.requests import RequestLoad, read_lengths
from dwdp_sim.steps.scenario import Scenario, draw
from dwdp_sim.steps.simulate_steps import Pace

_BACKGROUND_COPY_BYTES = 16 * 2**20  # KV blocks move in pieces; only their sum matters here
_STARTS = ("random", "lockstep")
_MOST_STEPS = 10_000  # also of seeds: more is a typing error
_MOST_BACKGROUND_BYTES = 1e8  # of a token: a thousand times a large model's KV cache


def build_scenario(
    config: SimConfig, cluster: Cluster, model: MoEModel, program: Program, options: FabricOptions
) -> Scenario:
    """Forward steps whose every MoE layer is prefetched by `program`.

    Args:
        config: Composed configuration; `workload` and `compute` are read.
        cluster: The machine.
        model: Whose layers compute.
        program: The prefetch of one layer, one stream a rank.
        options: Alternatives of the contention model.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    workload = config.workload
    if cluster.gpu and config.compute.gpu and cluster.gpu != config.compute.gpu:
        raise ConfigError(
            "compute",
            config.compute.name,
            f"is for {config.compute.gpu}, but cluster {cluster.name} has {cluster.gpu}; choose another with compute=…",
        )
    for name, least in (("iterations", 1), ("warmup", 0), ("replications", 1)):
        if not least <= getattr(workload, name) <= _MOST_STEPS:
            raise ConfigError(f"workload.{name}", getattr(workload, name), f"must be from {least} to {_MOST_STEPS}")
    if workload.start not in _STARTS:
        raise ConfigError("workload.start", workload.start, f"allowed for forward steps: {', '.join(_STARTS)}")
    if workload.target is not None and not 0 < workload.target < 1:
        raise ConfigError("workload.target", workload.target, "a share above 0 and below 1 is wanted, or null")
    lengths = () if workload.lengths is None else read_lengths(workload.lengths)
    scenario = Scenario(
        program=program,
        constants=constants_for(cluster, program, options, in_steps=True),
        options=options,
        pace=Pace(
            slots=workload.slots,
            launch_s=workload.launch_s,
            ahead=workload.ahead,
            carry_over=workload.carry_over,
            interference=read_interference(config.compute),
        ),
        model=model,
        compute=config.compute,
        load=RequestLoad(workload.isl, workload.ratio, workload.max_num_tokens, lengths),
        ranks=len(program.stream_gpu),
        iterations=workload.iterations,
        warmup=workload.warmup,
        start=workload.start,
    )
    tokens = float(draw(scenario, config.seed).windows.tokens.mean())  # whatever is wrong with compute shows here
    if not 0 <= workload.background_bytes_per_token <= _MOST_BACKGROUND_BYTES:
        raise ConfigError(
            "workload.background_bytes_per_token",
            workload.background_bytes_per_token,
            f"bytes from 0 to {_MOST_BACKGROUND_BYTES:g} are wanted",
        )
    taken = round(workload.background_bytes_per_token * tokens)
    if not taken:
        return scenario
    if cluster.home == "peer" and 2 * scenario.ranks > cluster.num_gpus:
        raise ConfigError(
            "workload.background_bytes_per_token",
            workload.background_bytes_per_token,
            f"one more GPU for each of {scenario.ranks} ranks is wanted; cluster {cluster.name} has {cluster.num_gpus}",
        )
    program = with_background(program, taken)
    return replace(scenario, program=program, constants=constants_for(cluster, program, options, in_steps=True))


def with_background(program: Program, taken: int) -> Program:
    """The program with a further GPU for each rank, which pulls `taken` bytes from it: its KV cache.

    Args:
        program: One stream a rank, GPU r for rank r.
        taken: Bytes a step.
    """
    ranks, gpus = len(program.stream_gpu), program.num_gpus
    copies = math.ceil(taken / _BACKGROUND_COPY_BYTES)
    sizes = np.full(copies, _BACKGROUND_COPY_BYTES, dtype=np.int64)
    sizes[-1] = taken - (copies - 1) * _BACKGROUND_COPY_BYTES
    one_by_one = np.ones(copies, dtype=np.int64)
    pulls = [ProgramStream(gpus + rank, rank, gpus + rank, sizes, one_by_one, ASYNC) for rank in range(ranks)]
    return Program.build(gpus + ranks, [*program.streams, *pulls])
