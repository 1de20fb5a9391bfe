"""How long measured kernel tables take to load and to answer, in the rows and beyond.

Beside each stands its ratio to NumPy in the same run: reading the same arrays, and one interpolation in 100 points.

python benchmarks/silicon_queries.py [FOLDER]

FOLDER is a checkout or an unpacked wheel of aiconfigurator, whose full tables are read, too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.silicon.attention import gqa, mla
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.dense import gemm
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import moe
from dwdp_sim.silicon.layer import layer_operations
from dwdp_sim.silicon.preset_file import FILE, read_presets
from dwdp_sim.silicon.spread import fastest_and_slowest
from dwdp_sim.silicon.tables import Tables
from dwdp_sim.steps.requests import Chunk

QUERIES = 200


def per_query(ask: Callable[[int], object]) -> tuple[float, float]:
    """First and median seconds of a query; each asks for something else."""
    seconds = []
    for number in range(QUERIES):
        start = time.perf_counter()
        ask(number)
        seconds.append(time.perf_counter() - start)
    return seconds[0], median(seconds)


def main() -> None:
    start = time.perf_counter()
    read_presets(FILE)
    load_s = time.perf_counter() - start
    start = time.perf_counter()
    with np.load(FILE, allow_pickle=False) as arrays:
        _ = [arrays[name] for name in arrays]
    read_s = time.perf_counter() - start
    print(f"load of {FILE.stat().st_size / 1e3:.0f} kB: {load_s * 1e3:.0f} ms, {load_s / read_s:.1f} × NumPy's reading")
    points = np.arange(100.0)
    _, interp_s = per_query(lambda n: np.interp(n / 3, points, points))
    r1, qwen = (build_model(preset(model=name).model) for name in ("deepseek_r1_nvfp4", "qwen3_235b_nvfp4"))
    assert r1.attention is not None
    assert qwen.attention is not None
    latent, grouped = r1.attention, qwen.attention
    kernels = Tables.presets().on("gb200", "trtllm")
    queries: dict[str, Callable[[int], object]] = {
        "product, a measured matrix": lambda n: gemm(kernels, "nvfp4", 4500 + n, 7168, 2048),
        "product, an unknown matrix": lambda n: gemm(kernels, "nvfp4", 4500 + n, 24576, 1536),
        "product, beyond the rows": lambda n: gemm(kernels, "nvfp4", 50000 + n, 24576, 1536),
        "experts": lambda n: moe(kernels, r1, 9000 + n),
        "experts, beyond the rows": lambda n: moe(kernels, r1, 29000 + n),
        "latent attention": lambda n: mla(kernels, "fp8", latent, [Chunk(7000 + n)]),
        "latent attention, beyond the rows": lambda n: mla(kernels, "fp8", latent, [Chunk(70000 + n)]),
        "grouped attention": lambda n: gqa(kernels, "fp8", grouped, 0, [Chunk(7000 + n)]),
        "grouped attention, beyond the rows": lambda n: gqa(kernels, "fp8", grouped, 0, [Chunk(70000 + n)]),
        "exchange": lambda n: all_to_all(kernels, r1, 9000 + n, 4),
    }
    for name, ask in queries.items():
        first_s, median_s = per_query(ask)
        ratio = median_s / interp_s
        print(f"{name:38s} first {first_s * 1e3:6.2f} ms, median {median_s * 1e6:5.0f} µs, {ratio:4.0f} × np.interp")
    tables = Tables.presets()
    for count in (1, 4, 32):
        _, layer_s = per_query(
            lambda n, count=count: layer_operations(
                r1, tables, "gb200", Choices(), [Chunk(32768 // count - n - i) for i in range(count)]
            )
        )
        print(f"layer of {count:2d} requests: {layer_s * 1e3:.1f} ms")
    _, ends_s = per_query(lambda n: fastest_and_slowest(r1, tables, "gb200", Choices(), [Chunk(8000 + n)] * 4))
    print(f"fastest and slowest kernels of a layer: {ends_s * 1e3:.1f} ms")
    if len(sys.argv) > 1:
        start = time.perf_counter()
        full = Tables.read(sys.argv[1], "gb200", "trtllm")
        layer_operations(r1, full, "gb200", Choices(), [Chunk(8192)])
        print(f"full tables, read for a layer: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
