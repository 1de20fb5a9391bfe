"""Shipped models and GPUs as objects, without a command line."""

from __future__ import annotations

from typing import Any, cast

from omegaconf import OmegaConf

from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.groups import build_model
from dwdp_sim.job.schema import ModelConfig
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.steps.compute import ComputeConfig, read_peaks
from dwdp_sim.steps.roofline import Peaks


def preset_model(name: str) -> MoEModel:
    """The model of `conf/model/NAME.yaml`."""
    return build_model(cast(ModelConfig, _load("model", name, ModelConfig)))


def preset_compute(name: str) -> ComputeConfig:
    """The group of `conf/compute/NAME.yaml`."""
    return cast(ComputeConfig, _load("compute", name, ComputeConfig))


def preset_peaks(name: str) -> Peaks:
    """The peaks of `conf/compute/NAME.yaml`."""
    return read_peaks(preset_compute(name))


def _load(group: str, name: str, schema: type) -> Any:
    values = OmegaConf.load(config_dir() / group / f"{name}.yaml")
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), values))
