"""Which choices make a layer fastest and slowest: kernel, load and format of the experts, cache, projections."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.attention import CACHES, Chunk
from dwdp_sim.silicon.choices import AS_MODEL, Choices
from dwdp_sim.silicon.experts import LOADS, expert_dtypes, expert_kernels
from dwdp_sim.silicon.layer import before_moe, moe_block
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.silicon.products import DTYPES
from dwdp_sim.silicon.tables import Kernels, Tables

UNKNOWN = ("kernel", "load", "cache", "projections", "experts")
"""Choices that a deployment may make otherwise."""


def fastest_and_slowest(
    model: MoEModel,
    tables: Tables,
    gpu: str,
    choices: Choices,
    step: Sequence[Chunk],
    unknown: Collection[str] = UNKNOWN,
) -> tuple[Choices, Choices]:
    """Return the choices that make the first layer with experts fastest, and those that make it slowest.

    Cache and projections decide what comes before the MoE block, kernel, load and format of the experts the block
    itself, so the two are searched apart. Projections are in the model's own format or that of its experts, as
    checkpoints are.

    Args:
        model: With its attention.
        tables: Measured times.
        gpu: Name of the GPU.
        choices: Gives the engine, its version and what is known.
        step: What the step processes.
        unknown: Which of the choices may be others.

    Raises:
        ConfigError: The tables do not cover the layer.
    """
    kernels, at = choices.kernels(tables, gpu), model.num_dense_layers
    before = [(one, before_moe(kernels, model, one, step, at)) for one in _before(kernels, model, choices, unknown)]
    block = [(one, moe_block(kernels, model, one, step)) for one in _experts(kernels, model, choices, unknown)]
    (fastest, slowest), (fastest_block, slowest_block) = _ends(before), _ends(block)
    return _joined(fastest, fastest_block), _joined(slowest, slowest_block)


def _before(kernels: Kernels, model: MoEModel, choices: Choices, unknown: Collection[str]) -> list[Choices]:
    """Choices that differ in cache and projections."""
    caches, formats = [choices.cache], [choices.projections]
    if "cache" in unknown:
        caches = list(CACHES)
    if "projections" in unknown:
        others = [] if model.weight_format == "mxfp4" else [model.weight_format]
        formats = [AS_MODEL, *(name for name in others if kernels.of("gemm", DTYPES[name]))]
    return [replace(choices, cache=cache, projections=name) for cache in caches for name in formats]


def _experts(kernels: Kernels, model: MoEModel, choices: Choices, unknown: Collection[str]) -> list[Choices]:
    """Choices that differ in kernel, load and format of the experts."""
    measured = expert_dtypes(kernels, model)
    formats = measured if "experts" in unknown else [choices.experts]
    loads = LOADS if "load" in unknown else [choices.load]
    found = [replace(choices, experts=dtype, load=load) for dtype in formats for load in loads]
    if "kernel" not in unknown:
        return found

    def names(one: Choices) -> Sequence[str]:
        return expert_kernels(kernels, model, measured[0] if one.experts == AS_MODEL else one.experts, one.load)

    return [replace(one, kernel=kernel) for one in found for kernel in names(one)]


def _ends(found: Sequence[tuple[Choices, tuple[Operation, ...]]]) -> tuple[Choices, Choices]:
    """The choices with the least and with the most time."""
    ordered = sorted(found, key=lambda one: seconds_of(one[1]))
    return ordered[0][0], ordered[-1][0]


def _joined(before: Choices, experts: Choices) -> Choices:
    return replace(experts, cache=before.cache, projections=before.projections)
