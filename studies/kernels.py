"""Whether kernels of torch on one GPU take what the measured tables say: products, attention, routed experts.

Products in BF16 and, quantising included, in FP8; causal attention of cuDNN; evenly loaded routed experts in BF16, from
the choice of the experts to the sum of their outputs. Inputs are random. The tables hold kernels of two engines: each
time stands beside two expectations, and nothing is fitted.

    python studies/kernels.py expect h200 measurements/predictions/h200_kernels.json
    python studies/kernels.py measure measurements/h200_kernels.json      (needs one GPU and torch, half a minute)
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.silicon.attention import gqa, mla
from dwdp_sim.silicon.dense import gemm
from dwdp_sim.silicon.experts import moe
from dwdp_sim.silicon.products import attention_products, router_product
from dwdp_sim.silicon.tables import BACKENDS, Kernels, Tables
from dwdp_sim.steps.requests import Chunk

MODELS = ("deepseek_r1_fp8", "qwen3_235b_nvfp4", "mixtral_8x7b_bf16")
TOKENS = (4096, 16384)
REQUESTS = ((4096, 4), (8192, 2), (16384, 1))  # length, number
WARMUPS, REPEATS = 5, 20


@dataclass(frozen=True)
class Case:
    """One kernel to time.

    Attributes:
        name: Unique.
        model: Whose shape it has.
        kind: `product`, `attention` or `experts`.
        dtype: `bf16` or `fp8`.
        tokens: Rows of activations.
        shape: Outputs and inputs of a product; length and number of requests.
    """

    name: str
    model: str
    kind: str
    dtype: str
    tokens: int
    shape: tuple[int, int] = (0, 0)


def cases() -> Iterator[Case]:
    """Every case, in order."""
    for name in MODELS:
        model = shipped(name)
        for product in (*attention_products(attention_of(model), model.hidden_size, "bfloat16"), router_product(model)):
            shape = (product.outputs, product.inputs)
            for dtype in ("bf16",) if product.name == "router" else ("bf16", "fp8"):
                for tokens in TOKENS:
                    yield Case(f"{name} {product.name} {dtype} {tokens}", name, "product", dtype, tokens, shape)
        for length, count in REQUESTS:
            yield Case(
                f"{name} attention {count} x {length}", name, "attention", "bf16", length * count, (length, count)
            )
    for tokens in TOKENS:
        yield Case(f"{MODELS[-1]} experts {tokens}", MODELS[-1], "experts", "bf16", tokens)


def shipped(name: str) -> MoEModel:
    """A model of `conf/model`."""
    return build_model(preset(model=name).model)


def expected_s(case: Case, kernels: Kernels) -> float | None:
    """What the tables say; None where they have no such kernel."""
    model = shipped(case.model)
    try:
        if case.kind == "product":
            dtype = "bfloat16" if case.dtype == "bf16" else "fp8_block"
            return gemm(kernels, dtype, case.tokens, *case.shape).seconds
        if case.kind == "experts":
            return moe(kernels, model, case.tokens, load="balanced").seconds
        attention, (length, count) = attention_of(model), case.shape
        chunks = [Chunk(length)] * count
        if attention.kind == "mla":
            return mla(kernels, "bf16", attention, chunks).seconds
        return gqa(kernels, "bf16", attention, 0, chunks).seconds
    except ConfigError:
        return None


def expect(gpu: str, path: Path) -> None:
    """Write what each engine's tables say of each case."""
    places = {backend: Tables.presets().on(gpu, backend) for backend in BACKENDS}
    rows = []
    for case in cases():
        found = {backend: expected_s(case, kernels) for backend, kernels in places.items()}
        rows.append(
            {"case": case.name} | {f"{b}_us": None if s is None else round(s * 1e6, 2) for b, s in found.items()}
        )
    write(path, {"gpu": gpu, "tables": Tables.presets().origin, "rows": rows})


