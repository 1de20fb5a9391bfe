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
    places = torch.arange(tokens * top_k, device=tools.device)

    def summed(found: Any, place: Any, shares: Any) -> Any:
        return (found[place].unflatten(0, (tokens, top_k)) * shares[..., None]).sum(1)

    add = tools.fused(summed)

    def run() -> None:
        shares = torch.softmax(torch.topk(at["logits"], top_k)[0], dim=-1)
        order = torch.argsort(chosen.flatten(), stable=True)
        place = torch.empty_like(order).scatter_(0, order, places)
        at["shares"] = shares
        at["routed"] = add(multiply(order), place, shares)

    return [Kernel(ROUTED, True, run)]


def feed_forward_kernels(tools: Tools, model: MoEModel, width: int, name: str, target: str) -> list[Kernel]:
    """A gated block on `normed`: the shared experts in the MoE block, or a dense layer's; nothing without a width."""
    torch, at, in_moe = tools.torch, tools.at, name == "shared"
    products = feed_forward_products(model, width, name)
    if not products:
        return []
    up, down = products

    gate = tools.fused(_gated(torch))

    def activate() -> None:
        at[f"{name} inner"] = gate(at[f"{name} up"])

    return [
        *tools.product(up, "normed", f"{name} up", in_moe),
        Kernel(f"{name} activation", in_moe, activate),
        *tools.product(down, f"{name} inner", target, in_moe),
    ]


def _gated(torch: Any, small: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
    """The activation of a gated block, in FP8 if `small` converts it."""

    def gated(both: Any) -> Any:
        opened, factor = both.chunk(2, -1)
        found = torch.nn.functional.silu(opened) * factor
        return found if small is None else small(found)

    return gated


def _dtype(model: MoEModel) -> str:
    return DTYPES[model.weight_format]


def _ends(tools: Tools, model: MoEModel, chosen: Any) -> Any:
    """Where each expert's rows end among the sorted ones."""
    torch = tools.torch
    if tools.device == "meta":
        return torch.zeros(model.num_experts, dtype=torch.int32, device="meta")
    return torch.bincount(chosen.flatten(), minlength=model.num_experts).cumsum(0).to(torch.int32)


def _multiply_bf16(tools: Tools, model: MoEModel, chosen: Any) -> Callable[[Any], Any]:
    """Both grouped products with the activation between them; takes the tokens' experts in the order of the experts."""
    torch, at, experts, top_k = tools.torch, tools.at, model.num_experts, model.top_k
    hidden, width = model.hidden_size, model.intermediate_size
    up = tools.random(experts, hidden, 2 * width, scale=hidden**-0.5)
    down = tools.random(experts, width, hidden, scale=width**-0.5)
    ends = _ends(tools, model, chosen)
    tools.weights["experts up"], tools.weights["experts down"] = (up, 1.0), (down, 1.0)

    gather = tools.fused(lambda values, order: values[order // top_k])
    gate = tools.fused(_gated(torch))

    def multiply(order: Any) -> Any:
        opened = torch._grouped_mm(gather(at["normed"], order), up, offs=ends)
        return torch._grouped_mm(gate(opened), down, offs=ends)

    return multiply


def _multiply_fp8(tools: Tools, model: MoEModel, chosen: Any) -> Callable[[Any], Any]:
    """The same in FP8: a scale for each row and each output, activations converted before each product."""
    torch, at, experts, top_k = tools.torch, tools.at, model.num_experts, model.top_k
    hidden, width, rows = model.hidden_size, model.intermediate_size, chosen.numel()
    up, down = (_small_experts(tools, experts, *shape) for shape in ((2 * width, hidden), (hidden, width)))
    up_scale, down_scale = tools.filled(hidden**-0.5, experts, 2 * width), tools.filled(width**-0.5, experts, hidden)
    ends, ones = _ends(tools, model, chosen), tools.filled(1.0, rows)
    tools.weights["experts up"] = (up.transpose(1, 2), hidden**-0.5)
    tools.weights["experts down"] = (down.transpose(1, 2), width**-0.5)

    def product(x: Any, weights: Any, scale: Any) -> Any:
        return torch._scaled_grouped_mm(x, weights.transpose(1, 2), ones, scale, offs=ends, out_dtype=torch.bfloat16)

    gather = tools.fused(lambda values, order: tools.small(values[order // top_k]))
    gate = tools.fused(_gated(torch, tools.small))

    def multiply(order: Any) -> Any:
        return product(gate(product(gather(at["normed"], order), up, up_scale)), down, down_scale)

    return multiply


def _small_experts(tools: Tools, experts: int, outputs: int, inputs: int) -> Any:
    """Random FP8 weights, shaped (experts, outputs, inputs); made one expert at a time, to save memory."""
    torch = tools.torch
    weights = torch.empty((experts, outputs, inputs), device=tools.device, dtype=torch.float8_e4m3fn)
    for expert in range(experts if tools.device != "meta" else 0):
        weights[expert] = tools.small(tools.random(outputs, inputs))
    return weights
