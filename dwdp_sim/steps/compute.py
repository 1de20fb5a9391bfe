"""Build compute windows from the `compute` group of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.fabric.constant import PROVENANCES, ConstantConfig, check_interval, read_number
from dwdp_sim.model.moe import FORMATS, MoEModel
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.steps.compute_times import ComputeTimes, step_windows
from dwdp_sim.steps.requests import Step, count_tokens
from dwdp_sim.steps.roofline import Peaks, Roofline
from dwdp_sim.steps.silicon_times import BesideCopies, SiliconTimes
from dwdp_sim.steps.windows import StepWindows, constant_windows, varied_windows, windows_from_file

COMPUTE_KINDS = ("silicon", "roofline", "constant", "file")  # once `auto` and `sol` have met a machine
_RATES = ("attention_flops", "memory_bytes_per_s", "all_to_all_bytes_per_s")
_EFFICIENCIES = ("gemm_efficiency", "attention_efficiency", "memory_efficiency")
_FLOPS = {f"flops_{weight_format}": weight_format for weight_format in FORMATS}
_BESIDE = {"power": "power_slowdown", "product": "product_slowdown", "memory_taken": "memory_taken"}
ROOFLINE_CONSTANTS = (*_FLOPS, *_RATES, *_EFFICIENCIES)
_CONSTANTS = (*ROOFLINE_CONSTANTS, "interference", "rank_imbalance", *_BESIDE.values())
BESIDE_COPIES = tuple(_BESIDE.values())
_SILICON = ("backend", "kernel", "load", "cache", "projections", "experts", "version", "tables")


@dataclass
class ComputeConfig:
    """How long a forward step computes."""

    kind: str = "roofline"
    """silicon (measured kernels), sol (a roofline of the cluster's GPU, from FLOPs and bytes), auto (silicon where the
    kernels were measured, otherwise sol), roofline (with constants given here), constant or file."""
    name: str = ""
    """Name shown in results."""
    gpu: str = ""
    """Kind of GPU that it is for; empty: any. Measured kernels are looked up for the cluster's where it is empty."""
    constants: dict[str, ConstantConfig] = field(default_factory=dict)
    """What one GPU does at best, the shares of it that are reached (see `roofline.Peaks`), interference: how many times
    as long compute takes while copies run (power_slowdown, product_slowdown and memory_taken by kind of kernel, see
    `silicon_times.BesideCopies`), and rank_imbalance: time of the rank with the most loaded experts ÷ the mean
    where experts are spread over the ranks (DEP)."""
    backend: str | None = None
    """trtllm or sglang: whose kernels; unset: those of strategy.implementation (silicon, as all to tables)."""
    kernel: str | None = None
    """Kernel of the routed experts, as the tables name it, or fastest."""
    load: str | None = None
    """How tokens are spread over the experts: balanced, power_law_1.01 or power_law_1.2; unset: 1.01, and not known."""
    cache: str | None = None
    """Format of the cache of keys and values, bf16 or fp8; model: FP8 for NVFP4 weights, otherwise BF16."""
    projections: str | None = None
    """Format of attention's projections, as model.format; model: the model's own."""
    experts: str | None = None
    """Format of the experts in the tables; model: the likeliest measured one of the model's."""
    version: str | None = None
    """Version of the engine that was measured; unset: what the tables hold."""
    tables: str | None = None
    """Folder of tables (a checkout of aiconfigurator, its unpacked wheel), or `installed` for those of the installed
    package; unset: those that ship with the project."""
    window_s: float | None = None
    """Seconds of a MoE layer (constant)."""
    before_share: float | None = None
    """Part of a layer's window before it waits for its experts, from 0 to 1 (constant)."""
    by_tokens: bool = False
    """Whether a step's window is in proportion to its tokens; window_s is then that of the mean step (constant)."""
    file: str | None = None
    """JSON with lead_s, before_s and moe_s in seconds (file); see `windows.windows_from_file`. Where it has no tokens,
    those of the workload's requests count."""
    variation: float = 0.0
    """Coefficient of variation of random, log-normal factors on the windows; 0: none."""
    variation_per: str = "iteration"
    """iteration (one factor a step) or layer (one a layer)."""
    fallback: str = ""
    """Set by `auto`: what measured kernels lack, where a roofline stands in for them."""


