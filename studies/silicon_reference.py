"""Ask aiconfigurator's own resolver for kernel times, as a reference for this project's interpolation.

Five GPUs and two engines, in and out of the tables' grids: dense products, routed experts, latent and grouped attention
with and without earlier context, NCCL, and the exchanges over NVLink. Needs aiconfigurator-core 0.12.0 and nothing of
this project; a reference that the wheel does not answer is left out.

Run: python studies/silicon_reference.py tests/dwdp_sim/silicon/reference_queries.json; writes one query a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiconfigurator_core.sdk.operations as ops  # type: ignore[import-not-found]
from aiconfigurator_core.sdk import common, perf_database  # type: ignore[import-not-found]
from aiconfigurator_core.sdk.engine import _evaluate_single_op  # type: ignore[import-not-found]

PLACES = (
    ("gb200", "trtllm", "1.3.0rc20"),
    ("gb300", "trtllm", "1.3.0rc20"),
    ("b200_sxm", "sglang", "0.5.14"),
    ("h200_sxm", "trtllm", "1.3.0rc20"),
    ("h100_sxm", "sglang", "0.5.14"),
)
PRODUCTS = (
    (29475, 2112, 7168),
    (29475, 24576, 1536),
    (14753, 7168, 16384),
    (50000, 7168, 2048),
    (16384, 5120, 2880),
    (29475, 36864, 7168),
    (777, 256, 7168),
)
EXPERTS = (
    (7168, 2048, 256, 8, "nvfp4"),
    (7168, 2048, 256, 8, "fp8_block"),
    (2880, 2880, 128, 4, "w4a8_mxfp4_mxfp8"),
    (2880, 2880, 128, 4, "w4a16_mxfp4"),
    (4096, 14336, 8, 2, "bfloat16"),
    (4096, 1536, 128, 8, "nvfp4"),
)
LOADS = ("balanced", "power_law_1.01", "power_law_1.2")
# Length of new tokens, requests, earlier tokens.
MODULE_STEPS = ((7369, 4, 0), (7369, 1, 0), (4096, 2, 12288), (32768, 2, 0), (16384, 1, 16384))
GROUPED = ((64, 8, 64, 0), (64, 8, 64, 128), (64, 4, 128, 0), (32, 8, 128, 0))
GROUPED_STEPS = ((4096, 4, 0), (7369, 2, 0), (10000, 3, 0), (16384, 1, 8192))
EXCHANGES = {
    "nvlink_one_sided": ("dispatch", "combine"),
    "nvlink_two_sided": ("prepare", "dispatch", "combine"),
}
GATHERED = 4 * 29475  # tokens of four ranks
TOKENS = 29475

Query = dict[str, Any]
Asked = tuple[Query, Any, dict[str, int]]  # with the operation of that project and its arguments


def products_and_experts() -> Iterator[Asked]:
    """Dense products and routed experts."""
    gemm, moe = common.GEMMQuantMode, common.MoEQuantMode
    for dtype in ("bfloat16", "nvfp4", "fp8_block"):
        for rows, outputs, inputs in PRODUCTS:
            asked = {"op": "gemm", "dtype": dtype, "rows": rows, "outputs": outputs, "inputs": inputs}
            yield asked, ops.GEMM("g", 1, outputs, inputs, gemm[dtype]), {"batch_size": 1, "s": 1, "x": rows}
    for *shape, dtype in EXPERTS:
        hidden, inner, experts, top_k = shape
        for tokens in (5000, 16384, TOKENS):
            for load in LOADS:
                op = ops.MoE("m", 1, hidden, inner, top_k, experts, 1, 1, moe[dtype], load, 1)
                asked = {"op": "moe", "dtype": dtype, "shape": shape, "load": load, "tokens": tokens}
                yield asked, op, {"batch_size": 1, "s": 1, "x": tokens}


def attention(backend: str) -> Iterator[Asked]:
    """Latent and grouped attention, and the whole block of latent attention, which TensorRT-LLM alone has."""
    gemm, cache, bf16 = common.GEMMQuantMode, common.KVCacheQuantMode, common.FMHAQuantMode["bfloat16"]
    for formats in (("nvfp4", "fp8"), ("bfloat16", "fp8"), ("fp8_block", "bfloat16")) if backend == "trtllm" else ():
        for heads, length, batch, prefix in (*((128, *step) for step in MODULE_STEPS), (64, 5000, 3, 0)):
            op = ops.MLAModule("x", 1, True, heads, cache[formats[1]], bf16, gemm[formats[0]], native_num_heads=heads)
            asked = {"op": "mla_module", "dtype": formats[0], "cache": formats[1], "heads": heads}
            yield asked | _step(length, batch, prefix), op, {"batch_size": batch, "s": length, "prefix": prefix}
    kept = "fp8" if backend == "trtllm" else "bfloat16"
    for length, batch, prefix in MODULE_STEPS[:4]:
        op = ops.ContextMLA("x", 1, 128, cache[kept], bf16)
        asked = {"op": "mla", "cache": kept, "heads": 128} | _step(length, batch, prefix)
        yield asked, op, {"batch_size": batch, "s": length, "prefix": prefix}
    for heads, kv_heads, width, window in GROUPED:
        for length, batch, prefix in GROUPED_STEPS:
            op = ops.ContextAttention(
                "x", 1, heads, kv_heads, cache["bfloat16"], bf16, window_size=window, head_size=width
            )
            asked = {"op": "gqa", "heads": heads, "kv_heads": kv_heads, "width": width, "window": window}
            yield asked | _step(length, batch, prefix), op, {"batch_size": batch, "s": length, "prefix": prefix}


def communication() -> Iterator[Asked]:
    """NCCL's collectives and the exchanges over NVLink."""
    for name in ("all_gather", "reduce_scatter"):
        asked = {"op": "nccl", "collective": name, "ranks": 4, "elements": GATHERED * 7168}
        yield (
            asked,
            ops.NCCL("n", 1, name, 7168, 4, common.CommQuantMode.half),
            {"batch_size": 1, "s": 1, "x": GATHERED},
        )
    for kernel, phases in EXCHANGES.items():
        for phase in phases:
            op = ops.MoEAllToAll(
                "a", 1, phase=phase, comm_backend=kernel, comm_dtype="nvfp4", hidden_size=7168, topk=8, num_experts=256,
                moe_ep_size=4, node_num=1,
            )  # fmt: skip
            yield (
                {"op": "a2a", "kernel": kernel, "phase": phase, "tokens": TOKENS},
                op,
                {"batch_size": 1, "s": 1, "x": TOKENS},
            )


def _step(length: int, batch: int, prefix: int) -> Query:
    return {"length": length, "batch": batch, "prefix": prefix}


def main(path: Path) -> None:
    """Write the answers."""
    lines = []
    for system, backend, version in PLACES:
        database = perf_database.get_database(system, backend, version)
        for asked, op, arguments in (*products_and_experts(), *attention(backend), *communication()):
            try:
                answer = float(_evaluate_single_op(database, op, is_context=True, **arguments))
            except Exception as error:  # every kind of missing row has an error of its own
                print("left out:", system, backend, asked, str(error)[:80])
                continue
            place = {"gpu": system.removesuffix("_sxm"), "backend": backend}
            lines.append(json.dumps(place | asked | {"seconds": answer / 1e3}))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(len(lines), "queries")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
