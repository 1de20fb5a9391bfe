"""What the measured tables of two engines expect of the operations that torch's kernels compute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dwdp_hw.kernels.layer import PART_OF
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.kernel_time import least_sure
from dwdp_sim.silicon.layer import layer_operations
from dwdp_sim.silicon.operation import Operation, seconds_of
from dwdp_sim.silicon.tables import BACKENDS, Tables
from dwdp_sim.steps.requests import Step

LOAD, CACHE = "balanced", "bf16"  # torch's experts are loaded evenly, and attention is computed in BF16


@dataclass(frozen=True)
class ExpectedOperation:
    """One operation as an engine's tables have it.

    Attributes:
        seconds: The best estimate.
        how: What it rests on, as in `kernel_time.KernelTime`, of the least sure part.
        kernels: The tables' names of the kernels.
    """

    seconds: float
    how: str
    kernels: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """In microseconds."""
        return {"us": round(self.seconds * 1e6, 2), "how": self.how, "kernels": list(self.kernels)}


@dataclass(frozen=True)
class ExpectedLayer:
    """A layer as an engine's tables have it.

    Attributes:
        operations: By the names of torch's operations; empty where the tables lack the layer.
        before_s: The part before the MoE block; None where they lack it.
        moe_s: The MoE block.
        missing: Why they lack it.
    """

    operations: Mapping[str, ExpectedOperation]
    before_s: float | None
    moe_s: float | None
    missing: str | None = None


def choices_of(backend: str) -> Choices:
    """What torch's kernels correspond to among an engine's."""
    return Choices(backend=backend, load=LOAD, cache=CACHE)


def expected_layer(model: MoEModel, gpu: str, step: Step, *, dense: bool = False) -> dict[str, ExpectedLayer]:
    """Return what each engine's tables say of a layer, by engine."""
    return {backend: _expected(model, gpu, step, backend, 0 if dense else None) for backend in BACKENDS}


def _expected(model: MoEModel, gpu: str, step: Step, backend: str, layer: int | None) -> ExpectedLayer:
    try:
        found = layer_operations(model, Tables.presets(), gpu, choices_of(backend), step, layer)
    except ConfigError as error:
        return ExpectedLayer({}, None, None, str(error))
    groups: dict[str, list[Operation]] = {}
    for one in found:
        groups.setdefault(PART_OF.get(one.name, one.name), []).append(one)
    before, moe = (seconds_of(one for one in found if one.in_moe is inside) for inside in (False, True))
    return ExpectedLayer({name: _together(ones) for name, ones in groups.items()}, before, moe)


def _together(operations: Iterable[Operation]) -> ExpectedOperation:
    ones = list(operations)
    return ExpectedOperation(
        seconds=math.fsum(one.seconds for one in ones),
        how=least_sure(*(one.time.how for one in ones)),
        kernels=tuple(dict.fromkeys(one.time.kernel for one in ones)),
    )
