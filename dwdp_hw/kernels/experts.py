"""Feed-forward blocks of a layer in torch: evenly loaded routed experts, shared experts, dense layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dwdp_hw.kernels.allowed import BF16
from dwdp_hw.kernels.tools import Kernel, Tools
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.products import DTYPES, feed_forward_products

ROUTED = "routed experts"


def routed_kernels(tools: Tools, model: MoEModel, tokens: int) -> list[Kernel]:
    """From the router's `logits` and the block's input `normed` to the sum of each token's experts, `routed`.

    The best experts are chosen from the logits, but the tokens then go to experts in turn: all are loaded evenly.
    """
    torch, at, top_k = tools.torch, tools.at, model.top_k
    chosen = (torch.arange(tokens * top_k, device=tools.device) % model.num_experts).reshape(tokens, top_k)
    at["chosen"] = chosen
    multiply = _multiply_bf16(tools, model, chosen) if _dtype(model) == BF16 else _multiply_fp8(tools, model, chosen)

    def run() -> None:
        shares = torch.softmax(torch.topk(at["logits"], top_k)[0], dim=-1).flatten()
        order = torch.argsort(chosen.flatten(), stable=True)
        token = order // top_k
        found = multiply(token)
        at["shares"] = shares
        at["routed"] = torch.zeros_like(at["normed"]).index_add_(0, token, found * shares[order][:, None])

    return [Kernel(ROUTED, True, run)]


def feed_forward_kernels(tools: Tools, model: MoEModel, width: int, name: str, target: str) -> list[Kernel]:
    """A gated block on `normed`: the shared experts in the MoE block, or a dense layer's; nothing without a width."""
    torch, at, in_moe = tools.torch, tools.at, name == "shared"
    products = feed_forward_products(model, width, name)
    if not products:
        return []
    up, down = products

    def activate() -> None:
        opened, gated = at[f"{name} up"].chunk(2, -1)
        at[f"{name} inner"] = torch.nn.functional.silu(opened) * gated

    return [
        *tools.product(up, "normed", f"{name} up", in_moe),
        Kernel(f"{name} activation", in_moe, activate),
        *tools.product(down, f"{name} inner", target, in_moe),
    ]


def _dtype(model: MoEModel) -> str:
    return DTYPES[model.weight_format]


def _ends(tools: Tools, model: MoEModel, chosen: Any) -> Any:
    """Where each expert's rows end among the sorted ones."""
    torch = tools.torch
    if tools.device == "meta":
        return torch.zeros(model.num_experts, dtype=torch.int32, device="meta")
    return torch.bincount(chosen.flatten(), minlength=model.num_experts).cumsum(0).to(torch.int32)


def _multiply_bf16(tools: Tools, model: MoEModel, chosen: Any) -> Callable[[Any], Any]:
    """Both grouped products with the activation between them, on the rows of `normed` that are asked for."""
    torch, at, experts = tools.torch, tools.at, model.num_experts
    hidden, width = model.hidden_size, model.intermediate_size
    up = tools.random(experts, hidden, 2 * width, scale=hidden**-0.5)
    down = tools.random(experts, width, hidden, scale=width**-0.5)
    ends = _ends(tools, model, chosen)
    tools.weights["experts up"], tools.weights["experts down"] = (up, 1.0), (down, 1.0)

    def multiply(token: Any) -> Any:
        opened, gated = torch._grouped_mm(at["normed"][token], up, offs=ends).chunk(2, -1)
        return torch._grouped_mm(torch.nn.functional.silu(opened) * gated, down, offs=ends)

    return multiply


def _multiply_fp8(tools: Tools, model: MoEModel, chosen: Any) -> Callable[[Any], Any]:
    """The same in FP8: a scale for each row and each output, activations converted before each product."""
    torch, at, experts = tools.torch, tools.at, model.num_experts
    hidden, width, rows = model.hidden_size, model.intermediate_size, chosen.numel()
    up, down = (_small_experts(tools, experts, *shape) for shape in ((2 * width, hidden), (hidden, width)))
    up_scale, down_scale = tools.filled(hidden**-0.5, experts, 2 * width), tools.filled(width**-0.5, experts, hidden)
    ends, ones = _ends(tools, model, chosen), tools.filled(1.0, rows)
    tools.weights["experts up"] = (up.transpose(1, 2), hidden**-0.5)
    tools.weights["experts down"] = (down.transpose(1, 2), width**-0.5)

    def product(x: Any, weights: Any, scale: Any) -> Any:
        return torch._scaled_grouped_mm(x, weights.transpose(1, 2), ones, scale, offs=ends, out_dtype=torch.bfloat16)

    def multiply(token: Any) -> Any:
        small = tools.small(at["normed"]).view(torch.uint8)[token].view(torch.float8_e4m3fn)
        opened, gated = product(small, up, up_scale).chunk(2, -1)
        return product(tools.small(torch.nn.functional.silu(opened) * gated), down, down_scale)

    return multiply


def _small_experts(tools: Tools, experts: int, outputs: int, inputs: int) -> Any:
    """Random FP8 weights, shaped (experts, outputs, inputs); made one expert at a time, to save memory."""
    torch = tools.torch
    weights = torch.empty((experts, outputs, inputs), device=tools.device, dtype=torch.float8_e4m3fn)
    for expert in range(experts if tools.device != "meta" else 0):
        weights[expert] = tools.small(tools.random(outputs, inputs))
    return weights
