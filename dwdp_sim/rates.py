"""How fast each flow moves, given which flows move: sharing, incast and both-ways loss."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from dwdp_sim.fabric_constants import FabricConstants
from dwdp_sim.options import FabricOptions
from dwdp_sim.program import HOST
from dwdp_sim.sharing import Flow, max_min

_KEPT_SETS = 20_000  # solved sets remembered; lock-step programs visit a few dozen
_SLACK = 1e-9  # relative; a source within it of its capacity is full, and is not asked for more than it has

Resource = tuple[str, int, int]


class RateSet(NamedTuple):
    """The solved rates of one set of moving flows.

    Attributes:
        flows: Flow numbers, rising.
        rates: Bytes per second of each.
        engines: Numbers of the engines that move bytes.
        shares: For each of these, its rate over the rate it would have alone, at most 1.
        alone: For each flow, bytes per second if only its engine's flows moved: no sharing, no incast, no both-ways
            loss.
    """

    flows: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    engines: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    alone: tuple[float, ...] = ()


class RateModel:
    """Rates of any set of flows, remembered by set."""

    def __init__(self, constants: FabricConstants, options: FabricOptions) -> None:
        self._constants = constants
        self._options = options
        self._known: dict[int, RateSet] = {}
        self._alone: dict[int, dict[int, float]] = {}
        self.flows: list[Flow] = []
        self._number: dict[Flow, int] = {}

    def number(self, flow: Flow) -> int:
        """The flow's number; its bit in a set is 1 << number."""
        if flow not in self._number:
            self._number[flow] = len(self.flows)
            self.flows.append(flow)
        return self._number[flow]

    def solve(self, moving: int) -> RateSet:
        """Rates of the flows whose bits are set in `moving`."""
        known = self._known.get(moving)
        if known is None:
            if len(self._known) >= _KEPT_SETS:
                self._known.clear()
            known = self._known[moving] = self._solve(moving)
        return known

    def _solve(self, moving: int) -> RateSet:
        numbers = tuple(_bits(moving))
        flows = [self.flows[number] for number in numbers]
        rates = self._rates(flows)
        total: dict[int, float] = {}
        own: dict[int, int] = {}
        for number, flow, rate in zip(numbers, flows, rates, strict=True):
            total[flow.engine] = total.get(flow.engine, 0.0) + rate
            own[flow.engine] = own.get(flow.engine, 0) | 1 << number
        alone = {engine: self._rates_alone(mask) for engine, mask in own.items()}
        shares = tuple(min(rate / sum(alone[engine].values()), 1.0) for engine, rate in total.items())
        each = tuple(alone[flow.engine][number] for number, flow in zip(numbers, flows, strict=True))
        return RateSet(numbers, tuple(rates), tuple(total), shares, each)

    def _rates_alone(self, moving: int) -> dict[int, float]:
        """Rate of each of one engine's flows, by number, if nothing else moved."""
        if moving not in self._alone:
            numbers = list(_bits(moving))
            uses = [self._resources(self.flows[number]) for number in numbers]
            capacity: dict[Hashable, float] = {r: self._constants.rates[r[0]] for use in uses for r in use}
            self._alone[moving] = dict(zip(numbers, max_min(uses, capacity), strict=True))
        return self._alone[moving]

    def _rates(self, flows: list[Flow]) -> list[float]:
        uses = [self._resources(flow) for flow in flows]
        capacity: dict[Hashable, float] = {r: self._constants.rates[r[0]] for use in uses for r in use}
        if self._options.both_ways:
            self._apply_both_ways(flows, capacity)
        sources = [r for r in {r for use in uses for r in use} if r[0] == "egress"]
        factor = {r: self._incast_factor(r[1], flows) for r in sources}
        if self._options.incast != "demand":
            for resource in sources:
                capacity[resource] *= factor[resource]
            return max_min(uses, capacity)
        # Loss only where demand exceeds the source: lower such sources until no further one is asked for too much.
        lossy: set[Resource] = set()
        while True:
            rates = max_min(uses, capacity)
            over = {
                r
                for r in sources
                if r not in lossy
                and factor[r] < 1
                and _load(r, uses, rates) >= capacity[r] * (1 - _SLACK)
                and _load(r, uses, max_min(uses, capacity | {r: math.inf})) > capacity[r] * (1 + _SLACK)
            }
            if not over:
                return rates
            lossy |= over
            for resource in over:
                capacity[resource] *= factor[resource]

    def _incast_factor(self, source: int, flows: Iterable[Flow]) -> float:
        readers = len({flow.dst for flow in flows if flow.src == source and flow.is_peer})
        return self._constants.incast[min(max(readers, 1), 4) - 1]

    def _apply_both_ways(self, flows: list[Flow], capacity: dict[Hashable, float]) -> None:
        """Lower each direction of a GPU while its opposite one moves bytes; of several kinds the worst counts."""
        leaving: dict[int, set[str]] = {}
        arriving: dict[int, set[str]] = {}
        for flow in flows:
            if flow.is_peer:
                leaving.setdefault(flow.src, set()).add(flow.kind)
                arriving.setdefault(flow.dst, set()).add(flow.kind)
        for gpu in leaving.keys() & arriving.keys():
            capacity["egress", gpu, 0] *= min(self._constants.both_ways_egress[kind] for kind in arriving[gpu])
            capacity["ingress", gpu, 0] *= min(self._constants.both_ways_ingress[kind] for kind in leaving[gpu])

    @staticmethod
    def _resources(flow: Flow) -> tuple[Resource, ...]:
        if flow.src == flow.dst:
            return (("local", flow.src, 0),)
        if flow.src == HOST:
            return (("host_in", flow.dst, 0),)
        if flow.dst == HOST:
            return (("host_out", flow.src, 0),)
        return ("egress", flow.src, 0), ("ingress", flow.dst, 0), ("pair", flow.src, flow.dst)


def _load(resource: Resource, uses: Iterable[tuple[Resource, ...]], rates: Iterable[float]) -> float:
    return sum(rate for rate, use in zip(rates, uses, strict=True) if resource in use)


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
