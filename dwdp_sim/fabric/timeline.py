"""Timelines: when each copy of a program moved, and what only the simulator knows about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats, Ints
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


class Moving(NamedTuple):
    """The flows that move at some instant, rising, and the rate of each in bytes per second.

    `alone` is its rate if only its engine's flows moved.
    """

    flows: tuple[int, ...]
    rates: tuple[float, ...]
    alone: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LinkRates:
    """How fast every flow moved at every moment.

    Attributes:
        time_s: When rates were settled, rising, shape (samples,); they hold until the next sample.
        sample: For each moving flow of each sample, which sample, rising, shape (rows,).
        flow: Its number, rising within a sample.
        rate: Its rate in bytes per second.
        alone: Its rate if only its engine's flows moved: no sharing, no incast, no both-ways loss.
        flows: The flows that are numbered.
    """

    time_s: Floats
    sample: Ints
    flow: Ints
    rate: Floats
    alone: Floats
    flows: list[Flow]

    @classmethod
    def of(cls, samples: Sequence[tuple[float, RateSet]], flows: list[Flow]) -> LinkRates:
        """Return what solved sets say, each with the time from which on it holds."""
        counts = [len(rates.flows) for _, rates in samples]
        return cls(
            time_s=np.array([time_s for time_s, _ in samples], dtype=np.float64),
            sample=np.repeat(np.arange(len(samples)), counts),
            flow=np.array([flow for _, rates in samples for flow in rates.flows], dtype=np.int64),
            rate=np.array([rate for _, rates in samples for rate in rates.rates], dtype=np.float64),
            alone=np.array([rate for _, rates in samples for rate in rates.alone], dtype=np.float64),
            flows=flows,
        )

    @property
    def samples(self) -> list[tuple[float, Moving]]:
        """Each time with the flows that move from then on."""
        bounds = np.searchsorted(self.sample, np.arange(len(self.time_s) + 1)).tolist()
        flow, rate, alone = (column.tolist() for column in (self.flow, self.rate, self.alone))
        return [
            (time_s, Moving(*(tuple(column[first:last]) for column in (flow, rate, alone))))
            for time_s, first, last in zip(self.time_s.tolist(), bounds[:-1], bounds[1:], strict=True)
        ]

    def arrived(self, chosen: Bools) -> Floats:
        """Return the bytes that some flows, of shape (flows,), have moved at each sample, shape (samples,)."""
        rows = chosen[self.flow]
        rate = np.bincount(self.sample[rows], weights=self.rate[rows], minlength=len(self.time_s))
        moved: Floats = np.append(0.0, np.cumsum(rate[:-1] * np.diff(self.time_s)))
        return moved[: len(self.time_s)]


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
