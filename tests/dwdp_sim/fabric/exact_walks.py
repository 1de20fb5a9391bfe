"""Which copies of a batch move at once, in exact fractions: written from `docs/model.md` alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tests.dwdp_sim.fabric.exact_fabric import Flow


class Walk:
    """The copies of a run, or of the half of it that one of two engines has, in order.

    Attributes:
        flow: The flow of each copy.
        left: Bytes of each copy that have not arrived.
    """

    def __init__(self, copies: Sequence[int], flows: Sequence[Flow], sizes: Sequence[int]) -> None:
        self.flow = dict(zip(copies, flows, strict=True))
        self.left = {copy: Fraction(size) for copy, size in zip(copies, sizes, strict=True)}

    def moving(self) -> list[int]:
        """Copies that move now, at most one of each flow."""
        raise NotImplementedError

    def steps_s(self, rates: dict[int, Fraction]) -> list[Fraction]:
        """Seconds after which other copies may move, if the copies of this walk have these bytes per second."""
        return [self.left[copy] / rate for copy, rate in rates.items()]

    def incomplete(self) -> list[int]:
        return [copy for copy, left in self.left.items() if left]

    def first_of_each_flow(self, copies: Sequence[int]) -> list[int]:
        firsts: dict[Flow, int] = {}
        for copy in copies:
            firsts.setdefault(self.flow[copy], copy)
        return list(firsts.values())


class OldestWalk(Walk):
    """The window holds the oldest incomplete copies."""

    def __init__(self, places: int, copies: Sequence[int], flows: Sequence[Flow], sizes: Sequence[int]) -> None:
        super().__init__(copies, flows, sizes)
        self.places = places

    def moving(self) -> list[int]:
        return self.first_of_each_flow(self.incomplete()[: self.places])


class AnyWalk(Walk):
    """A free place goes to the oldest copy that has not started and whose flow is free."""

    def __init__(self, places: int, copies: Sequence[int], flows: Sequence[Flow], sizes: Sequence[int]) -> None:
        super().__init__(copies, flows, sizes)
        self.places = places
        self.started: list[int] = []

    def moving(self) -> list[int]:
        now = [copy for copy in self.started if self.left[copy]]
        for copy in self.incomplete():
            if len(now) < self.places and self.flow[copy] not in {self.flow[other] for other in now}:
                self.started.append(copy)
                now.append(copy)
        return now


class ByteWalk(Walk):
    """A request pointer walks the run, held back by the bytes that were requested and have not arrived.

    Each source serves what was requested of it in order. The page's rule for when a copy begins is not used: the
    pointer is followed byte by byte, so that agreement proves that rule.
    """

    def __init__(self, limit: Fraction, copies: Sequence[int], flows: Sequence[Flow], sizes: Sequence[int]) -> None:
        super().__init__(copies, flows, sizes)
        self.limit = limit
        self.total = Fraction(sum(sizes))
        self.first_byte = {copy: Fraction(sum(sizes[:place])) for place, copy in enumerate(copies)}
        self.size = dict(self.left)

    def requested(self) -> Fraction:
        """Bytes of the run that have been requested: where the pointer is."""
        arrived = self.total - sum(self.left.values())
        return min(self.total, arrived + self.limit)

    def outstanding(self, copy: int) -> Fraction:
        """Bytes of the copy that have been requested and have not arrived."""
        requested = min(max(self.requested() - self.first_byte[copy], Fraction(0)), self.size[copy])
        return requested - (self.size[copy] - self.left[copy])

    def is_requested_next(self, copy: int) -> bool:
        """Whether the pointer stands before a byte of this copy."""
        return self.first_byte[copy] <= self.requested() < self.first_byte[copy] + self.size[copy]

    def moving(self) -> list[int]:
        heads = self.first_of_each_flow(self.incomplete())
        return [copy for copy in heads if self.outstanding(copy) > 0 or self.is_requested_next(copy)]

    def steps_s(self, rates: dict[int, Fraction]) -> list[Fraction]:
        """Until a copy is complete, its source runs out of requests, or the pointer comes to another copy."""
        steps = super().steps_s(rates)
        speed = sum(rates.values()) if self.requested() < self.total else Fraction(0)  # of the pointer
        for copy, rate in rates.items():
            grows = speed - rate if self.is_requested_next(copy) else -rate
            if grows < 0:
                steps.append(self.outstanding(copy) / -grows)
        ahead = [first - self.requested() for first in self.first_byte.values() if first > self.requested()]
        return steps + [distance / speed for distance in ahead if speed]


def walks(values: dict[str, Any], copies: Sequence[int], flows: Sequence[Flow], sizes: Sequence[int]) -> list[Walk]:
    """One walk for a run, or one for each of two engines, whose flows are named in turn."""
    named = list(dict.fromkeys(flows))
    result: list[Walk] = []
    for half in range(values["batch_engines"]):
        own = [i for i, flow in enumerate(flows) if named.index(flow) % values["batch_engines"] == half]
        parts = [copies[i] for i in own], [flows[i] for i in own], [sizes[i] for i in own]
        if values["refill"] == "bytes":
            result.append(ByteWalk(Fraction(values["in_flight_bytes"]), *parts))
        elif values["in_flight_sources"] == "all":
            result.append(AnyWalk(len(copies), *parts))
        else:
            kind = OldestWalk if values["refill"] == "oldest" else AnyWalk
            result.append(kind(values["in_flight_sources"], *parts))
    return result
