"""Resolve a composed configuration: fill in every unset value, read files, parse text."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace
from typing import Any, TypeVar

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.compute_on_machine import on_machine
from dwdp_sim.job.groups import build_model, build_placement, build_strategy
from dwdp_sim.job.schema import AttentionConfig, ModelConfig, SimConfig
from dwdp_sim.job.trtllm_file import read_dwdp_block
from dwdp_sim.model.huggingface import read_shape
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.plan.kinds import BATCHED, DEFAULT

_LAYER_KINDS = ("layer", "iteration", "published")  # of a workload; a replay pulls no layer
Tree = TypeVar("Tree", bound=SimConfig)


def explicit_keys(overrides: Iterable[str]) -> set[str]:
    """Return the keys that the user's overrides give, to tell an explicit value from a default."""
    return {override.lstrip("+").split("=", 1)[0] for override in overrides}


def resolve(config: Tree, explicit: Set[str] = frozenset()) -> Tree:
    """Return the configuration with everything filled in; `config` stays as it is.

    Sizes, strategy and model come from a TensorRT-LLM or Hugging Face file where one is named, unset sizes of the group
    from the model's experts, compute times from what is known of the cluster's GPU, and the slice is bytes afterwards.

    Args:
        config: As composed. A resolved one comes back equal.
        explicit: Keys that the user gave (`explicit_keys`): a file must not contradict them.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    if config.workload.kind not in _LAYER_KINDS:
        return replace(config)
    config = _with_trtllm_yaml(config, explicit)
    group = resolve_model(config.model, explicit)
    model = build_model(group)
    placement = build_placement(config.dwdp, model)
    dwdp = replace(
        config.dwdp,
        num_experts_per_worker=placement.num_experts_per_worker,
        num_prefetch_experts=placement.num_prefetch_experts,
    )
    built = build_strategy(config.strategy)
    strategy = replace(config.strategy, name=built.name, slice_bytes=built.slice_bytes)
    compute = config.compute
    if config.workload.kind == "iteration":
        compute = on_machine(compute, model, placement.dwdp_size, config.cluster.gpu, built.implementation)
    return replace(config, model=group, dwdp=dwdp, strategy=strategy, compute=compute)


def _with_trtllm_yaml(config: Tree, explicit: Set[str]) -> Tree:
    """The group's sizes and strategy from a TensorRT-LLM file: it beats defaults, and must not be contradicted."""
    path = config.dwdp.trtllm_yaml
    if path is None:
        return config
    block = read_dwdp_block(path)
    given = {
        name: said
        for name in ("dwdp_size", "num_experts_per_worker", "num_prefetch_experts")
        if (said := getattr(block, name))  # TensorRT-LLM writes 0 for what is unset
    }
    for name, said in given.items():
        _must_agree(f"dwdp.{name}", getattr(config.dwdp, name), said, explicit, path)
    dwdp = replace(config.dwdp, **given)
    chosen = explicit & {"strategy", "strategy.name"}
    if block.contention_opt is None and chosen:
        return replace(config, dwdp=dwdp)
    strategy = replace(config.strategy, name=BATCHED.name if block.contention_opt else DEFAULT.name)
    for key in sorted(chosen):
        _must_agree(key, config.strategy.name, strategy.name, explicit, path)
    if strategy.name == BATCHED.name and strategy.slice_bytes is None:
        strategy = replace(strategy, slice_bytes=CONTENTION_OPT_SLICE_BYTES)
    return replace(config, dwdp=dwdp, strategy=strategy)


def resolve_model(config: ModelConfig, explicit: Set[str]) -> ModelConfig:
    """Return the `model` group, with the shape from a Hugging Face file if it names one.

    Raises:
        ConfigError: The file cannot be read, or a value that the user gave contradicts it.
    """
    path = config.config_json
    if path is None:
        return config
    given: dict[str, Any] = {}
    of_attention: dict[str, Any] = {}
    for name, said in read_shape(path).items():
        _, inner, field = name.rpartition("attention.")
        part: ModelConfig | AttentionConfig = config.attention if inner else config
        _must_agree(f"model.{name}", getattr(part, field), said, explicit - {"model.name"}, path)
        if f"model.{name}" not in explicit:
            (of_attention if inner else given)[field] = said
    return replace(config, **given, attention=replace(config.attention, **of_attention))


def _must_agree(key: str, value: object, said: object, explicit: Set[str], path: str) -> None:
    if key in explicit and value != said:
        raise ConfigError(key, value, f"contradicts {path}, which says {said}; leave one of them out")
