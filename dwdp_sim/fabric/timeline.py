"""Timelines: when each copy of a program moved, and what only the simulator knows about it."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.rates import RateSet
from dwdp_sim.plan.program import Program


@dataclass(frozen=True)
class Timeline:
    """When the copies of a program moved, simulated or measured, in seconds on one clock.

    Attributes:
        program: What was run; the copy columns below are in its order.
        copy_issue_s: When each copy's call was complete, shape (copies,).
        copy_start_s: When its first byte moved.
        copy_end_s: When its last byte arrived.
        stream_elapsed_s: From each stream's start to its last completion, shape (streams,).
    """

    program: Program
    copy_issue_s: Floats
    copy_start_s: Floats
    copy_end_s: Floats
    stream_elapsed_s: Floats


@dataclass(frozen=True)
class LinkRates:
    """How fast every flow moved at every moment.

    Attributes:
        samples: (time in seconds, rates from then on), in the order of time.
        flows: The flows that the rates number.
    """

    samples: list[tuple[float, RateSet]]
    flows: list[Flow]


@dataclass(frozen=True)
class SimulatedTimeline(Timeline):
    """A timeline from the simulator, with the parts that each stream's time consists of.

    Attributes:
        host_s, gap_s, transfer_s, contention_s: A partition of each stream's elapsed time, shape (streams,). The wait
            for an engine that serves another stream is contention.
        links: Rates over time; None if they were not asked for.
    """

    host_s: Floats
    gap_s: Floats
    transfer_s: Floats
    contention_s: Floats
    links: LinkRates | None
