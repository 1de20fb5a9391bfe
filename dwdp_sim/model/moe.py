"""The shape of a MoE model, and what one expert is made of: parameters, shapes, bytes."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.model.attention import Attention

KINDS = ("weight", "scale", "alpha", "bias")
MOST_LAYERS, MOST_EXPERTS, MOST_WIDTH = 10_000, 10**5, 10**6  # more is a typing error; bytes then fit in 64 bits
_BOUNDS = {
    "hidden_size": (1, MOST_WIDTH),
    "intermediate_size": (1, MOST_WIDTH),
    "num_experts": (1, MOST_EXPERTS),
    "top_k": (1, MOST_EXPERTS),
    "num_layers": (1, MOST_LAYERS),
    "num_moe_layers": (1, MOST_LAYERS),
    "dense_intermediate_size": (0, MOST_WIDTH),
    "shared_intermediate_size": (0, MOST_WIDTH),
}


@dataclass(frozen=True)
class Parameter:
    """One tensor of one expert.

    Attributes:
        name: TensorRT-LLM's name for it.
        kind: ``weight``, ``scale`` (block scales), ``alpha`` (a per-expert scalar) or ``bias``.
        shape: Elements as stored; 4-bit weights are packed two to a byte.
        item_bytes: Bytes of one stored element.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    item_bytes: int

    @property
    def bytes(self) -> int:
        """Bytes of this tensor for one expert."""
        size = self.item_bytes
        for extent in self.shape:
            size *= extent
        return size