def build_windows(config: ComputeConfig, model: MoEModel, steps: Sequence[Sequence[Step]], seed: int) -> StepWindows:
    """Build the compute windows of forward steps, without interference, which the simulation adds while copies run.

    Args:
        config: The composed group.
        model: With its attention, for a roofline.
        steps: For each rank, each iteration: the chunks it processes (`requests.draw_steps`).
        seed: Of the variation.

    Raises:
        ConfigError: Something in it cannot be used, or a file does not suit `steps`.
    """
    check_choice("compute.kind", config.kind, COMPUTE_KINDS)
    for name, kind in (("window_s", "constant"), ("before_share", "constant"), ("file", "file")):
        given = getattr(config, name) is not None
        if given != (config.kind == kind):
            allowed = f"only compute.kind={kind} has it" if given else f"compute.kind={kind} needs it"
            raise ConfigError(f"compute.{name}", getattr(config, name) if given else "missing", allowed)
    for name in _SILICON:
        if getattr(config, name) is not None and config.kind != "silicon":
            raise ConfigError(f"compute.{name}", getattr(config, name), "only compute.kind=silicon has it")
    for name in config.constants:
        if name not in _CONSTANTS:
            raise ConfigError(f"compute.constants.{name}", "unknown", f"allowed: {', '.join(_CONSTANTS)}")
    windows = _windows(config, model, steps)
    return varied_windows(windows, config.variation, config.variation_per, seed) if config.variation else windows


def _windows(config: ComputeConfig, model: MoEModel, steps: Sequence[Sequence[Step]]) -> StepWindows:
    """Windows before variation."""
    shape = len(steps), len(steps[0]), model.num_moe_layers
    tokens = np.array(count_tokens(steps), dtype=np.int64)
    times = compute_times(config, model)
    if times is not None:
        return step_windows(times, steps)
    if config.window_s is not None and config.before_share is not None:
        proportional_to = tokens if config.by_tokens else None
        windows = constant_windows(config.window_s, config.before_share, shape, proportional_to)
        return replace(windows, tokens=tokens)
    assert config.file is not None
    windows = windows_from_file(config.file)
    if windows.moe_s.shape != shape:
        allowed = f"{shape} ranks, iterations and MoE layers are wanted, not {windows.moe_s.shape}"
        raise ConfigError("compute.file", config.file, allowed)
    return windows if windows.tokens.any() else replace(windows, tokens=tokens)


def compute_times(config: ComputeConfig, model: MoEModel) -> ComputeTimes | None:
    """Return what gives layers their times by the model's shapes; None where the windows themselves are given.

    Args:
        config: The composed group.
        model: With its attention.

    Raises:
        ConfigError: A constant is missing or out of range.
    """
    if config.kind == "silicon":
        return _silicon(config, model)
    return Roofline(model, read_peaks(config)) if config.kind == "roofline" else None


def _silicon(config: ComputeConfig, model: MoEModel) -> SiliconTimes:
    if not config.gpu:
        raise ConfigError("compute.gpu", "missing", "the cluster does not say its kind of GPU, as GB200; give it here")
    given = {name: value for name in _SILICON if name != "tables" and (value := getattr(config, name)) is not None}
    imbalance = _number(config, "rank_imbalance", minimum=1.0)
    return SiliconTimes(model, config.gpu, Choices(**given), config.tables, imbalance, _beside_copies(config))


def _beside_copies(config: ComputeConfig) -> BesideCopies | None:
    """What copies take from kernels; None where the configuration has none of it."""
    if not config.constants.keys() & set(_BESIDE.values()):
        return None
    least = {"memory_taken": 0.0}
    found = {field: _number(config, name, minimum=least.get(field, 1.0)) for field, name in _BESIDE.items()}
    if found["memory_taken"] > 1.0:
        key = "compute.constants.memory_taken.value"
        raise ConfigError(key, found["memory_taken"], "a share from 0 to 1 is wanted")
    return BesideCopies(**found)


def read_peaks(config: ComputeConfig) -> Peaks:
    """The constants of a roofline.

    Raises:
        ConfigError: One is missing, unknown, not a number, or out of range.
    """
    flops = {weight_format: _number(config, name) for name, weight_format in _FLOPS.items() if name in config.constants}
    return Peaks(flops=flops, **{name: _number(config, name) for name in (*_RATES, *_EFFICIENCIES)})


def read_interference(config: ComputeConfig) -> float:
    """How many times as long compute takes while copies run.

    Raises:
        ConfigError: It is missing, or no factor of at least 1.
    """
    return _number(config, "interference", minimum=1.0)


def _number(config: ComputeConfig, name: str, minimum: float = 0.0) -> float:
    key = f"compute.constants.{name}"
    constant = config.constants.get(name)
    if constant is None or constant.value is None:
        raise ConfigError(key, "missing", "add value, unit, provenance and source")
    check_choice(f"{key}.provenance", constant.provenance, PROVENANCES)
    check_interval(key, constant.value, constant.interval)
    return read_number(f"{key}.value", constant.value, minimum)
