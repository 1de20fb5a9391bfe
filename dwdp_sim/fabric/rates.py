"""Compute the rate of each moving flow: fair sharing, incast and both-ways loss."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.max_min import max_min
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.resources import Resource, resources

_KEPT_SETS = 20_000  # solved sets remembered; lock-step programs visit a few dozen
_SLACK = 1e-9  # relative; a source within it of its capacity is full, and is not asked for more than it has


class RateSet(NamedTuple):
    """The solved rates of one set of moving flows.

    Attributes:
        flows: Flow numbers, rising.
        rates: Bytes per second of each.
        engines: Numbers of the engines that move bytes.
        totals: For each of these, bytes per second of all its flows.
        shares: For each of these, its rate over the rate it would have alone, at most 1.
        alone: For each flow, bytes per second if only its engine's flows moved: no sharing, no incast, no both-ways
            loss.
    """

    flows: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    engines: tuple[int, ...] = ()
    totals: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    alone: tuple[float, ...] = ()


class RateModel:
    """Solves the rates of a set of flows once and remembers them."""

    def __init__(self, constants: FabricConstants, options: FabricOptions) -> None:
        self._constants = constants
        self._options = options
        self._loses_to_readers = options.incast != "off" and any(min(of) < 1.0 for of in constants.incast.values())
        self._known: dict[int, RateSet] = {}
        self._alone: dict[int, dict[int, float]] = {}
        self._uses: list[tuple[Resource, ...]] = []  # by flow
        self._ends: list[tuple[int, int, str] | None] = []  # by flow: source, destination, kind; None off the links
        self.flows: list[Flow] = []
        self._number: dict[Flow, int] = {}

    def number(self, flow: Flow) -> int:
        """The flow's number; its bit in a set is 1 << number."""
        if flow not in self._number:
            self._number[flow] = len(self.flows)
            self.flows.append(flow)
            self._uses.append(resources(flow.gpu, flow.src, flow.dst))
            self._ends.append((flow.src, flow.dst, flow.kind) if flow.is_peer else None)
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
        rates = self._rates(numbers)
        total: dict[int, float] = {}
        own: dict[int, int] = {}
        for number, rate in zip(numbers, rates, strict=True):
            engine = self.flows[number].engine
            total[engine] = total.get(engine, 0.0) + rate
            own[engine] = own.get(engine, 0) | 1 << number
        alone = {engine: self._rates_alone(mask) for engine, mask in own.items()}
        shares = tuple(min(rate / sum(alone[engine].values()), 1.0) for engine, rate in total.items())
        each = tuple(alone[self.flows[number].engine][number] for number in numbers)
        return RateSet(numbers, tuple(rates), tuple(total), tuple(total.values()), shares, each)

    def _rates_alone(self, moving: int) -> dict[int, float]:
        """Rate of each of one engine's flows, by number, if nothing else moved."""
        if moving not in self._alone:
            numbers = list(_bits(moving))
            uses = [self._uses[number] for number in numbers]
            capacity: dict[Hashable, float] = {r: self._constants.rates[r[0]] for use in uses for r in use}
            self._alone[moving] = dict(zip(numbers, max_min(uses, capacity, self._groups(numbers)), strict=True))
        return self._alone[moving]

    def _groups(self, numbers: Iterable[int]) -> list[int] | None:
        """The engine of each flow where an engine's flows are equally fast."""
        return [self.flows[number].engine for number in numbers] if self._options.sharing == "equal" else None

    def _rates(self, numbers: tuple[int, ...]) -> list[float]:
        groups = self._groups(numbers)
        uses = [self._uses[number] for number in numbers]
        capacity: dict[Hashable, float] = {r: self._constants.rates[r[0]] for use in uses for r in use}
        peers = [ends for ends in map(self._ends.__getitem__, numbers) if ends is not None]
        if self._options.both_ways:
            self._apply_both_ways(peers, capacity)
        factor = self._incast_factors(peers) if self._loses_to_readers else {}
        if self._options.incast != "demand":
            for resource, lost in factor.items():
                capacity[resource] *= lost
            return max_min(_without_idle_pairs(uses, capacity), capacity, groups)
        # Loss only where demand exceeds the source: lower such sources until no further one is asked for too much.
        lossy: set[Resource] = set()
        while True:
            rates = max_min(uses, capacity, groups)
            over = {
                r
                for r, lost in factor.items()
                if r not in lossy
                and lost < 1
                and _load(r, uses, rates) >= capacity[r] * (1 - _SLACK)
                and _load(r, uses, max_min(uses, capacity | {r: math.inf}, groups)) > capacity[r] * (1 + _SLACK)
            }
            if not over:
                return rates
            lossy |= over
            for resource in over:
                capacity[resource] *= factor[resource]

    def _incast_factors(self, peers: Iterable[tuple[int, int, str]]) -> dict[Resource, float]:
        """What the number of GPUs that its bytes go to leaves of each source; of several kinds the worst counts."""
        readers: dict[int, set[int]] = {}
        kinds: dict[int, set[str]] = {}
        for src, dst, kind in peers:
            readers.setdefault(src, set()).add(dst)
            kinds.setdefault(src, set()).add(kind)
        incast = self._constants.incast
        return {
            ("egress", source, 0): min(incast[kind][min(len(seen), 4) - 1] for kind in kinds[source])
            for source, seen in readers.items()
        }

    def _apply_both_ways(self, peers: Sequence[tuple[int, int, str]], capacity: dict[Hashable, float]) -> None:
        """Lower each direction of a GPU while its opposite one moves bytes; of several kinds the worst counts.

        A pair's own caps go down with the lower of its ends.
        """
        of_egress, of_ingress = self._constants.both_ways_egress, self._constants.both_ways_ingress
        egress: dict[int, float] = {}  # what the bytes that arrive at a GPU leave of its egress
        ingress: dict[int, float] = {}
        for src, dst, kind in peers:
            egress[dst] = min(egress.get(dst, math.inf), of_egress[kind])
            ingress[src] = min(ingress.get(src, math.inf), of_ingress[kind])
        both = egress.keys() & ingress.keys()
        for gpu in both:
            capacity["egress", gpu, 0] *= egress[gpu]
            capacity["ingress", gpu, 0] *= ingress[gpu]
        for src, dst in {(src, dst) for src, dst, _ in peers if src in both or dst in both}:
            left = min(egress[src] if src in both else 1.0, ingress[dst] if dst in both else 1.0)
            for cap in ("pair", "push"):
                if (cap, src, dst) in capacity:
                    capacity[cap, src, dst] *= left


def _without_idle_pairs(
    uses: list[tuple[Resource, ...]], capacity: dict[Hashable, float]
) -> list[tuple[Resource, ...]]:
    """The uses without pair caps that cannot bind: those of a single flow whose source or destination has less.

    Most are of this kind, and each is a resource to look at in every round of filling.
    """
    flows = Counter(use[2] for use in uses if len(use) == 3)
    return [
        use[:2]
        if len(use) == 3 and flows[use[2]] == 1 and capacity[use[2]] >= min(capacity[use[0]], capacity[use[1]])
        else use
        for use in uses
    ]


def _load(resource: Resource, uses: Iterable[tuple[Resource, ...]], rates: Iterable[float]) -> float:
    return sum(rate for rate, use in zip(rates, uses, strict=True) if resource in use)


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
