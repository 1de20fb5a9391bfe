"""Decide what gives layers their times on a machine: measured kernels, or a roofline where there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from omegaconf import OmegaConf

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.not_measured import NotMeasuredError
from dwdp_sim.steps.compute import ROOFLINE_CONSTANTS, ComputeConfig, compute_times
from dwdp_sim.steps.compute_times import ComputeTimes, lead_s, representatives
from dwdp_sim.steps.requests import Chunk

_STEP = (Chunk(8192),)  # any step would do: what the tables lack, they lack at every size


def on_machine(config: ComputeConfig, model: MoEModel, ranks: int, gpu: str, implementation: str) -> ComputeConfig:
    """Return the group with what the machine and the engine decide filled in.

    `auto` becomes `silicon` where the tables cover the model, the GPU and the engine, and otherwise a roofline that
    says in `fallback` what they lack. `sol` becomes the roofline of the GPU.

    Args:
        config: The group.
        model: Whose layers compute.
        ranks: Ranks of the group.
        gpu: Kind of GPU of the cluster.
        implementation: The engine's implementation of DWDP, as `strategy.implementation`.

    Raises:
        ConfigError: There is neither, or a choice of kernels is not possible.
    """
    if config.kind == "sol":
        return _roofline(config, config.gpu or gpu)
    if config.kind not in ("auto", "silicon"):
        return config
    backend = config.backend or ("sglang" if implementation == "sglang" else "trtllm")
    silicon = replace(config, kind="silicon", gpu=config.gpu or gpu, backend=backend)
    if config.kind == "silicon":
        return silicon
    silicon = replace(silicon, name="silicon")
    lacking = _lacking(silicon, model, ranks)
    return silicon if lacking is None else _instead(config, config.gpu or gpu, lacking)


def _lacking(config: ComputeConfig, model: MoEModel, ranks: int) -> str | None:
    """What measured kernels lack for the model, in a line; None if they cover it."""
    try:
        times = cast(ComputeTimes, compute_times(config, model))
        lead_s(times, _STEP)
        for layer in set(representatives(model)):
            times.layer(_STEP, layer)
        times.exchange_s([_STEP[0].new_tokens] * ranks)
    except NotMeasuredError as error:
        return error.lacking
    return None


def _instead(config: ComputeConfig, gpu: str, lacking: str) -> ComputeConfig:
    """A roofline in place of measured kernels."""
    kept = {name: one for name, one in config.constants.items() if name in (*ROOFLINE_CONSTANTS, "interference")}
    of_roofline = ComputeConfig(
        constants=kept, variation=config.variation, variation_per=config.variation_per, fallback=lacking
    )
    try:
        return _roofline(of_roofline, gpu)
    except ConfigError as error:
        raise ConfigError("compute", "auto", f"{lacking}; {error.allowed}") from error


def _roofline(config: ComputeConfig, gpu: str) -> ComputeConfig:
    """The group as the roofline of a GPU, with the constants that it gives in place of the GPU's."""
    known = {path.stem: path for path in sorted((config_dir() / "compute").glob("roofline_*.yaml"))}
    path = known.get(f"roofline_{gpu.lower()}")
    if path is None:
        allowed = (
            f"no roofline of {shorten(gpu) or 'a cluster without a kind of GPU'} ships, only {', '.join(known)}; "
            "give a time of a MoE layer of yours, compute=constant compute.window_s=…, or other tables, "
            "compute.tables=installed (pip install 'dwdp-toolkit[silicon]')"
        )
        raise ConfigError("compute", config.name or "sol", allowed)
    content = OmegaConf.merge(OmegaConf.structured(ComputeConfig), OmegaConf.load(path))
    peaks = cast(ComputeConfig, OmegaConf.to_object(content))
    return replace(config, kind="roofline", name="sol", gpu=peaks.gpu, constants=peaks.constants | config.constants)
