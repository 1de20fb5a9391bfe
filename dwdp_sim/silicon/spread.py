"""How far a layer's time is apart over what is not known: kernel, load and format of the experts, cache,
projections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.attention import CACHES, Chunk
from dwdp_sim.silicon.choices import AS_MODEL, Choices
from dwdp_sim.silicon.experts import LOADS, expert_dtypes, expert_kernels
from dwdp_sim.silicon.layer import before_moe, dense_block, moe_block
from dwdp_sim.silicon.operation import Operation
from dwdp_sim.silicon.products import DTYPES
from dwdp_sim.silicon.tables import Kernels, Tables


@dataclass(frozen=True)
class Spread:
    """Least and most time of a layer, and what gives them.

    Attributes:
        low_s: Least; where rows leave a range, its lower end.
        high_s: Most.
        fastest: The choices of the least.
        slowest: The choices of the most.
    """

    low_s: float
    high_s: float
    fastest: Choices
    slowest: Choices


def range_of(
    model: MoEModel, tables: Tables, gpu: str, choices: Choices, step: Sequence[Chunk], layer: int | None = None
) -> Spread:
    """The range of a layer's time over everything that `choices` might be instead, its engine aside.

    Cache and projections decide what comes before the MoE block, kernel, load and format of the experts the block
    itself, so the two are searched apart. Projections are in the model's own format or that of its experts, as
    checkpoints are.

    Args:
        model: With its attention.
        tables: Measured times.
        gpu: Name of the GPU.
        choices: Gives engine and version.
        step: What the step processes.
        layer: Counted from 0 over all layers; None takes the first with experts.

    Raises:
        ConfigError: The tables do not cover the layer.
    """
    kernels = choices.kernels(tables, gpu)
    at = model.num_dense_layers if layer is None else layer
    before = [(one, before_moe(kernels, model, one, step, at)) for one in _of_attention(kernels, model, choices)]
    if at < model.num_dense_layers:
        after = [(choices, dense_block(kernels, model, step))]
    else:
        after = [(one, moe_block(kernels, model, one, step)) for one in _of_experts(kernels, model, choices)]
    fastest, slowest = _ends(before)
    fastest_moe, slowest_moe = _ends(after)
    return Spread(
        fastest[0] + fastest_moe[0],
        slowest[0] + slowest_moe[0],
        _joined(fastest[1], fastest_moe[1]),
        _joined(slowest[1], slowest_moe[1]),
    )


def _of_attention(kernels: Kernels, model: MoEModel, choices: Choices) -> list[Choices]:
    """Choices that differ in cache and projections."""
    formats = [AS_MODEL] if model.weight_format == "mxfp4" else [AS_MODEL, model.weight_format]
    measured = [name for name in formats if name == AS_MODEL or kernels.of("gemm", DTYPES[name])]
    return [replace(choices, cache=cache, projections=name) for cache in CACHES for name in measured]


def _of_experts(kernels: Kernels, model: MoEModel, choices: Choices) -> list[Choices]:
    """Choices that differ in kernel, load and format of the experts."""
    return [
        replace(choices, experts=dtype, load=load, kernel=kernel)
        for dtype in expert_dtypes(kernels, model)
        for load in LOADS
        for kernel in expert_kernels(kernels, model, dtype, load)
    ] or [choices]


def _ends(
    found: Sequence[tuple[Choices, tuple[Operation, ...]]],
) -> tuple[tuple[float, Choices], tuple[float, Choices]]:
    """Least and most time with their choices."""
    lows = [(math.fsum(one.time.low_s for one in operations), choices) for choices, operations in found]
    highs = [(math.fsum(one.time.high_s for one in operations), choices) for choices, operations in found]
    return min(lows, key=lambda end: end[0]), max(highs, key=lambda end: end[0])


def _joined(of_attention: Choices, of_experts: Choices) -> Choices:
    return replace(of_experts, cache=of_attention.cache, projections=of_attention.projections)
