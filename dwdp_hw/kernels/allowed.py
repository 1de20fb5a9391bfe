"""Which layers torch's kernels can compute: formats, attention, requests."""

from __future__ import annotations

from collections.abc import Iterable

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.silicon.products import DTYPES
from dwdp_sim.steps.requests import Step

BF16, FP8 = "bfloat16", "fp8_block"  # the tables' names; torch's FP8 kernels have other scales than blocks
_EXPERTS = ("bf16", "fp8_block")


def refuse_model(model: MoEModel) -> None:
    """Refuse a model whose layers torch has no kernels for.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    attention = attention_of(model)
    if model.weight_format not in _EXPERTS:
        allowed = "torch has no grouped product of 4-bit experts here; kernels are measured in bf16 and fp8_block"
        raise ConfigError("model.format", model.weight_format, allowed)
    if DTYPES[attention.weight_format] not in (BF16, FP8):
        allowed = "torch's products are measured in bf16 and fp8_block"
        raise ConfigError("model.attention.format", attention.weight_format, allowed)
    if attention.sliding_window:
        allowed = "cuDNN's attention has no windows in torch; kernels are measured with sliding_window=0"
        raise ConfigError("model.attention.sliding_window", attention.sliding_window, allowed)
    narrow = {"model.hidden_size": model.hidden_size, "model.intermediate_size": model.intermediate_size}
    for key, width in narrow.items():
        if width % 16:
            raise ConfigError(key, width, "torch's grouped products want multiples of 16")


def refuse_steps(steps: Iterable[Step], max_num_tokens: int) -> None:
    """Refuse steps with a chunk that reads earlier tokens of its request.

    Raises:
        ConfigError: There is one.
    """
    for chunk in (chunk for step in steps for chunk in step):
        if chunk.context_tokens:
            whole = chunk.context_tokens + chunk.new_tokens
            allowed = f"a request of {whole} tokens or more is cut; kernels are measured for whole requests, uncut"
            raise ConfigError("workload.max_num_tokens", max_num_tokens, allowed)


def lengths_of(step: Step) -> tuple[int, ...]:
    """The lengths of a step's requests, the longest first: their order does not matter to the kernels."""
    return tuple(sorted((chunk.new_tokens for chunk in step), reverse=True))