@dataclass(frozen=True)
class MoEModel:
    """Shape of a mixture-of-experts model, as far as expert prefetch and the compute that hides it need it.

    Attributes:
        name: The name users select it by.
        hidden_size: Model width H.
        intermediate_size: Width I of one routed expert.
        num_experts: Routed experts E of a MoE layer.
        top_k: Experts a token is routed to.
        num_layers: Transformer layers, dense ones included.
        num_moe_layers: Layers with routed experts.
        weight_format: ``nvfp4``, ``mxfp4``, ``fp8_block`` or ``bf16``.
        expert_bias: Whether experts have biases (gpt-oss has).
        include: Kinds of parameters that count as part of an expert here.
        attention: Its attention; None where only the prefetch is of interest.
        dense_intermediate_size: Width of the feed-forward block of the layers without experts.
        shared_intermediate_size: Width of a layer's shared experts together; 0 without shared experts.
    """

    name: str
    hidden_size: int
    intermediate_size: int
    num_experts: int
    top_k: int
    num_layers: int
    num_moe_layers: int
    weight_format: str
    expert_bias: bool = False
    include: tuple[str, ...] = KINDS
    attention: Attention | None = None
    dense_intermediate_size: int = 0
    shared_intermediate_size: int = 0

    def __post_init__(self) -> None:
        for field, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, field) <= most:
                raise ConfigError(f"model.{field}", getattr(self, field), f"must be from {least} to {most}")
        if self.num_moe_layers > self.num_layers:
            raise ConfigError("model.num_moe_layers", self.num_moe_layers, f"at most num_layers={self.num_layers}")
        if not self.name.isprintable():
            raise ConfigError("model.name", self.name, "printable text on one line is wanted")
        if self.top_k > self.num_experts:
            raise ConfigError("model.top_k", self.top_k, f"at most num_experts={self.num_experts}")
        check_choice("model.format", self.weight_format, FORMATS)
        if self.attention and self.attention.weight_format not in FORMATS:
            key = "model.attention.format"
            raise ConfigError(key, self.attention.weight_format, f"allowed: {', '.join(FORMATS)}")
        unknown = [kind for kind in self.include if kind not in KINDS]
        if unknown or "weight" not in self.include:
            raise ConfigError("model.include", list(self.include), f"'weight' and any of {', '.join(KINDS[1:])}")
        block = FORMATS[self.weight_format]
        if block and (self.hidden_size % block or self.intermediate_size % block):
            raise ConfigError(
                "model.format",
                self.weight_format,
                f"needs hidden and intermediate sizes in multiples of {block}, "
                f"not {self.hidden_size} and {self.intermediate_size}",
            )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The tensors of one expert in the order in which TensorRT-LLM registers them."""
        return tuple(p for p in _all_parameters(self) if p.kind in self.include)

    @property
    def num_dense_layers(self) -> int:
        """Layers without experts; they are taken to come first."""
        return self.num_layers - self.num_moe_layers

    @property
    def expert_bytes(self) -> int:
        """Bytes of one expert in one layer."""
        return sum(p.bytes for p in self.parameters)


# Elements that one scale covers along a row, if rows must divide evenly; 0 if they need not.
FORMATS = {"nvfp4": 16, "mxfp4": 32, "fp8_block": 0, "bf16": 0}


def matrix_bytes(weight_format: str, rows: int, columns: int) -> int:
    """Bytes of a weight matrix with its block scales, as a product with it reads them."""
    if weight_format in ("nvfp4", "mxfp4"):
        return rows * (-(-columns // 2) + -(-columns // FORMATS[weight_format]))
    if weight_format == "fp8_block":
        return rows * columns + 4 * -(-rows // 128) * -(-columns // 128)
    return 2 * rows * columns


def _all_parameters(model: MoEModel) -> list[Parameter]:
    """Every tensor of an expert. w3_w1 is the fused gate and up projection, 2I × H; w2 the down projection, H × I."""
    hidden, inner = model.hidden_size, model.intermediate_size
    matrices = {"w3_w1_weight": (2 * inner, hidden), "w2_weight": (hidden, inner)}
    weights, scales, alphas = [], [], []
    for name, (rows, columns) in matrices.items():
        if model.weight_format in ("nvfp4", "mxfp4"):
            block = FORMATS[model.weight_format]
            weights.append(Parameter(name, "weight", (rows, columns // 2), 1))
            scales.append(Parameter(f"{name}_scale", "scale", (rows, columns // block), 1))
        elif model.weight_format == "fp8_block":  # one fp32 scale for each 128 × 128 block
            weights.append(Parameter(name, "weight", (rows, columns), 1))
            scales.append(Parameter(f"{name}_scale", "scale", (-(-rows // 128), -(-columns // 128)), 4))
        else:
            weights.append(Parameter(name, "weight", (rows, columns), 2))
    if model.weight_format == "nvfp4":  # one fp32 factor a projection
        alphas = [Parameter("fc31_alpha", "alpha", (1,), 4), Parameter("fc2_alpha", "alpha", (1,), 4)]
    biases = []
    if model.expert_bias:
        biases = [Parameter("w3_w1_bias", "bias", (2 * inner,), 2), Parameter("w2_bias", "bias", (hidden,), 2)]
    return weights + scales + alphas + biases


def attention_of(model: MoEModel) -> Attention:
    """Return the model's attention.

    Raises:
        ConfigError: The model does not describe it.
    """
    if model.attention is None:
        allowed = "compute times need kind, num_heads and widths of the attention"
        raise ConfigError("model.attention", "missing", allowed)
    return model.attention


def dense_width(model: MoEModel) -> int:
    """Return the width of the feed-forward block of layers without experts.

    Raises:
        ConfigError: The model does not say it.
    """
    if not model.dense_intermediate_size:
        allowed = f"a width is wanted: {model.num_dense_layers} of {model.num_layers} layers have no experts"
        raise ConfigError("model.dense_intermediate_size", 0, allowed)
    return model.dense_intermediate_size


def remote_ranks(ranks: int, top_k: int) -> float:
    """Other ranks that hold at least one of a token's experts, expected: (N − 1)·(1 − (1 − 1/N)^k).

    Each expert of a token is on each rank with equal chance, whatever the token's other experts.
    """
    return (ranks - 1) * (1.0 - (1.0 - 1.0 / ranks) ** top_k)
