"""Times of dense products and of memory-bound kernels."""

from __future__ import annotations

import functools

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.silicon.curves import Curve, Sites
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.roofs import BYTES, Gpu, Size, gemm_roof
from dwdp_sim.silicon.table import Table
from dwdp_sim.silicon.tables import Kernels

_ACTIVATION_BYTES = 2  # BF16


@functools.lru_cache(maxsize=4096)  # dense and MoE layers of a step ask for the same products
def gemm(kernels: Kernels, dtype: str, rows: int, outputs: int, inputs: int) -> KernelTime:
    """Time of a product of BF16 activations with weights, the quantisation of the activations included.

    A matrix that was not measured takes what its up to four nearest reach of their roofs.

    Args:
        kernels: GPU and engine.
        dtype: Format of the weights in the tables.
        rows: Rows of activations.
        outputs: Outputs of the matrix.
        inputs: Inputs of the matrix.

    Raises:
        ConfigError: The format was not measured, or no matrix within two octaves.
    """

    table = kernels.need("gemm", dtype)[0]
    read = _sites(table, kernels.gpu).read(rows, (outputs, inputs))
    if read is None:
        kernels.refuse("gemm", f"about {outputs} × {inputs} in {dtype}")
    return KernelTime.of(read, table.source)


def quantising(kernels: Kernels, dtype: str, rows: int, inputs: int) -> KernelTime:
    """The part of `gemm` that quantises its activations, by the formula of `memory_bound`; nothing in BF16."""
    if dtype == "bfloat16":
        return memory_bound(kernels.gpu, 0)
    return memory_bound(kernels.gpu, rows * inputs * (_ACTIVATION_BYTES + BYTES[dtype]))


def split_gemm(kernels: Kernels, dtype: str, rows: int, outputs: int, inputs: int) -> tuple[KernelTime, KernelTime]:
    """Time of `gemm` in two parts: the product, and the quantisation of its activations."""
    whole = gemm(kernels, dtype, rows, outputs, inputs)
    quantised = quantising(kernels, dtype, rows, inputs)
    share = min(quantised.seconds / whole.seconds, 1.0)
    return whole.scaled(1 - share), quantised.scaled(share * whole.seconds / quantised.seconds if share else 0.0)


def memory_bound(gpu: Gpu, moved_bytes: float) -> KernelTime:
    """Time of a kernel that only moves bytes: bytes ÷ (0.8 · memory rate) + 3 µs, or nothing without bytes.

    The formula is that of the aiconfigurator project; no rows stand behind it. The range begins at the peak rate.
    """
    peak_s = moved_bytes / gpu.memory_bytes_per_s
    seconds = peak_s / gpu.memory_share + gpu.launch_s if moved_bytes else 0.0
    return KernelTime(seconds, peak_s, seconds, "formula", "", "memory-bound", "", "formula", 1.0)


@functools.cache
def _sites(table: Table, gpu: Gpu) -> Sites:
    """The products of a table; rows below the roof are raised to it."""

    def roof(rows: Size, outputs: Size, inputs: Size) -> Floats:
        return gemm_roof(gpu, table.source.dtype, rows, outputs, inputs)

    curves = {
        (shape[0], shape[1]): Curve(curve.x, np.maximum(curve.seconds, roof(curve.x, shape[0], shape[1])))
        for shape, curve in table.curves.items()
    }
    return Sites(curves, roof)
