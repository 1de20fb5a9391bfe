"""Least time of an operation by a GPU's peak rates: the shape along which measured times are extended.

The aiconfigurator project relates its rows to such bounds (its speed of light); these are the same bounds, written
anew, so that a value outside the rows agrees with that project's. Bytes of activations count at the width of the
weights there. Sizes may be numbers or arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.silicon.not_measured import NotMeasuredError

# Bytes of an element with its block scales, and the unit that multiplies it, by the tables' names of formats.
BYTES = {
    "bfloat16": 2.0,
    "fp8": 1.0,
    "fp8_block": 1.0,
    "nvfp4": 9 / 16,
    "w4a16_mxfp4": 0.5,
    "w4a8_mxfp4_mxfp8": 0.5,
}
_UNITS = {"nvfp4": "fp4", "fp8": "fp8", "fp8_block": "fp8", "w4a8_mxfp4_mxfp8": "fp8"}
_MLA_WIDTH = 320  # of a head: 192 for the key, 128 for the value

Size = Any  # a number or an array of numbers


@dataclass(frozen=True, eq=False)
class Gpu:
    """Peak rates of a GPU, as the tables' project lists them.

    Attributes:
        name: The GPU's name.
        flops: Dense FLOP/s by unit: `bfloat16`, `fp8` and, where the GPU has it, `fp4`.
        memory_bytes_per_s: Rate of its memory.
        memory_share: Share of that rate which memory-bound kernels reach, an estimate of that project.
        launch_s: Fixed time of a memory-bound kernel, likewise.
        link_bytes_per_s: Rate of one direction of its NVLink.
        nccl_version: NCCL whose rows belong to it.
    """

    name: str
    flops: Mapping[str, float]
    memory_bytes_per_s: float
    memory_share: float
    launch_s: float
    link_bytes_per_s: float
    nccl_version: str

    def flops_of(self, dtype: str) -> float:
        """FLOP/s of products in a format.

        Raises:
            NotMeasuredError: The GPU has no such unit.
        """
        unit = _UNITS.get(dtype, "bfloat16")
        if unit not in self.flops:
            lacking = f"has no {unit} unit, which {dtype} needs"
            raise NotMeasuredError("compute.gpu", self.name, lacking, "choose another format")
        return self.flops[unit]


def gemm_roof(gpu: Gpu, dtype: str, rows: Size, outputs: Size, inputs: Size) -> Floats:
    """Seconds of a product of `rows` × `inputs` with `inputs` × `outputs`."""
    moved = BYTES[dtype] * (rows * outputs + rows * inputs + outputs * inputs)
    return _slower(2.0 * rows * outputs * inputs / gpu.flops_of(dtype), moved / gpu.memory_bytes_per_s)


def moe_roof(gpu: Gpu, dtype: str, tokens: Size, shape: tuple[int, int, int, int], ranks: int = 1) -> Floats:
    """Seconds of the routed experts of one rank.

    Args:
        gpu: Peak rates.
        dtype: Format of the weights.
        tokens: Tokens over all ranks.
        shape: Hidden and intermediate size, experts, experts of a token.
        ranks: Ranks that share the experts.
    """
    hidden, inner, experts, top_k = shape
    routed = np.asarray(np.rint(tokens), dtype=np.int64) * top_k
    flops = routed * hidden * inner * 6 // ranks
    rows = routed // ranks
    moved = 2 * rows * hidden + 3 * rows * inner + 3 * hidden * inner * np.minimum(experts // ranks, rows)
    return _slower(flops / gpu.flops_of(dtype), moved * BYTES[dtype] / gpu.memory_bytes_per_s)


def mla_roof(gpu: Gpu, cache: str, heads: Size, length: Size, batch: Size) -> Floats:
    """Seconds of latent attention in its expanded form, causal, with a cache in format `cache`."""
    flops = _MLA_WIDTH * heads * batch * length * length
    moved = batch * heads * length * _MLA_WIDTH * (BYTES[cache] + 2)
    return _slower(flops / gpu.flops_of("bfloat16"), moved / gpu.memory_bytes_per_s)


def gqa_roof(
    gpu: Gpu, dtypes: tuple[str, str], kind: tuple[int, int, int], heads: Size, length: Size, batch: Size
) -> Floats:
    """Seconds of attention with grouped queries, causal.

    Args:
        gpu: Peak rates.
        dtypes: Formats of the products and of the cache.
        kind: Key heads, width of a head, window (0: none).
        heads: Query heads.
        length: Tokens of a request.
        batch: Requests.
    """
    kv_heads, width, window = kind
    seen = np.where((window > 0) & (length > window), 2.0 * window, length)
    flops = 2.0 * batch * length * seen * heads * width
    moved = batch * length * width * (4 * heads + 2 * kv_heads * BYTES[dtypes[1]])
    return _slower(flops / gpu.flops_of(dtypes[0]), moved / gpu.memory_bytes_per_s)


def _slower(compute_s: Size, memory_s: Size) -> Floats:
    slower: Floats = np.maximum(compute_s, memory_s)
    return slower
