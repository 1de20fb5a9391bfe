"""From a composed configuration to a job that can run: everything read, filled in and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import parse_slice
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import FabricConstants, constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.build_steps import build_scenario
from dwdp_sim.job.schema import (
    AttentionConfig,
    ClusterConfig,
    ModelConfig,
    SimConfig,
    StrategyConfig,
    config_dir,
)
from dwdp_sim.job.start_times import check_starts, draw_starts_s
from dwdp_sim.job.trtllm_file import read_dwdp_block
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.huggingface import read_shape
from dwdp_sim.model.moe import FORMATS, MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.plan.kinds import BATCHED, DEFAULT, kind_named
from dwdp_sim.plan.program import Program, program_from_plan
from dwdp_sim.plan.program_file import read_program
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.plan.strategy_file import hash_kind, load_kind
from dwdp_sim.steps.coarse_plan import COARSE_SLICES, CoarsePlan, make_coarse_plan
from dwdp_sim.steps.scenario import Scenario

CUSTOM = "custom"  # strategy.name where strategy.path names a strategy of the user's
NOT_HASHED = ("results_dir", "sweep", "workers")  # where rows go, and who makes them
_FILE_KEYS = (
    ("model", "config_json"),
    ("dwdp", "trtllm_yaml"),
    ("workload", "file"),
    ("workload", "lengths"),
    ("compute", "file"),
)


@dataclass(frozen=True)
class Layer:
    """The prefetch of one MoE layer, as configured."""

    model: MoEModel
    placement: Placement
    strategy: Strategy
    plan: CopyPlan


@dataclass(frozen=True)
class Job:
    """A checked configuration with everything built from it.

    Attributes:
        config: The resolved configuration with every unset value filled in.
        config_hash: Of `config` with files replaced by their contents.
        cluster: The machine.
        options: Alternatives of the model.
        layer: What the program was made from; None for a replayed program.
        program: What runs; of forward steps, one layer's prefetch.
        starts_s: Start of each stream in seconds, one list a draw; of forward steps each seed draws its own.
        constants: What running it needs.
        seed: Seed of everything random.
        issue_mode: `queued`, `as_issued`, or `replay` where each stream says.
        scenario: Forward steps; None where a single layer or a replayed program runs.
        coarse: The same with larger slices, and what these stand for: what hypotheses are compared on.
    """

    config: dict[str, Any]
    config_hash: str
    cluster: Cluster
    options: FabricOptions
    layer: Layer | None
    program: Program
    starts_s: tuple[tuple[float, ...], ...]
    constants: FabricConstants
    seed: int
    issue_mode: str
    scenario: Scenario | None
    coarse: tuple[CoarsePlan, Scenario] | None

    def drawn(self, draw: int) -> Program:
        """The program with the starts of one draw."""
        return replace(self.program, stream_start_s=np.array(self.starts_s[draw]))


def build_job(composed: DictConfig, overrides: Sequence[str]) -> Job:
    """Check a composed configuration and build what it describes.

    Args:
        composed: What Hydra composed, without its own node.
        overrides: The user's overrides, to tell an explicit value from a default.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    return build_config(cast(SimConfig, OmegaConf.to_object(composed)), overrides)


