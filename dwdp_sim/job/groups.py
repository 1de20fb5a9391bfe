"""Build the objects that single groups of a configuration describe."""

from __future__ import annotations

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import parse_slice
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.job.schema import AttentionConfig, ClusterConfig, DwdpConfig, ModelConfig, StrategyConfig, WorkloadConfig
from dwdp_sim.job.start_times import Starts
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import FORMATS, MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import kind_named
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.plan.strategy_file import load_kind

CUSTOM = "custom"  # strategy.name where strategy.path names a strategy of the user's


def build_model(config: ModelConfig) -> MoEModel:
    """The model of a `model` group.

    Raises:
        ConfigError: A size is missing or out of range.
    """
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
    """The attention of a model; None if nothing is said about it."""
    given = {name: value for name, value in vars(config).items() if value is not None}
    if not given:
        return None
    return Attention(**{"kind": "missing", "num_heads": 0, "weight_format": given.pop("format", "bf16"), **given})


def build_placement(config: DwdpConfig, model: MoEModel) -> Placement:
    """The placement of a `dwdp` group; unset sizes follow from the model's experts.

    Raises:
        ConfigError: The sizes contradict each other, or are out of range.
    """
    return Placement.create(
        model.num_experts, config.dwdp_size, config.num_experts_per_worker, config.num_prefetch_experts
    )


def build_strategy(config: StrategyConfig) -> Strategy:
    """The strategy of a `strategy` group.

    Raises:
        ConfigError: There is no such strategy, or one of its values is out of range.
    """
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


def build_cluster(config: ClusterConfig) -> Cluster:
    """The machine of a `cluster` group.

    Raises:
        ConfigError: Something in it is out of range.
    """
    described = Cluster(
        name=config.name,
        description=config.description,
        num_gpus=config.num_gpus,
        mapping=config.mapping,
        home=config.home,
        constants={name: Constant(**vars(constant)) for name, constant in config.constants.items()},
        fitted_on=tuple(config.fitted_on),
        gpu=config.gpu,
    )
    return described.with_link_rate(config.link_rate)


def build_starts(config: WorkloadConfig) -> Starts:
    """Build the starts of ranks that a `workload` group describes.

    Raises:
        ConfigError: Its kind of workload does not start so, or reads no offsets.
    """
    starts = Starts(config.start, config.draws, config.max_phase_s, tuple(config.offsets_s))
    if starts.kind == "file" and config.kind != "replay":
        raise ConfigError("workload.start", "file", "only workload=replay has starts in a file")
    if config.kind == "replay" and starts.kind not in ("file", "random"):
        allowed = "allowed for a replay: file (as the program says), random (later by up to max_phase_s)"
        raise ConfigError("workload.start", config.start, allowed)
    if config.offsets_s and (config.kind, config.start) != ("layer", "offsets"):
        raise ConfigError("workload.offsets_s", config.offsets_s, "only workload.start=offsets of a layer reads them")
    return starts
