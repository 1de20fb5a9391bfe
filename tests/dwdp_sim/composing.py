"""Jobs made as the command line makes them."""

from __future__ import annotations

from typing import Any, cast

import hydra
from omegaconf import OmegaConf

from dwdp_sim.job.build import build_composed
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.job import CheckedRun
from dwdp_sim.job.schema import SimConfig, register_schemas


def job(*overrides: str) -> Any:
    """The job that `dwdp-sim OVERRIDES` would run, of any kind."""
    return checked(*overrides).job


def checked(*overrides: str) -> CheckedRun:
    """What `dwdp-sim OVERRIDES` would run, with its configuration."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return build_composed(hydra.compose("config", list(overrides)), overrides)


def config_object(*overrides: str) -> SimConfig:
    """What Hydra composes from `overrides`, nothing filled in."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return cast(SimConfig, OmegaConf.to_object(hydra.compose("config", list(overrides))))
