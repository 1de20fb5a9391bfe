"""Build a job that can run from a composed configuration: resolve it, check it, and create its objects."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import asdict, replace

from omegaconf import DictConfig

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.fabric.engine_choice import ENGINES
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.config_values import check_values, read_values
from dwdp_sim.job.fingerprint import hash_config
from dwdp_sim.job.groups import build_cluster, build_model, build_placement, build_starts, build_strategy
from dwdp_sim.job.job import CheckedRun, Job, LayerJob, ReplayJob, StepsJob
from dwdp_sim.job.make import make_layer_job, make_replay_job
from dwdp_sim.job.overridden import overridden
from dwdp_sim.job.resolve import explicit_keys, resolve
from dwdp_sim.job.schema import ClusterConfig, SimConfig
from dwdp_sim.job.work import check_work, work_of
from dwdp_sim.plan.program_file import read_program


def build_composed(composed: DictConfig, overrides: Iterable[str]) -> CheckedRun:
    """Build as `build_run` does, from what Hydra composed without its own node."""
    return build_run(read_values(composed), overrides)


def build_run(config: SimConfig, overrides: Iterable[str] = ()) -> CheckedRun:
    """Resolve a composed configuration and build the job that it describes.

    Args:
        config: As composed; it stays as it is.
        overrides: The user's overrides, to tell an explicit value from a default.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    check_values(config)
    explicit = explicit_keys(overrides)
    if config.workers is not None and config.workers < 1:
        raise ConfigError("workers", config.workers, "at least 1 is wanted, or null for one a core")
    check_choice("engine", config.engine, ENGINES)
    check_walk(config.cluster, explicit)
    if config.workload.kind == "published":
        _must_be_default(explicit)
    resolved = resolve(config, explicit)
    job = _on_engine(build_job(resolved), resolved.engine)
    check_work(work_of(job, resolved), resolved.limits)
    return CheckedRun(asdict(resolved), hash_config(resolved), job, overridden(resolved))


def _on_engine(job: Job, engine: str) -> Job:
    if isinstance(job, StepsJob):
        return replace(job, scenario=replace(job.scenario, engine=engine))
    return replace(job, engine=engine)


def build_job(config: SimConfig) -> Job:
    """Build the job of a resolved configuration.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    workload = config.workload
    if workload.kind == "replay":
        return build_replay_job(config)
    if workload.file is not None:
        raise ConfigError("workload.file", workload.file, "only workload=replay reads a file")
    match workload.kind:
        case "layer" | "published":
            return build_layer_job(config)
        case "iteration":
            from dwdp_sim.job.build_steps import build_steps_job  # noqa: PLC0415 - kernel times, which a layer needs not

            return build_steps_job(config)
        case _:
            raise ConfigError("workload.kind", workload.kind, "allowed: layer, iteration, replay, published")


def build_layer_job(config: SimConfig) -> LayerJob:
    """Build the job of a resolved configuration of one layer (workload=layer).

    Raises:
        ConfigError: Something in it cannot be used.
    """
    model = build_model(config.model)
    return make_layer_job(
        model,
        build_placement(config.dwdp, model),
        build_strategy(config.strategy),
        build_cluster(config.cluster),
        FabricOptions(**vars(config.fabric)),
        issue_mode=config.issue_mode,
        starts=build_starts(config.workload),
        slots=config.workload.slots,
        seed=config.seed,
    )


def build_replay_job(config: SimConfig) -> ReplayJob:
    """Build the job of a resolved configuration of a program (workload=replay).

    Raises:
        ConfigError: Something in it cannot be used.
    """
    if config.workload.file is None:
        raise ConfigError("workload.file", "missing", "a program is wanted, as workload.file=program.json")
    cluster = build_cluster(config.cluster)
    return make_replay_job(
        read_program(config.workload.file, cluster.num_gpus),
        cluster,
        FabricOptions(**vars(config.fabric)),
        starts=build_starts(config.workload),
        seed=config.seed,
    )


def check_walk(cluster: ClusterConfig, explicit: Set[str]) -> None:
    """Refuse a value that the chosen walk of a batch does not read.

    Raises:
        ConfigError: Such a value is among `explicit`, the keys that the user gave.
    """
    refill = cluster.constants.get("refill")
    counts_bytes = refill is not None and refill.value == "bytes"
    unread = "cluster.constants.in_flight_sources.value" if counts_bytes else "cluster.constants.in_flight_bytes.value"
    if refill is not None and unread in explicit:
        raise ConfigError(unread, "given", f"contradicts cluster.constants.refill.value={refill.value}; leave one out")


def _must_be_default(explicit: Set[str]) -> None:
    """Refuse keys that would change a published case: the case itself decides what runs."""
    for key in sorted(explicit):
        if key.split(".")[0] in ("model", "cluster", "strategy", "compute", "dwdp", "fabric"):
            raise ConfigError(key, "given", "workload=published runs the published cases as they are; leave it out")
