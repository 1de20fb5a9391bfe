"""Compute times of a model from measured kernels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.choices import AS_MODEL, Choices
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import moe
from dwdp_sim.silicon.layer import layer_operations
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.tables import Tables
from dwdp_sim.steps.compute_times import LayerTimes
from dwdp_sim.steps.requests import Step

_KEPT = 65_536  # layers remembered: candidates of an advice compute the same steps hundreds of times
_ROUTER = "router"
INSTALLED = "installed"  # in place of a folder


@dataclass(frozen=True)
class BesideCopies:
    """How many times as long kernels take while copies arrive, by what limits them.

    Attributes:
        power: Of attention, whose clock falls.
        product: Of matrix products.
        memory_taken: Share of the bytes of copies that memory-bound kernels lose, from 0 to 1.
    """

    power: float
    product: float
    memory_taken: float

    def slowdown(self, operation: Operation, gpu: Gpu) -> float:
        """The factor of one operation.

        A copy that arrives writes to memory at the rate of the link, and the peers' reads take as much again; a kernel
        that moves bytes itself gets the rest of the rate that such kernels reach.
        """
        if operation.bound == "memory":
            copied = 2.0 * gpu.link_bytes_per_s / (gpu.memory_share * gpu.memory_bytes_per_s)
            return 1.0 / (1.0 - self.memory_taken * copied)
        return self.power if operation.bound == "power" else self.product


@dataclass(frozen=True)
class SiliconTimes:
    """Compute times of a model from measured kernels; a `ComputeTimes`.

    Attributes:
        model: With its attention.
        gpu: Kind of GPU, as clusters name it.
        choices: Engine, kernels, load of the experts and formats.
        folder: Folder of the tables, or `installed` for those of the installed package; None: the project's own.
        rank_imbalance: Time of the rank with the most loaded experts ÷ the mean, where experts are spread over ranks.
        beside_copies: How many times as long kernels take while copies arrive; None: copies take nothing from them.
    """

    model: MoEModel
    gpu: str
    choices: Choices
    folder: str | None = None
    rank_imbalance: float = 1.0
    beside_copies: BesideCopies | None = None

    @property
    def tables(self) -> Tables:
        """The measured tables.

        Raises:
            ConfigError: They are missing, or lack the GPU or the engine.
        """
        return _tables(self.folder, self.gpu, self.choices.backend, self.choices.version)

    def operations(self, step: Step, layer: int) -> tuple[Operation, ...]:
        """Everything that runs in transformer layer `layer`, counted from 0, with what each time rests on.

        Raises:
            ConfigError: The tables do not cover it.
        """
        return layer_operations(self.model, self.tables, self.gpu, self.choices, step, layer)

    def layer(self, step: Step, layer: int) -> LayerTimes:
        """Time MoE layer `layer`, counted from 0 over all layers, under DWDP."""
        return _layer(self, step, layer)

    def dense_layer_s(self, step: Step, layer: int) -> float:
        """Time a layer without experts."""
        return _dense_layer_s(self, step, layer)

    def routed_share_s(self, tokens: Sequence[int]) -> float:
        """Time one rank's equal part of all ranks' routed experts under DEP."""
        ranks, mean = len(tokens), round(sum(tokens) / len(tokens))
        if not mean:
            return 0.0
        choices, dtype = self.choices, None if self.choices.experts == AS_MODEL else self.choices.experts
        kernels = choices.kernels(self.tables, self.gpu)
        return moe(kernels, self.model, mean, choices.kernel, choices.load, dtype, ranks).seconds

    def exchange_s(self, tokens: Sequence[int]) -> float:
        """Time both exchanges of a layer under DEP; the rank with most tokens sets the pace."""
        if len(tokens) == 1 or not any(tokens):
            return 0.0
        kernels = self.choices.kernels(self.tables, self.gpu)
        return all_to_all(kernels, self.model, max(tokens), len(tokens)).seconds


@functools.lru_cache(maxsize=_KEPT)
def _layer(times: SiliconTimes, step: Step, layer: int) -> LayerTimes:
    if not any(chunk.new_tokens for chunk in step):
        return LayerTimes(0.0, 0.0, 0.0, 0.0)
    found = times.operations(step, layer)
    before, block = ([one for one in found if one.in_moe is inside] for inside in (False, True))
    router = [one for one in before if one.name == _ROUTER]
    return LayerTimes(
        attention_s=seconds_of((one for one in before if one.name != _ROUTER), "attention", "dense"),
        router_s=seconds_of(router),
        routed_s=seconds_of(block, "grouped"),
        shared_s=seconds_of(block, "dense"),
        other_before_s=seconds_of(before, "other"),
        other_moe_s=seconds_of(block, "other"),
        before_slowdown=_slowdown(times, before),
        moe_slowdown=_slowdown(times, block),
    )


def _slowdown(times: SiliconTimes, operations: Sequence[Operation]) -> float:
    """The factor of operations together; a part of a layer is not told apart any further."""
    beside = times.beside_copies
    if beside is None or not operations:
        return 1.0
    gpu = times.choices.kernels(times.tables, times.gpu).gpu
    slower_s = sum(one.seconds * beside.slowdown(one, gpu) for one in operations)
    return max(slower_s / seconds_of(operations), 1.0)


@functools.lru_cache(maxsize=_KEPT)
def _dense_layer_s(times: SiliconTimes, step: Step, layer: int) -> float:
    return seconds_of(times.operations(step, layer)) if any(chunk.new_tokens for chunk in step) else 0.0


@functools.cache
def _tables(folder: str | None, gpu: str, backend: str, version: str | None) -> Tables:
    if folder is None:
        return Tables.presets()
    return Tables.read(None if folder == INSTALLED else folder, gpu, backend, version)