def measure(path: Path) -> None:
    """Time every case on this machine's first GPU."""
    import torch  # noqa: PLC0415  # only here; `expect` runs anywhere

    rows = []
    for case in cases():
        times_us = timed_us(torch, kernel(torch, case))
        ends = {"median_us": statistics.median(times_us), "min_us": min(times_us), "max_us": max(times_us)}
        rows.append({"case": case.name} | {name: round(value, 2) for name, value in ends.items()})
        sys.stdout.write(f"{case.name}: {ends['median_us']:.0f} µs\n")
    machine = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda}
    write(path, {"machine": machine, "method": f"between two events, {REPEATS} runs after {WARMUPS}", "rows": rows})


def timed_us(torch: Any, run: Callable[[], object]) -> list[float]:
    """Microseconds of each run."""
    for _ in range(WARMUPS):
        run()
    times = []
    for _ in range(REPEATS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(1e3 * begin.elapsed_time(end))
    return times


def kernel(torch: Any, case: Case) -> Callable[[], object]:
    """What to run."""
    if case.kind == "product":
        return product_kernel(torch, case)
    return attention_kernel(torch, case) if case.kind == "attention" else experts_kernel(torch, case)


def product_kernel(torch: Any, case: Case) -> Callable[[], object]:
    """A product with the layout of a linear layer; in FP8 with one scale a tensor."""
    outputs, inputs = case.shape
    x = torch.randn(case.tokens, inputs, device="cuda", dtype=torch.bfloat16)
    weight = torch.randn(outputs, inputs, device="cuda", dtype=torch.bfloat16)
    if case.dtype == "bf16":
        return lambda: torch.nn.functional.linear(x, weight)
    small, one = weight.to(torch.float8_e4m3fn).t(), torch.tensor(1.0, device="cuda")
    return lambda: torch._scaled_mm(x.to(torch.float8_e4m3fn), small, one, one, out_dtype=torch.bfloat16)


def attention_kernel(torch: Any, case: Case) -> Callable[[], object]:
    """Causal attention of equal requests by cuDNN."""
    from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: PLC0415

    attention, (length, count) = attention_of(shipped(case.model)), case.shape
    keys = attention.num_heads if attention.kind == "mla" else attention.num_kv_heads
    width = attention.qk_nope_head_dim + attention.qk_rope_head_dim if attention.kind == "mla" else attention.head_dim
    values = attention.v_head_dim if attention.kind == "mla" else attention.head_dim
    q, k, v = (
        torch.randn(count, heads, length, size, device="cuda", dtype=torch.bfloat16)
        for heads, size in ((attention.num_heads, width), (keys, width), (keys, values))
    )

    def run() -> object:
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=keys < attention.num_heads
            )

    return run


def experts_kernel(torch: Any, case: Case) -> Callable[[], object]:
    """Choice of the experts, both grouped products with the activation between them, and the weighted sum."""
    model, tokens = shipped(case.model), case.tokens
    experts, top_k, hidden, width = model.num_experts, model.top_k, model.hidden_size, model.intermediate_size
    x, gate, up, down = (
        torch.randn(*shape, device="cuda", dtype=torch.bfloat16)
        for shape in ((tokens, hidden), (experts, hidden), (experts, hidden, 2 * width), (experts, width, hidden))
    )
    chosen = (torch.arange(tokens * top_k, device="cuda") % experts).reshape(tokens, top_k)  # evenly loaded
    ends = torch.bincount(chosen.flatten(), minlength=experts).cumsum(0).to(torch.int32)

    def run() -> object:
        weights = torch.topk(torch.nn.functional.linear(x, gate), top_k)[0].flatten()
        order = torch.argsort(chosen.flatten(), stable=True)
        token = order // top_k
        opened, gated = torch._grouped_mm(x[token], up, offs=ends).chunk(2, -1)
        found = torch._grouped_mm(torch.nn.functional.silu(opened) * gated, down, offs=ends)
        return torch.zeros_like(x).index_add_(0, token, found * weights[order][:, None])

    return run


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole, a row a line."""
    text = json_rows(content, levels=2)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    if sys.argv[1] == "expect":
        expect(sys.argv[2], Path(sys.argv[3]))
    else:
        measure(Path(sys.argv[2]))
