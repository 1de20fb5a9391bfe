"""Build a measurement from a composed configuration, with its prediction if the cluster allows one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence, Set
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from dwdp_hw.cases.case import WINDOWS, Case, LayerCompute, Pipeline, Settings
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.executors.cuda.issue import ISSUES
from dwdp_hw.job.drawn_steps import draw_step_lengths
from dwdp_hw.job.schema import BackendConfig, Executor, HwConfig, Measure
from dwdp_hw.job.step_predictions import StepSimulator
from dwdp_hw.run.launch import started_by_torchrun
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.fabric.cluster import MAPPINGS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.build import build_layer_job, check_walk
from dwdp_sim.job.config_values import read_values
from dwdp_sim.job.fingerprint import hash_config
from dwdp_sim.job.groups import build_cluster, build_model, build_placement, build_strategy
from dwdp_sim.job.job import Layer, LayerJob
from dwdp_sim.job.make import make_layer
from dwdp_sim.job.resolve import explicit_keys, resolve
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.plan.endpoints import HOMES
from dwdp_sim.plan.program import ISSUE_MODES

MOST_RUNS = 100_000  # of anything that is counted in `backend`; more is a typing error


@dataclass(frozen=True)
class Measurement:
    """A checked measurement that `mode=measure` runs.

    Attributes:
        case: For the ranks.
        settings: For the group.
        group_size: Processes.
        layer: Model, placement, strategy, plan.
        job: The same for the simulator; None of a pipeline, or if the cluster's constants do not cover it.
        simulator: What predicts a pipeline's step, once its windows are known; None of anything else.
        no_prediction: Why there is neither.
        config: The resolved configuration.
        config_hash: Of `config`.
    """

    case: Case
    settings: Settings
    group_size: int
    layer: Layer
    job: LayerJob | None
    simulator: StepSimulator | None
    no_prediction: str | None
    config: dict[str, Any]
    config_hash: str


def build_measurement(composed: DictConfig, overrides: Sequence[str]) -> Measurement:
    """Check a composed configuration and build what it describes.

    Raises:
        ConfigError: Something in it cannot be used.
        NoGpuError: It needs a GPU and there is none.
    """
    config: HwConfig = read_values(composed)
    if config.workload.kind != "layer":
        raise ConfigError("workload.kind", config.workload.kind, "dwdp-hw measures kind=layer")
    if config.workload.start not in ("random", "lockstep"):
        allowed = "one gate starts all ranks: random (predicted within max_phase_s) or lockstep"
        raise ConfigError("workload.start", config.workload.start, allowed)
    backend = config.backend
    home, mapping = backend.home or config.cluster.home, backend.mapping or config.cluster.mapping
    explicit = explicit_keys(overrides)
    config = resolve(config, explicit)
    model = build_model(config.model)
    layer = make_layer(model, build_placement(config.dwdp, model), build_strategy(config.strategy))
    _check(config, home, mapping)
    settings = build_settings(backend)
    group_size = _group_size(backend, home, layer.placement.dwdp_size)
    predicted_by, why_not = _prediction(config, explicit, home, mapping)
    return Measurement(
        case=_case(config, layer, home, mapping, group_size),
        settings=settings,
        group_size=group_size,
        layer=layer,
        job=predicted_by if isinstance(predicted_by, LayerJob) else None,
        simulator=predicted_by if isinstance(predicted_by, StepSimulator) else None,
        no_prediction=why_not,
        config=resolved_config(config),
        config_hash=hash_hw_config(config),
    )


def build_settings(backend: BackendConfig) -> Settings:
    """Return the settings of a group of ranks.

    Raises:
        ConfigError: A deadline is not above zero.
    """
    deadlines = {name: getattr(backend, name) for name in ("wait_s", "heartbeat_s", "start_s", "gate_timeout_s")}
    for name, seconds in deadlines.items():
        if not seconds > 0:
            raise ConfigError(f"backend.{name}", seconds, "seconds above zero are wanted")
    return Settings(executor=backend.executor.value, shared_folder=backend.shared_folder, **deadlines)


def _check(config: HwConfig, home: str, mapping: str) -> None:
    backend = config.backend
    words = {
        "backend.home": (home, HOMES),
        "backend.mapping": (mapping, MAPPINGS),
        "backend.issue": (backend.issue, ISSUES),
        "backend.window": (backend.window, WINDOWS),
        "issue_mode": (config.issue_mode, ISSUE_MODES),
    }
    for key, (value, allowed) in words.items():
        check_choice(key, value, allowed)
    check_counts(backend, layers=1, warmups=0, repeats=1)
    if not backend.window_s or min(backend.window_s) <= 0:
        raise ConfigError("backend.window_s", backend.window_s, "one number of seconds above zero a rank is wanted")
    if backend.window == "kernels" and backend.measure is Measure.pipeline and backend.executor is Executor.host:
        raise ConfigError("backend.window", backend.window, "backend.executor=host has no GPU to run them; spin")
    if backend.executor is Executor.host and backend.measure is Measure.issue_cost:
        said = "backend.executor=host has no driver whose calls could be timed; layer or pipeline"
        raise ConfigError("backend.measure", backend.measure.value, said)


def check_counts(backend: BackendConfig, **least: int) -> None:
    """Refuse numbers of layers or runs that are too small to measure or beyond all patience.

    Args:
        backend: The group.
        least: For each key the smallest number.

    Raises:
        ConfigError: One is out of range.
    """
    for name, minimum in least.items():
        if not minimum <= getattr(backend, name) <= MOST_RUNS:
            raise ConfigError(f"backend.{name}", getattr(backend, name), f"must be from {minimum} to {MOST_RUNS}")


def _group_size(backend: BackendConfig, home: str, dwdp_size: int) -> int:
    """How many processes run: one for each rank, or as many as there are GPUs where no rank reads another."""
    if started_by_torchrun():
        size = int(os.environ["WORLD_SIZE"])
        if home == "peer" and size != dwdp_size:
            raise ConfigError(
                "dwdp.dwdp_size", dwdp_size, f"torchrun started {size} processes; start one for each rank"
            )
        return size
    if backend.executor is Executor.host:
        return dwdp_size
    gpus = count_gpus()
    if home != "peer":
        return min(gpus, dwdp_size)
    if dwdp_size > gpus:
        raise ConfigError(
            "dwdp.dwdp_size",
            dwdp_size,
            f"this host has {gpus} GPU{'s' * (gpus != 1)}, and two processes on one GPU take turns, so nothing could "
            "be learned from them; use backend.home=host or local, or torchrun over several hosts",
        )
    return dwdp_size


def _case(config: HwConfig, layer: Layer, home: str, mapping: str, group_size: int) -> Case:
    backend, strategy = config.backend, layer.strategy
    ranks = tuple(backend.ranks) or tuple(range(group_size))
    if not set(ranks) <= set(range(group_size)):
        raise ConfigError("backend.ranks", list(ranks), f"ranks from 0 to {group_size - 1} run")
    if layer.strategy.barrier == "group" and len(ranks) < group_size:
        raise ConfigError("backend.ranks", list(ranks), "strategy.barrier=group needs all ranks to pull")
    pipeline = _pipeline(config, layer) if backend.measure is Measure.pipeline else None
    return Case(
        name=f"{layer.model.name}_{strategy.name}",
        plan=layer.plan,
        labels={
            "model": layer.model.name,
            "strategy": strategy.name,
            "implementation": strategy.implementation,
            "slice_bytes": strategy.slice_bytes,
        },
        measure=backend.measure.value,
        issue=backend.issue,
        issue_mode=config.issue_mode,
        mapping=mapping,
        home=home,
        ranks=ranks,
        layers=backend.layers,
        warmups=backend.warmups,
        repeats=backend.repeats,
        detail=backend.detail and backend.measure is Measure.layer,
        witness=backend.witness and backend.measure is Measure.layer,
        pipeline=pipeline,
    )


def _pipeline(config: HwConfig, layer: Layer) -> Pipeline:
    """The windows of a forward step; with kernels, those of each rank's first counted step."""
    backend = config.backend
    if backend.window != "kernels":
        return Pipeline(tuple(backend.window_s), backend.window)
    steps = draw_step_lengths(config, layer.model, layer.placement.dwdp_size)
    lengths = tuple(rank[config.workload.warmup] for rank in steps)
    return Pipeline((), backend.window, compute=LayerCompute(layer.model, lengths))


