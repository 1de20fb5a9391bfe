"""What the compiled engine needs to know of forward steps."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.arrays import Floats


@dataclass(frozen=True)
class StepInput:
    """Compute windows, slots and hosts of forward steps; a rank is the stream of the same number.

    Attributes:
        start_s: When each rank's first step begins, shape (ranks,).
        lead_s: As in `steps.windows.StepWindows`, shape (ranks, iterations).
        before_s, moe_s: The same, shape (ranks, iterations, layers).
        lost_lead, lost_before, lost_moe: The share of the compute time that is lost while bytes arrive.
        slots: Slots for prefetched layers, at most as many as there are layers.
        launch_s, ahead, carry_over, goes_on: As in `steps.simulate_steps.Pace`.
    """

    start_s: Floats
    lead_s: Floats
    before_s: Floats
    moe_s: Floats
    lost_lead: float
    lost_before: Floats
    lost_moe: Floats
    slots: int
    launch_s: float
    ahead: bool
    carry_over: bool
    goes_on: bool
