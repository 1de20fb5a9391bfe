"""Compute times of a model from measured kernels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import moe
from dwdp_sim.silicon.layer import layer_operations
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.silicon.tables import Tables
from dwdp_sim.steps.compute_times import LayerTimes
from dwdp_sim.steps.requests import Step

_KEPT = 65_536  # layers remembered: candidates of an advice compute the same steps hundreds of times
_ROUTER = "router"


@dataclass(frozen=True)
class SiliconTimes:
    """Compute times of a model from measured kernels; a `ComputeTimes`.

    Attributes:
        model: With its attention.
        gpu: Kind of GPU, as clusters name it.
        choices: Engine, kernels, load of the experts and formats.
        folder: Folder of the tables; None: those that ship with the project.
        rank_imbalance: Time of the rank with the most loaded experts ÷ the mean, where experts are spread over ranks.
    """

    model: MoEModel
    gpu: str
    choices: Choices
    folder: str | None = None
    rank_imbalance: float = 1.0

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
        kernels = self.choices.kernels(self.tables, self.gpu)
        return moe(kernels, self.model, mean, self.choices.kernel, self.choices.load, ranks=ranks).seconds

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
    )


@functools.lru_cache(maxsize=_KEPT)
def _dense_layer_s(times: SiliconTimes, step: Step, layer: int) -> float:
    return seconds_of(times.operations(step, layer)) if any(chunk.new_tokens for chunk in step) else 0.0


@functools.cache
def _tables(folder: str | None, gpu: str, backend: str, version: str | None) -> Tables:
    return Tables.presets() if folder is None else Tables.read(folder, gpu, backend, version)
