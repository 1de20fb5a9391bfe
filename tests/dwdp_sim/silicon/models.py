"""Models and chunks for the tests of measured kernels."""

from __future__ import annotations

import functools
from typing import NamedTuple

from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.tables import Kernels, Tables


class Chunk(NamedTuple):
    """A part of a request."""

    new_tokens: int
    context_tokens: int = 0


@functools.cache
def shipped(name: str) -> MoEModel:
    """A model of `conf/model`."""
    return build_model(preset(model=name).model)


def kernels(gpu: str = "gb200", backend: str = "trtllm") -> Kernels:
    """The shipped tables of a place."""
    return Tables.presets().on(gpu, backend)
