"""One operation of a layer: what it is, what a copy beside it takes away, how long it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from dwdp_sim.silicon.dense import split_gemm
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.products import Product
from dwdp_sim.silicon.tables import Kernels

Kind = Literal["attention", "dense", "grouped", "other", "communication"]
Bound = Literal["power", "memory", "neither"]
_BOUNDS: dict[Kind, Bound] = {
    "attention": "power",
    "dense": "neither",
    "grouped": "neither",
    "other": "memory",
    "communication": "neither",
}
_LEAST_S = 1e-9  # below it there is no kernel


@dataclass(frozen=True)
class Operation:
    """One kernel, or several of a kind, in the order in which they run.

    Attributes:
        name: What it computes.
        kind: `attention` (scores and values), `dense` (a product), `grouped` (routed experts), `communication`,
            `other`.
        in_moe: Whether it belongs to the MoE block, which needs the layer's experts, or comes before it.
        time: How long it runs.
    """

    name: str
    kind: Kind
    in_moe: bool
    time: KernelTime

    @property
    def bound(self) -> Bound:
        """What a copy beside it takes away: `power` (of the clock), `memory`, or `neither`."""
        return _BOUNDS[self.kind]

    @property
    def seconds(self) -> float:
        """The best estimate of its time."""
        return self.time.seconds

    def shortened(self, factor: float) -> Operation:
        """The same with a part of its time; the range still reaches to what it was."""
        return replace(self, time=self.time.scaled(factor).within(math.inf, self.time.high_s))


def seconds_of(operations: Iterable[Operation], *kinds: Kind) -> float:
    """Time of operations, of some kinds or of all."""
    return math.fsum(operation.seconds for operation in operations if not kinds or operation.kind in kinds)


def kept(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Those that take time."""
    return tuple(operation for operation in operations if operation.seconds >= _LEAST_S)


def product_operations(kernels: Kernels, product: Product, rows: int, in_moe: bool) -> tuple[Operation, Operation]:
    """The quantisation of a product's activations, then the product.

    Raises:
        ConfigError: The tables lack it.
    """
    whole, quantised = split_gemm(kernels, product.dtype, rows, product.outputs, product.inputs)
    return (
        Operation(f"quantisation for {product.name}", "other", in_moe, quantised),
        Operation(product.name, "dense", in_moe, whole),
    )
