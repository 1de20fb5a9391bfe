"""What the kernels of a layer are built with: torch, a device, random weights, and products in two formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dwdp_hw.kernels.allowed import BF16
from dwdp_sim.silicon.products import Product


@dataclass(frozen=True)
class Kernel:
    """What runs for one operation of a layer; it may be several kernels of the GPU.

    Attributes:
        name: The operation's, as in `dwdp_sim.silicon.layer`.
        in_moe: Whether it belongs to the MoE block, which needs the layer's experts.
        run: Launches it on torch's current stream.
    """

    name: str
    in_moe: bool
    run: Callable[[], None]


class Tools:
    """Torch on a device, with the weights and activations of one layer.

    Attributes:
        torch: The module.
        device: `cuda`, `cpu`, or `meta`, where nothing is computed.
        at: Activations by name; each kernel reads some and writes others, and all stay, so that any can run again.
        weights: By name, as they are multiplied, with the factor that the products of FP8 apply.
    """

    def __init__(self, torch: Any, device: str, seed: int = 0) -> None:
        self.torch, self.device = torch, device
        self.at: dict[str, Any] = {}
        self.weights: dict[str, tuple[Any, float]] = {}
        self._generator = None if device == "meta" else torch.Generator(device=device).manual_seed(seed)

    def random(self, *shape: int, scale: float = 1.0) -> Any:
        """Normal random numbers in BF16."""
        torch = self.torch
        values = torch.randn(shape, device=self.device, dtype=torch.bfloat16, generator=self._generator)
        return values if scale == 1.0 else values.mul_(scale)

    def filled(self, value: float, *shape: int) -> Any:
        """One number in float32, as scales are."""
        return self.torch.full(shape, value, device=self.device, dtype=self.torch.float32)

    def small(self, values: Any) -> Any:
        """Values in FP8 (e4m3), without a scale."""
        return values.to(self.torch.float8_e4m3fn)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of elementwise operations as one kernel, as engines have it: compiled for the GPU, for one shape.

        Elsewhere it is the function itself.
        """
        if self.device != "cuda":
            return function
        compiled: Callable[..., Any] = self.torch.compile(function, dynamic=False)
        return compiled

    def norm(self, values: Any) -> Any:
        """Root mean square norm of each row."""
        return self.torch.nn.functional.rms_norm(values, (values.shape[-1],))

    def product(self, product: Product, source: str, target: str, in_moe: bool = False) -> list[Kernel]:
        """A product with the layout of a linear layer; in FP8 behind the quantisation of its activations.

        FP8 has one scale a tensor, known beforehand: quantising is a conversion.
        """
        torch, at, name = self.torch, self.at, product.name
        scale = float(product.inputs) ** -0.5
        if product.dtype == BF16:
            weight = self.random(product.outputs, product.inputs, scale=scale)
            self.weights[name] = (weight, 1.0)

            def multiply() -> None:
                at[target] = torch.nn.functional.linear(at[source], weight)

            return [Kernel(name, in_moe, multiply)]
        small = self.small(self.random(product.outputs, product.inputs))
        self.weights[name] = (small, scale)
        columns, one, factor = small.t(), self.filled(1.0), self.filled(scale)

        def quantise() -> None:
            at[f"{name}, small"] = self.small(at[source])

        def multiply_small() -> None:
            at[target] = torch._scaled_mm(at[f"{name}, small"], columns, one, factor, out_dtype=torch.bfloat16)

        return [Kernel(f"quantisation for {name}", in_moe, quantise), Kernel(name, in_moe, multiply_small)]