def _prediction(
    config: HwConfig, explicit: Set[str], home: str, mapping: str
) -> tuple[LayerJob | StepSimulator | None, str | None]:
    """The simulator's job for the same layer or, for a pipeline, what predicts its step; or why there is neither."""
    backend = config.backend
    if backend.measure is Measure.issue_cost:
        return None, f"no prediction of measure={backend.measure.value}"
    if backend.executor is Executor.host:
        return None, "no prediction of host memory"
    if backend.ranks:
        return None, "no prediction where only some ranks pull"
    try:
        check_walk(config.cluster, explicit)
        simulated = replace(config, cluster=replace(config.cluster, home=home, mapping=mapping))
        if backend.measure is Measure.pipeline:
            options = FabricOptions(**vars(config.fabric))
            return StepSimulator(
                build_cluster(simulated.cluster), options, config.compute.gpu or config.cluster.gpu
            ), None
        return build_layer_job(simulated), None
    except ConfigError as error:
        return None, str(error)


def resolved_config(config: HwConfig) -> dict[str, Any]:
    """The resolved configuration as plain data."""
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True))


def hash_hw_config(config: HwConfig) -> str:
    """Hash what the simulator reads, and `backend`."""
    simulated = SimConfig(**{item.name: getattr(config, item.name) for item in fields(SimConfig)})
    backend = json.dumps(resolved_config(config)["backend"], sort_keys=True)
    return hashlib.sha256((hash_config(simulated) + backend).encode()).hexdigest()