def build_config(config: SimConfig, overrides: Sequence[str]) -> Job:
    """As `build_job`, from the composed configuration as an object, which is filled in.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    if config.seed < 0:
        raise ConfigError("seed", config.seed, "must be at least 0")
    if config.workers is not None and config.workers < 1:
        raise ConfigError("workers", config.workers, "at least 1 is wanted, or null for one a core")
    explicit = {override.lstrip("+").split("=", 1)[0] for override in overrides}
    cluster = build_cluster(config.cluster)
    _check_walk(cluster, explicit)
    options = FabricOptions(**vars(config.fabric))
    check_starts(config.workload)
    if config.workload.kind == "replay":
        layer = None
        if config.workload.file is None:
            raise ConfigError("workload.file", "missing", "a program is wanted, as workload.file=program.json")
        program = read_program(config.workload.file, cluster.num_gpus)
    elif config.workload.kind in ("layer", "iteration", "published"):
        if config.workload.file is not None:
            raise ConfigError("workload.file", config.workload.file, "only workload=replay reads a file")
        if config.workload.kind == "published":
            _must_be_default(explicit)
        apply_trtllm_yaml(config, explicit)
        layer = build_layer(config, explicit)
        program = build_program(config, cluster, layer)
    else:
        raise ConfigError("workload.kind", config.workload.kind, "allowed: layer, iteration, replay, published")
    scenario, coarse = None, None
    if layer is not None and config.workload.kind == "iteration":
        scenario = build_scenario(config, cluster, layer.model, program, options)
        plan = make_coarse_plan(layer.model, layer.placement, layer.strategy, COARSE_SLICES)
        larger = replace(layer, strategy=plan.strategy, plan=plan.plan)
        built = build_program(config, cluster, larger)
        coarse = plan, build_scenario(config, cluster, layer.model, built, options)
    return Job(
        config=asdict(config),
        config_hash=hash_config(config),
        cluster=cluster,
        options=options,
        layer=layer,
        program=program,
        starts_s=_starts_s(config, program),
        constants=constants_for(cluster, program, options, in_steps=scenario is not None),
        seed=config.seed,
        issue_mode=config.issue_mode if layer else "replay",
        scenario=scenario,
        coarse=coarse,
    )


def _check_walk(cluster: Cluster, explicit: set[str]) -> None:
    """Refuse a value that the chosen walk of a batch does not read."""
    refill = cluster.constants.get("refill")
    counts_bytes = refill is not None and refill.value == "bytes"
    unread = "cluster.constants.in_flight_sources.value" if counts_bytes else "cluster.constants.in_flight_bytes.value"
    if refill is not None and unread in explicit:
        raise ConfigError(unread, "given", f"contradicts cluster.constants.refill.value={refill.value}; leave one out")


def _must_be_default(explicit: set[str]) -> None:
    """The published cases say themselves what runs."""
    for key in sorted(explicit):
        if key.split(".")[0] in ("model", "cluster", "strategy", "compute", "dwdp", "fabric"):
            raise ConfigError(key, "given", "workload=published runs the published cases as they are; leave it out")


def hash_config(config: SimConfig) -> str:
    """SHA-256 over a configuration; a file counts by its contents, not by its path, and where rows go not at all."""
    content = asdict(config)
    for key in NOT_HASHED:
        del content[key]
    for group, key in _FILE_KEYS:
        path = content[group][key]
        if path is not None:
            content[group][key] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    path = content["strategy"].pop("path")
    if path is not None:
        content["strategy"]["file"] = hash_kind(path, "strategy.path")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def build_cluster(config: ClusterConfig) -> Cluster:
    """The machine of a composed `cluster` group."""
    return Cluster(
        name=config.name,
        description=config.description,
        num_gpus=config.num_gpus,
        mapping=config.mapping,
        home=config.home,
        constants={name: Constant(**vars(constant)) for name, constant in config.constants.items()},
        fitted_on=tuple(config.fitted_on),
        gpu=config.gpu,
    )


def read_cluster(name: str) -> Cluster:
    """A cluster of `conf/cluster`, without Hydra."""
    content = yaml.safe_load((config_dir() / "cluster" / f"{name}.yaml").read_text(encoding="utf-8"))
    constants = {key: Constant(**value) for key, value in content.pop("constants").items()}
    return Cluster(**content, constants=constants)


def apply_trtllm_yaml(config: SimConfig, explicit: set[str]) -> None:
    """Take the group's sizes and strategy from a TensorRT-LLM file: it beats defaults, and must not be contradicted."""
    path = config.dwdp.trtllm_yaml
    if path is None:
        return
    block = read_dwdp_block(path)
    for name in ("dwdp_size", "num_experts_per_worker", "num_prefetch_experts"):
        said = getattr(block, name)
        if said is None:
            continue
        _must_agree(f"dwdp.{name}", getattr(config.dwdp, name), said, explicit, path)
        setattr(config.dwdp, name, said)
    chosen = explicit & {"strategy", "strategy.name"}
    if block.contention_opt is None and chosen:
        return
    name = BATCHED.name if block.contention_opt else DEFAULT.name
    for key in sorted(chosen):
        _must_agree(key, config.strategy.name, name, explicit, path)
    if name == BATCHED.name and config.strategy.slice_bytes is None:
        config.strategy.slice_bytes = CONTENTION_OPT_SLICE_BYTES
    config.strategy.name = name


def _must_agree(key: str, value: object, said: object, explicit: set[str], path: str) -> None:
    if key in explicit and value != said:
        raise ConfigError(key, value, f"contradicts {path}, which says {said}; leave one of them out")


