"""Jobs made as the command line makes them."""

from __future__ import annotations

from typing import cast

import hydra
from omegaconf import OmegaConf

from dwdp_sim.job.build import Job, build_job
from dwdp_sim.job.schema import SimConfig, config_dir, register_schemas


def job(*overrides: str) -> Job:
    """The job that `dwdp-sim OVERRIDES` would run."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return build_job(hydra.compose("config", list(overrides)), overrides)


def config_object(*overrides: str) -> SimConfig:
    """What Hydra composes from `overrides`, nothing filled in."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return cast(SimConfig, OmegaConf.to_object(hydra.compose("config", list(overrides))))
