"""Shipped configurations by name, composed without Hydra: for analyses that need several at once."""

from __future__ import annotations

from typing import Any, cast

import yaml
from omegaconf import OmegaConf

from dwdp_sim.job.schema import SimConfig, config_dir


def preset(values: dict[str, Any] | None = None, **groups: str) -> SimConfig:
    """The default configuration with other options of its groups and other values.

    Args:
        values: By dotted key, as `{"workload.isl": 4096}`.
        groups: An option of `conf/GROUP` each: model, cluster, strategy, workload, compute.
    """
    defaults = yaml.safe_load((config_dir() / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = {group: name for entry in defaults if isinstance(entry, dict) for group, name in entry.items()} | groups
    layers: list[Any] = [OmegaConf.structured(SimConfig)]
    for group, name in chosen.items():
        content = yaml.safe_load((config_dir() / group / f"{name}.yaml").read_text(encoding="utf-8"))
        layers.append({group: content})
    merged = OmegaConf.merge(*layers)
    for key, value in (values or {}).items():
        OmegaConf.update(merged, key, value)
    return cast(SimConfig, OmegaConf.to_object(merged))
