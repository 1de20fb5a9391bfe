"""Presets by name, and objects wherever a name is taken."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dwdp_sim.base.errors import ConfigError, check_choice, shorten
from dwdp_sim.base.user_file import read_yaml
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.config_values import check_values
from dwdp_sim.job.groups import build_cluster, build_model, build_strategy
from dwdp_sim.job.model_names import find_model
from dwdp_sim.job.resolve import resolve_model
from dwdp_sim.job.schema import ClusterConfig, ModelConfig, StrategyConfig
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.plan.strategy_file import load_kind
from dwdp_sim.steps.compute import ComputeConfig

GROUPS = ("model", "cluster", "strategy", "compute")


def presets(group: str) -> list[str]:
    """The names of a group's presets: each may be given wherever such an object is taken.

    Args:
        group: `model`, `cluster`, `strategy` or `compute`.

    Raises:
        ConfigError: There is no such group.
    """
    check_choice("group", group, GROUPS)
    needs_a_file = {"hf", "custom", "file"}
    return sorted({path.stem for path in (config_dir() / group).glob("*.yaml")} - needs_a_file)


def load_model(model: str | Path | MoEModel, weight_format: str | None = None) -> MoEModel:
    """A model from its name, from a file, or as it is.

    Args:
        model: A preset's name, the path of a YAML file like those in `conf/model`, a Hugging Face `config.json` or a
            folder with one, or an id on Hugging Face (`org/name`). Where the preset of an id has weights of another
            format than the id itself, a warning says so.
        weight_format: Format of the experts' weights; unset: what the preset or the file says.

    Raises:
        ConfigError: There is no such model, or its file lacks something.
    """
    if isinstance(model, MoEModel):
        return model
    if Path(model).suffix in (".yaml", ".yml"):
        config = cast(ModelConfig, _read_group("model", model, ModelConfig))
    else:
        found = find_model(str(model), presets("model"), weight_format)
        if found.note:
            warnings.warn(found.note, stacklevel=3)
        if found.config_json:
            config = ModelConfig(config_json=found.config_json, format=weight_format, name=found.name or None)
            explicit = {key for key, value in (("format", weight_format), ("name", found.name)) if value}
            return build_model(resolve_model(config, {f"model.{key}" for key in explicit}))
        config = cast(ModelConfig, _read_group("model", found.preset, ModelConfig))
    return build_model(replace(config, format=weight_format or config.format))


def load_cluster(cluster: str | Path | Cluster) -> Cluster:
    """A cluster from its name, from a YAML file like those in `conf/cluster`, or as it is.

    Raises:
        ConfigError: There is no such cluster, or something in its file is out of range.
    """
    if isinstance(cluster, Cluster):
        return cluster
    return build_cluster(cast(ClusterConfig, _read_group("cluster", cluster, ClusterConfig)))


def load_strategy(strategy: str | Path | Strategy | StrategyKind) -> Strategy:
    """A strategy from its name, from a file, or as it is.

    Args:
        strategy: A preset's name, a record in a Python file (`my_strategy.py:name`), the path of a YAML file like those
            in `conf/strategy`, a record, or a record with what is chosen for it.

    Raises:
        ConfigError: There is no such strategy, or its file cannot be used.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if isinstance(strategy, StrategyKind):
        return Strategy(strategy)
    if ".py:" in str(strategy):
        return Strategy(load_kind(str(strategy), "strategy"))
    return build_strategy(cast(StrategyConfig, _read_group("strategy", strategy, StrategyConfig)))


def load_compute(compute: str | Path | ComputeConfig) -> ComputeConfig:
    """How long layers compute: from a name, from a file, or as it is.

    Raises:
        ConfigError: There is no such preset.
    """
    if isinstance(compute, ComputeConfig):
        return compute
    return cast(ComputeConfig, _read_group("compute", compute, ComputeConfig))


def _read_group(group: str, name: str | Path, schema: type) -> Any:
    """A preset, or a file of the user's, as the object of its schema."""
    is_path = Path(name).suffix in (".yaml", ".yml")
    path = Path(name) if is_path else config_dir() / group / f"{name}.yaml"
    if not is_path and str(name) not in presets(group):
        raise ConfigError(group, str(name), f"a preset ({', '.join(presets(group))}), a file or an object is wanted")
    try:
        found = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), *_layers(group, path)))
    except OmegaConfBaseException as error:
        raise ConfigError(group, str(name), shorten(str(error).splitlines()[0])) from error
    check_values(found, group)
    return found


def _layers(group: str, path: Path) -> list[dict[str, Any]]:
    """The contents of the presets that a file begins with, as `defaults: [gb200_nvl72]` says, and then its own."""
    content = read_yaml(str(path), group)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError(group, str(path), f"a mapping with the keys of conf/{group} is wanted")
    bases = content.pop("defaults", [])
    if not isinstance(bases, list) or not set(map(str, bases)) <= {*presets(group), "_self_"}:
        raise ConfigError(
            group, str(path), f"defaults is {bases}; a list of these is wanted: {', '.join(presets(group))}"
        )
    files = [config_dir() / group / f"{base}.yaml" for base in bases if base != "_self_"]
    return [*(layer for file in files for layer in _layers(group, file)), content]
