"""Resolve a composed configuration: fill in every unset value, read files, parse text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any, TypeVar

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.constant import ConstantConfig
from dwdp_sim.job.compute_on_machine import on_machine
from dwdp_sim.job.groups import build_model, build_placement, build_strategy
from dwdp_sim.job.schema import ModelConfig, SimConfig
from dwdp_sim.job.trtllm_file import read_dwdp_block
from dwdp_sim.model.huggingface import NAMES, read_shape
from dwdp_sim.model.moe import FORMATS
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
    Constants set by hand are assumed from then on.

    Args:
        config: As composed. A resolved one comes back equal.
        explicit: Keys that the user gave (`explicit_keys`): they beat what a file says (`overridden.overridden`).

    Raises:
        ConfigError: Something in it cannot be used.
    """
    config = _with_constants_by_hand(config, explicit)
    if config.workload.kind not in _LAYER_KINDS:
        return config
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


def _with_constants_by_hand(config: Tree, explicit: Set[str]) -> Tree:
    """Call assumed every constant whose value the user gave without saying where it comes from."""

    def called(constants: Mapping[str, ConstantConfig], group: str) -> dict[str, ConstantConfig]:
        by_hand = {
            name: replace(constant, provenance="assumed", source="set by hand")
            for name, constant in constants.items()
            if f"{group}.constants.{name}.value" in explicit
            and f"{group}.constants.{name}.provenance" not in explicit
            and constant.provenance != "assumed"
        }
        return {**constants, **by_hand}

    cluster = replace(config.cluster, constants=called(config.cluster.constants, "cluster"))
    compute = replace(config.compute, constants=called(config.compute.constants, "compute"))
    return replace(config, cluster=cluster, compute=compute)


def _with_trtllm_yaml(config: Tree, explicit: Set[str]) -> Tree:
    """The group's sizes and strategy from a TensorRT-LLM file, which beats defaults and not what the user gave.

    Its experts of a rank are those of its own group: for a group of another size they follow from the model instead.
    """
    path = config.dwdp.trtllm_yaml
    if path is None:
        return config
    block = read_dwdp_block(path)
    given: dict[str, Any] = {name: said for name, said in block.sizes.items() if f"dwdp.{name}" not in explicit}
    if "dwdp.dwdp_size" in explicit and config.dwdp.dwdp_size != block.sizes.get("dwdp_size", config.dwdp.dwdp_size):
        given = {}
    dwdp = replace(config.dwdp, **given)
    if explicit & {"strategy", "strategy.name"}:
        return replace(config, dwdp=dwdp)
    strategy = replace(config.strategy, name=BATCHED.name if block.contention_opt else DEFAULT.name)
    if strategy.name == BATCHED.name and strategy.slice_bytes is None:
        strategy = replace(strategy, slice_bytes=CONTENTION_OPT_SLICE_BYTES)
    return replace(config, dwdp=dwdp, strategy=strategy)


def resolve_model(config: ModelConfig, explicit: Set[str]) -> ModelConfig:
    """Return the `model` group, with the shape from a Hugging Face file if it names one.

    Values that the user gave beat the file's. With fewer layers, those with experts are counted among the first ones.

    Raises:
        ConfigError: The file cannot be read, or neither it nor the user says a size without which there is no model.
    """
    path = config.config_json
    if path is None:
        return config
    given: dict[str, Any] = {}
    of_attention: dict[str, Any] = {}
    for name, said in read_shape(path, config.num_layers if "model.num_layers" in explicit else None).items():
        _, inner, field = name.rpartition("attention.")
        if f"model.{name}" not in explicit:
            (of_attention if inner else given)[field] = said
        elif field == "num_moe_layers" and "model.num_layers" not in explicit and config.num_moe_layers != said:
            allowed = f"of {given['num_layers']} layers, {said} have experts in {path}; give model.num_layers, too"
            raise ConfigError("model.num_moe_layers", config.num_moe_layers, allowed)
    found = replace(config, **given, attention=replace(config.attention, **of_attention))
    _check_whole(found, path)
    return found


def _check_whole(config: ModelConfig, path: str) -> None:
    """Refuse a model of which neither file nor user has said all; the message says how to give what is missing."""
    missing = [field for field in NAMES if getattr(config, field) is None]
    if missing:
        keys = "; ".join(f"{field} (looked for: {', '.join(NAMES[field])})" for field in missing)
        give = " ".join(f"model.{field}=…" for field in missing)
        raise ConfigError("model.config_json", path, f"does not say {keys}; give {give}")
    if config.format is None:
        allowed = f"{path} does not say it; give it, as model.format=nvfp4 or --format nvfp4 ({', '.join(FORMATS)})"
        raise ConfigError("model.format", "missing", allowed)
