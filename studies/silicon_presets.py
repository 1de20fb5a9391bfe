"""Make the measured kernel tables that ship with the project: an extract of aiconfigurator-core's for the project's
models.

Kept are, for each model of `conf/model`, five GPUs and two engines: routed experts of its shape (or, where that was not
measured, of the four nearest) on up to eight ranks, on Hopper in FP8 where the weights are NVFP4; attention with head
counts within an octave of its own; dense products of its widths (or the eight nearest) in three formats; exchanges on
up to 16 ranks over NVLink; and NCCL's gathers and scatters. The same wheel makes the same bytes.

Run: python studies/silicon_presets.py WHEEL; writes dwdp_sim/silicon/presets.npz. WHEEL is
aiconfigurator_core-0.12.0-*.whl (pip download --no-deps aiconfigurator-core==0.12.0); a second argument names a folder
where it lies unpacked.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.checkout import Checkout, find_systems
from dwdp_sim.silicon.experts import EXPERT_DTYPES, moe_shape
from dwdp_sim.silicon.preset_file import FILE, write_presets
from dwdp_sim.silicon.products import DTYPES, dense_products
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.table import NCCL, Table
from dwdp_sim.silicon.tables import BACKENDS

GPUS = ("gb200", "gb300", "b200", "h200", "h100")
NEAREST_SHAPES, NEAREST_SITES = 4, 8  # more sites than are interpolated, since some of them were measured for few rows
MOST_EXPERT_RANKS, MOST_EXCHANGE_RANKS = 8, 16
COLLECTIVES = ("all_gather", "reduce_scatter")
# GPUs without NVFP4, and the format that models with such weights are run in there.
WITHOUT_NVFP4 = (("h200", "fp8_block"), ("h100", "fp8_block"))
NVLINK = "NVLink"  # begins the names of the exchange kernels that are kept

Shape = tuple[int, ...]


def shipped_models() -> list[MoEModel]:
    """The models of `conf/model`."""
    names = sorted(file.stem for file in (config_dir() / "model").glob("*.yaml"))
    return [build_model(preset(model=name).model) for name in names if name != "hf"]


def nearest(shapes: Iterable[Shape], wanted: Shape, count: int) -> list[Shape]:
    """The nearest shapes in logarithmic distance, ties in the order of the table."""
    return sorted(shapes, key=lambda shape: float((np.log2(np.divide(shape, wanted)) ** 2).sum()))[:count]


def kept_experts(table: Table, models: Sequence[MoEModel]) -> set[Shape]:
    """Shapes with ranks of the routed experts."""
    few = [shape for shape in table.curves if shape[4] <= MOST_EXPERT_RANKS]
    shapes = {shape[:4] for shape in few if shape[4] == 1}
    kept: set[Shape] = set()
    for model in models:
        wanted = moe_shape(model)
        same = [shape for shape in few if shape[:4] == wanted]
        if model.weight_format == "nvfp4" and (table.source.gpu, table.source.dtype) in WITHOUT_NVFP4:
            kept |= set(same)
        if table.source.dtype not in EXPERT_DTYPES[model.weight_format]:
            continue
        kept |= set(same) or {(*shape, 1) for shape in nearest(sorted(shapes), wanted, NEAREST_SHAPES)}
    return kept


def kept_heads(counts: set[int], wanted: int) -> set[int]:
    """Head counts within an octave; beyond the rows, those of other head counts count as well."""
    return {count for count in counts if wanted / 2 <= count <= wanted * 2}


def kept_attention(table: Table, models: Sequence[MoEModel]) -> set[Shape]:
    """Shapes of attention; grouped attention that computes in another format than that of its cache is not asked
    for."""
    kept: set[Shape] = set()
    if table.source.op == "gqa" and table.source.dtype != table.source.detail:
        return kept
    for attention in (model.attention for model in models if model.attention):
        if (attention.kind == "gqa") != (table.source.op == "gqa"):
            continue
        windows = {attention.window(layer) for layer in range(2)}
        kinds = (
            [()]
            if attention.kind == "mla"
            else [(attention.num_kv_heads, attention.head_dim, window) for window in sorted(windows)]
        )
        for kind in kinds:
            same = [shape for shape in table.curves if shape[: len(kind)] == kind]
            heads = kept_heads({shape[-2] for shape in same}, attention.num_heads)
            kept |= {shape for shape in same if shape[-2] in heads}
    return kept


def kept_products(table: Table, models: Sequence[MoEModel]) -> set[Shape]:
    """Widths of the dense products."""
    kept: set[Shape] = set()
    for model in models:
        for product in dense_products(model):
            wanted = (product.outputs, product.inputs)
            kept |= {wanted} if wanted in table.curves else set(nearest(table.curves, wanted, NEAREST_SITES))
    return kept


def kept_shapes(table: Table, models: Sequence[MoEModel]) -> set[Shape]:
    """What is kept of a table."""
    source = table.source
    if source.op == "moe":
        return kept_experts(table, models)
    if source.op == "gemm":
        return kept_products(table, models) if source.dtype in DTYPES.values() else set()
    if source.op == "a2a":
        few = {shape for shape in table.curves if shape[3] <= MOST_EXCHANGE_RANKS}
        return few if source.kernel.startswith(NVLINK) else set()
    if source.op == NCCL:
        return set(table.curves) if source.detail in COLLECTIVES and source.dtype == "half" else set()
    return kept_attention(table, models)


def extract(checkout: Checkout, gpus: Sequence[Gpu], models: Sequence[MoEModel]) -> Iterator[Table]:
    """What is kept of all tables, curves in their order."""
    for gpu in gpus:
        for backend in (*BACKENDS, NCCL):
            for op in ("gemm", "moe", "mla", "mla_module", "gqa", "a2a") if backend != NCCL else (NCCL,):
                for table in checkout.tables(op, gpu, backend):
                    kept = kept_shapes(table, models)
                    if kept:
                        curves = {shape: curve for shape, curve in table.curves.items() if shape in kept}
                        yield Table(table.source, curves)


def main(wheel: Path, unpacked: Path | None = None) -> None:
    """Write the file from a wheel."""
    with tempfile.TemporaryDirectory() as scratch:
        if unpacked is None:
            zipfile.ZipFile(wheel).extractall(scratch)
        checkout = Checkout(find_systems(str(unpacked or scratch)))
        gpus = [checkout.gpus()[name] for name in GPUS]
        tables = list(extract(checkout, gpus, shipped_models()))
    version = wheel.name.split("-")[1]
    about = {
        "origin": f"extract of aiconfigurator-core {version}",
        "attribution": "Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES, aiconfigurator, Apache-2.0; "
        "an extract in another layout, times rounded to float32",
        "wheel": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }
    write_presets(FILE, tables, gpus, about)
    rows = sum(len(curve.x) for table in tables for curve in table.curves.values())
    curves = sum(len(table.curves) for table in tables)
    print(f"{FILE}: {len(tables)} tables, {curves} curves, {rows} rows, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
