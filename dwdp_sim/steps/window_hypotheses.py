"""Hypotheses about measured kernels: which of them run, and what copies and uneven experts cost them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dwdp_sim.fabric.constant import interval_of
from dwdp_sim.fabric.hypotheses import EXTREME_WALKS, HIGH, LOW, Hypothesis, Settings
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.choices import AS_MODEL
from dwdp_sim.silicon.experts import FASTEST
from dwdp_sim.silicon.spread import UNKNOWN, fastest_and_slowest
from dwdp_sim.steps.compute import BESIDE_COPIES, ComputeConfig, compute_times
from dwdp_sim.steps.requests import Step
from dwdp_sim.steps.silicon_times import SiliconTimes

_OPEN = (None, AS_MODEL, FASTEST)  # values that leave a choice to the deployment


def window_hypotheses(
    config: ComputeConfig, model: MoEModel, step: Step, machines: Sequence[Hypothesis] = ()
) -> list[Hypothesis]:
    """Return what may be true of the kernels of a layer; nothing unless windows are made of measured ones.

    The fastest and the slowest choices that the configuration leaves open are each combined with the two ways of
    walking a batch between which gains are furthest apart, since both move a gain. What copies take from kernels is
    varied alone.

    Args:
        config: The compute windows, on their machine.
        model: Whose layers compute.
        step: What a step processes, to find the fastest and the slowest for.
        machines: What may be true of the machine.

    Raises:
        ConfigError: The tables do not cover the step.
    """
    times = compute_times(config, model)
    if not isinstance(times, SiliconTimes):
        return []
    unknown = [name for name in UNKNOWN if getattr(config, name) in _OPEN]
    fastest, slowest = fastest_and_slowest(model, times.tables, times.gpu, times.choices, step, unknown)
    walks = [one for one in machines if one.name in EXTREME_WALKS]
    kernels = []
    for name, choices in (("fastest kernels", fastest), ("slowest kernels", slowest)):
        settings = tuple((key, getattr(choices, key)) for key in unknown)
        alone = Hypothesis(name, compute=settings)
        kernels += [alone, *(replace(walk, name=f"{name}; {walk.name}", compute=settings) for walk in walks)]
    least = _at_end(config, BESIDE_COPIES, LOW)
    return kernels + ([Hypothesis("copies take least from kernels", compute=least)] if least else [])


def dep_hypotheses(config: ComputeConfig) -> list[Hypothesis]:
    """Return what may be true of DEP alone: that one rank's experts are loaded more than the others'."""
    most = _at_end(config, ("rank_imbalance",), HIGH)
    return [Hypothesis("unevenly loaded ranks under DEP", compute=most)] if most else []


def with_settings(config: ComputeConfig, settings: Settings) -> ComputeConfig:
    """Return compute windows with other choices of kernels and other values of constants, by name."""
    constants = {name: replace(config.constants[name], value=value) for name, value in settings if _constant(name)}
    choices = {name: value for name, value in settings if not _constant(name)}
    return replace(config, **choices, constants=config.constants | constants)


def _constant(name: str) -> bool:
    return name not in UNKNOWN


def _at_end(config: ComputeConfig, names: Sequence[str], end: int) -> Settings:
    """Constants at one end of their intervals; those that lie in one."""
    constants = {name: config.constants[name] for name in names if name in config.constants}
    intervals = {name: interval_of(constant.value, constant.interval) for name, constant in constants.items()}
    return tuple((name, interval[end]) for name, interval in intervals.items() if interval is not None)