def build_model(config: ModelConfig, explicit: set[str]) -> MoEModel:
    """The model of a composed `model` group, read from a Hugging Face file where one is named."""
    if config.config_json is not None:
        for name, said in read_shape(config.config_json).items():
            part, field = (config.attention, name.split(".")[1]) if name.startswith("attention.") else (config, name)
            _must_agree(f"model.{name}", getattr(part, field), said, explicit - {"model.name"}, config.config_json)
            if f"model.{name}" not in explicit:
                setattr(part, field, said)
    sizes = ("hidden_size", "intermediate_size", "num_experts", "top_k", "num_layers", "num_moe_layers")
    for name in sizes:
        if getattr(config, name) is None:
            raise ConfigError(
                f"model.{name}", "missing", "give it, or a config.json as model=hf model.config_json=path"
            )
    if config.format is None:
        raise ConfigError("model.format", "missing", f"allowed: {', '.join(FORMATS)}")
    return MoEModel(
        name=str(config.name),
        weight_format=config.format,
        expert_bias=config.expert_bias,
        include=tuple(config.include),
        attention=_build_attention(config.attention),
        dense_intermediate_size=config.dense_intermediate_size,
        shared_intermediate_size=config.shared_intermediate_size,
        **{name: getattr(config, name) for name in sizes},
    )


def _build_attention(config: AttentionConfig) -> Attention | None:
    """The attention of a composed model; None where nothing is said about it."""
    given = {name: value for name, value in vars(config).items() if value is not None}
    if not given:
        return None
    return Attention(**{"kind": "missing", "num_heads": 0, "weight_format": given.pop("format", "bf16"), **given})


def build_strategy(config: StrategyConfig) -> Strategy:
    """The strategy of a composed `strategy` group."""
    return Strategy(
        kind=_build_kind(config),
        implementation=config.implementation,
        slice_bytes=parse_slice(config.slice_bytes, "strategy.slice_bytes"),
        wave_copies=config.wave_copies,
        call_rounds=config.call_rounds,
        barrier=config.barrier,
    )


def _build_kind(config: StrategyConfig) -> StrategyKind:
    """The record of a strategy, of this project or from a file of the user's."""
    if config.path is None:
        if config.name == CUSTOM:
            raise ConfigError("strategy.path", "missing", "give it, as strategy.path=my_strategy.py:name")
        return kind_named(config.name)
    kind = load_kind(config.path, "strategy.path")
    if config.name not in (CUSTOM, kind.name):
        raise ConfigError("strategy.name", config.name, f"reads no file; strategy={CUSTOM} is for {config.path}")
    return kind


def build_layer(config: SimConfig, explicit: set[str]) -> Layer:
    """Model, placement, strategy and plan; unset sizes are filled in in `config`."""
    model = build_model(config.model, explicit)
    dwdp = config.dwdp
    placement = Placement.create(
        model.num_experts, dwdp.dwdp_size, dwdp.num_experts_per_worker, dwdp.num_prefetch_experts
    )
    dwdp.num_experts_per_worker = placement.num_experts_per_worker
    dwdp.num_prefetch_experts = placement.num_prefetch_experts
    strategy = build_strategy(config.strategy)
    config.strategy.name, config.strategy.slice_bytes = strategy.name, strategy.slice_bytes
    return Layer(model, placement, strategy, build_plan(model, placement, strategy))


def build_program(config: SimConfig, cluster: Cluster, layer: Layer) -> Program:
    """The layer's plan as one stream a rank; as many ranks run as there are GPUs where experts are not in peers."""
    size = layer.placement.dwdp_size
    if cluster.home == "peer" and size > cluster.num_gpus:
        raise ConfigError(
            "dwdp.dwdp_size", size, f"cluster {cluster.name} has {cluster.num_gpus} GPUs; choose a larger cluster"
        )
    return program_from_plan(
        layer.plan,
        issue_mode=config.issue_mode,
        home=cluster.home,
        ranks=size if cluster.home == "peer" else min(size, cluster.num_gpus),
    )


def _starts_s(config: SimConfig, program: Program) -> tuple[tuple[float, ...], ...]:
    """When each stream starts in each draw: ranks as drawn, streams of a file as it says or later."""
    if config.workload.kind == "iteration":
        return (tuple(program.stream_start_s.tolist()),)
    draws = draw_starts_s(config.workload, len(program.stream_gpu), config.seed)
    return tuple(tuple((program.stream_start_s + np.array(draw)).tolist()) for draw in draws)
