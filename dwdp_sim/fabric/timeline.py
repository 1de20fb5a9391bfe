"""When each copy of a layer moved, as any executor found it."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.max_min import Flow
from dwdp_sim.fabric.rates import RateSet
from dwdp_sim.plan.program import Program


@dataclass(frozen=True)
class Timeline:
    """What happened, in seconds on one clock that starts at zero.

    Attributes:
        program: What was run; the copy columns below are in its order.
        copy_issue_s: When each copy's call was complete.
        copy_start_s: When its first byte moved.
        copy_end_s: When its last byte arrived.
        stream_elapsed_s: From each stream's start to its last completion.
        host_s, gap_s, transfer_s, contention_s: A partition of each stream's elapsed time. The wait for an engine that
            serves another stream is contention.
        link_samples: (time, rates from then on) if asked for, else empty.
        flows: The flows that the samples number.
    """

    program: Program
    copy_issue_s: Floats
    copy_start_s: Floats
    copy_end_s: Floats
    stream_elapsed_s: Floats
    host_s: Floats
    gap_s: Floats
    transfer_s: Floats
    contention_s: Floats
    link_samples: list[tuple[float, RateSet]]
    flows: list[Flow]
