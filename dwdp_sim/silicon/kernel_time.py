"""A kernel's time with its range and its provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwdp_sim.silicon.curves import HOWS, How, Reading
from dwdp_sim.silicon.table import Source


@dataclass(frozen=True)
class KernelTime:
    """How long a kernel runs, and how that is known.

    Attributes:
        seconds: The best estimate.
        low_s: Least that the rows nearby support.
        high_s: Most.
        table: GPU, engine and operation of the rows; `formula` without rows.
        version: Version of the engine that was measured.
        kernel: The kernel's name in the table.
        dtype: Format of the weights or products; behind a comma that of the cache, the load of the experts, or the
            phase.
        how: `measured` is a row, `interpolated` lies between rows, `held` lies beyond them and keeps what they reach of
            the roof, `neighbour` takes the rows of another shape, machine or number of ranks, `formula` has no rows.
        outside: Factor by which the question lies beyond the nearest row, or away from a neighbour's shape or number of
            ranks; 1.0 inside.
    """

    seconds: float
    low_s: float
    high_s: float
    table: str
    version: str
    kernel: str
    dtype: str
    how: How
    outside: float

    @classmethod
    def of(cls, read: Reading, source: Source) -> KernelTime:
        """The time that was read from a source's rows."""
        dtype = f"{source.dtype}, {source.detail}" if source.detail else source.dtype
        return cls(
            read.seconds,
            read.low_s,
            read.high_s,
            source.table,
            source.version,
            source.kernel,
            dtype,
            read.how,
            read.outside,
        )

    def scaled(self, factor: float) -> KernelTime:
        """A part or a multiple of this time."""
        return self._with(self.seconds * factor, self.low_s * factor, self.high_s * factor)

    def within(self, low_s: float, high_s: float) -> KernelTime:
        """This time with a range that reaches at least from `low_s` to `high_s`."""
        return self._with(self.seconds, min(self.low_s, low_s), max(self.high_s, high_s))

    def as_neighbour(self, apart: float = 1.0) -> KernelTime:
        """This time, marked as that of another shape, machine or number of ranks, `apart` by a factor."""
        return replace(self, how=least_sure(self.how, "neighbour"), outside=max(self.outside, apart))

    def _with(self, seconds: float, low_s: float, high_s: float) -> KernelTime:
        """A copy with other times; ten times as fast as `dataclasses.replace`."""
        return KernelTime(
            seconds, low_s, high_s, self.table, self.version, self.kernel, self.dtype, self.how, self.outside
        )


def least_sure(*hows: How) -> How:
    """The least sure of several origins."""
    return max(hows, key=HOWS.index)


def total(times: Sequence[KernelTime]) -> KernelTime:
    """The sum of times from one table; its provenance is that of the least sure part."""
    return replace(
        max(times, key=lambda time: HOWS.index(time.how)),
        seconds=math.fsum(time.seconds for time in times),
        low_s=math.fsum(time.low_s for time in times),
        high_s=math.fsum(time.high_s for time in times),
        outside=max(time.outside for time in times),
    )
