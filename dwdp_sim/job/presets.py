"""Read shipped configurations by name, for analyses that need several at once."""

from __future__ import annotations

import copy
import functools
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.groups import build_cluster
from dwdp_sim.job.schema import ClusterConfig, SimConfig, register_schemas


def preset(values: dict[str, Any] | None = None, **groups: str) -> SimConfig:
    """Return the default configuration with other options of its groups and other values.

    Args:
        values: By dotted key, as `{"workload.isl": 4096}`.
        groups: An option of `conf/GROUP` each: model, cluster, strategy, workload, compute.
    """
    composed = copy.deepcopy(_composed(tuple(f"{group}={name}" for group, name in groups.items())))
    for key, value in (values or {}).items():
        OmegaConf.update(composed, key, value)
    return cast(SimConfig, OmegaConf.to_object(composed))


@functools.cache  # Hydra takes half a second; shipped files stay as they are
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    register_schemas()
    return compose("config", SimConfig, overrides, [str(config_dir())])


def read_cluster(name: str) -> Cluster:
    """Return a cluster of `conf/cluster`.

    Raises:
        ConfigError: Something in its file is out of range.
    """
    content = OmegaConf.load(config_dir() / "cluster" / f"{name}.yaml")
    group = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ClusterConfig), content))
    return build_cluster(cast(ClusterConfig, group))
