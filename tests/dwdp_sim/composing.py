"""Jobs made as the command line makes them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import hydra
from omegaconf import DictConfig, OmegaConf

from dwdp_sim.job.build import build_composed
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.job import CheckedRun
from dwdp_sim.job.schema import SimConfig, register_schemas
from dwdp_sim.sweep.compose_many import Composer


def job(*overrides: str) -> Any:
    """The job that `dwdp-sim OVERRIDES` would run, of any kind."""
    return checked(*overrides).job


def checked(*overrides: str) -> CheckedRun:
    """What `dwdp-sim OVERRIDES` would run, with its configuration."""
    return build_composed(_composer().compose(overrides), overrides)


def config_object(*overrides: str) -> SimConfig:
    """What is composed from `overrides`, nothing filled in."""
    return cast(SimConfig, OmegaConf.to_object(_composer().compose(overrides)))


def by_hydra(overrides: Sequence[str]) -> DictConfig:
    """What Hydra composes from `overrides`."""
    register_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return hydra.compose("config", list(overrides))


@functools.cache
def _composer() -> Composer:
    """Gives what Hydra gives, as the tests of a sweep's jobs prove, and asks it once for each choice of files."""
    return Composer(by_hydra, [config_dir()])
