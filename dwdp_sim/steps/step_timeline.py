"""The timeline of forward steps: when each rank computed, waited and pulled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.timeline import LinkRates


@dataclass(frozen=True)
class StepTimeline:
    """The times of the counted steps, in seconds on one clock.

    Shapes are (ranks, iterations) for steps and (ranks, iterations, layers) for the rest. A prefetch's latency, from
    `prefetch_begin_s` to `prefetch_end_s`, is the sum of `own_engine_s`, `host_s`, `gap_s`, `transfer_s` and
    `contention_s`.

    Attributes:
        step_begin_s: When the step's first kernel ran.
        step_lead_end_s: When its dense layers ended.
        step_end_s: When its last layer's compute ended.
        launch_wait_s: Seconds for which compute could not go on because the host had not launched the layer.
        wait_begin_s: When a layer's compute came to need its experts, and had looked at the event that says so.
        moe_begin_s: When it had them: the difference is the bubble.
        moe_end_s: When the layer's MoE block ended and its slot was free.
        prefetch_begin_s: The later of: the host begins its first call, the slot is free.
        prefetch_end_s: Arrival of its last byte.
        own_engine_s: Seconds in which the rank's engine was still busy with an earlier layer.
        host_s, gap_s, transfer_s, contention_s: As in `SimulatedTimeline`.
        links: Rates in the time for which they were asked; None if they were not.
        lost_s: What prefetches lost to whom, as `fabric.blame.Blame` has it, each rank's prefetches one after another;
            None if it was not asked for.
    """

    step_begin_s: Floats
    step_lead_end_s: Floats
    step_end_s: Floats
    launch_wait_s: Floats
    wait_begin_s: Floats
    moe_begin_s: Floats
    moe_end_s: Floats
    prefetch_begin_s: Floats
    prefetch_end_s: Floats
    own_engine_s: Floats
    host_s: Floats
    gap_s: Floats
    transfer_s: Floats
    contention_s: Floats
    links: LinkRates | None = None
    lost_s: Floats | None = None

    @property
    def bubble_s(self) -> Floats:
        """Seconds for which each layer's compute waited for its experts."""
        return self.moe_begin_s - self.wait_begin_s

    @property
    def ready_s(self) -> Floats:
        """When each layer could have begun, launched or not: as the layer before it ended, or the lead."""
        return np.concatenate([self.step_lead_end_s[:, :, None], self.moe_end_s[:, :, :-1]], axis=2)

    @property
    def latency_s(self) -> Floats:
        """Prefetch latency of each layer."""
        return self.prefetch_end_s - self.prefetch_begin_s
