"""What paces a forward step besides its compute windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.steps.windows import LONGEST_S


@dataclass(frozen=True)
class Pace:
    """The slots, host and limits that pace a forward step besides its compute windows.

    Attributes:
        slots: Slots for prefetched layers; the prefetch of layer l + slots follows layer l's compute.
        launch_s: Host seconds to launch one layer's kernels; it is hidden, as all host time, where a stream is queued.
        ahead: Whether the host may be one step ahead of the GPU; otherwise it begins a step when the last one ended.
        carry_over: Whether the first layers of a step are prefetched as soon as the last layers of the step before have
            freed their slots; otherwise when the step begins, as TensorRT-LLM and sglang do. Weights do not depend on
            what a step computes, so nothing forbids it.
        interference: How many times as long compute takes while copies arrive in the same GPU.
        goes_on: Whether a rank that has finished its steps repeats them until every rank has finished, so that the last
            steps of slow ranks still meet traffic. False models a measurement of a single step, after which ranks stop.
    """

    slots: int = 2
    launch_s: float = 0.0
    ahead: bool = True
    carry_over: bool = False
    interference: float = 1.0
    goes_on: bool = True

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ConfigError("workload.slots", self.slots, "at least 1 slot is wanted")
        if not 0.0 <= self.launch_s <= LONGEST_S:
            raise ConfigError("workload.launch_s", self.launch_s, f"seconds from 0 to {LONGEST_S:g} are wanted")
        if not 1.0 <= self.interference < np.inf:
            raise ConfigError("compute.interference", self.interference, "a factor of at least 1 is wanted")
