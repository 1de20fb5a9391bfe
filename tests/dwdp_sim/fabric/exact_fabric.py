"""How fast bytes move, in exact fractions: written from `docs/model.md` alone, to check `dwdp_sim` against."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import HOST

Engine = tuple[int, str]  # GPU; "peer", "host_in" or "host_out"
Resource = tuple[Hashable, ...]


@dataclass(frozen=True)
class Flow:
    """Bytes that one engine moves from one endpoint to another."""

    engine: Engine
    src: int
    dst: int

    @property
    def way(self) -> str:
        """Kind of link and direction: pull or push between GPUs, host_in, host_out, local."""
        if self.src == self.dst:
            return "local"
        if self.src == HOST:
            return "host_in"
        if self.dst == HOST:
            return "host_out"
        return "pull" if self.dst == self.engine[0] else "push"

    @property
    def link(self) -> str:
        """The kind of link: peer, host or local."""
        return "peer" if self.way in ("pull", "push") else self.way.split("_")[0]


class Fabric:
    """Rates of the flows that move together."""

    def __init__(self, values: dict[str, Any], options: FabricOptions) -> None:
        self.values = values
        self.options = options
        self.known: dict[frozenset[Flow], dict[Flow, Fraction]] = {}

    def rates(self, moving: Sequence[Flow]) -> dict[Flow, Fraction]:
        """Bytes per second of each flow."""
        if frozenset(moving) not in self.known:
            self.known[frozenset(moving)] = self._solve(moving)
        return self.known[frozenset(moving)]

    def _solve(self, moving: Sequence[Flow]) -> dict[Flow, Fraction]:
        peers = [flow for flow in moving if flow.link == "peer"]
        sources = {flow.src for flow in peers}
        if self.options.incast != "demand":
            return self._filled(moving, peers, sources if self.options.incast == "always" else set())
        lossy: set[int] = set()
        while asked_too_much := {src for src in sources - lossy if self._asked_too_much(moving, peers, lossy, src)}:
            lossy |= asked_too_much
        return self._filled(moving, peers, lossy)

    def _asked_too_much(self, moving: Sequence[Flow], peers: list[Flow], lossy: set[int], src: int) -> bool:
        """Whether the flows out of `src` would together take more than its egress, were that without a limit."""
        if self._gamma([flow for flow in peers if flow.src == src]) == 1:
            return False
        egress = ("egress", src)
        rates = self._filled(moving, peers, lossy, unlimited=egress)
        return sum(rates[flow] for flow in peers if flow.src == src) > self.capacity(egress, peers, lossy)

    def _filled(
        self, moving: Sequence[Flow], peers: list[Flow], lossy: set[int], unlimited: Resource | None = None
    ) -> dict[Flow, Fraction]:
        """Raises all rates together; a flow stops when a resource of it is full, or with the first of its engine."""
        users: dict[Resource, list[Flow]] = {}
        for flow in moving:
            for resource in self.resources(flow):
                if resource != unlimited:
                    users.setdefault(resource, []).append(flow)
        room = {resource: self.capacity(resource, peers, lossy) for resource in users}
        rates: dict[Flow, Fraction] = {}
        while len(rates) < len(moving):
            level = {}
            for resource, flows in users.items():
                rising = sum(flow not in rates for flow in flows)
                if rising:
                    taken = sum((rates[flow] for flow in flows if flow in rates), Fraction(0))
                    level[resource] = (room[resource] - taken) / rising
            lowest = min(level.values())
            met = {flow for resource in level if level[resource] == lowest for flow in users[resource]} - set(rates)
            if self.options.sharing == "equal":
                engines = {flow.engine for flow in met}
                met = {flow for flow in moving if flow.engine in engines and flow not in rates}
            rates |= dict.fromkeys(met, lowest)
        return rates

    def resources(self, flow: Flow) -> list[Resource]:
        """What the flow's bytes pass."""
        if flow.way == "local":
            return [("local", flow.src)]
        if flow.way == "host_in":
            return [("host_in", flow.dst)]
        if flow.way == "host_out":
            return [("host_out", flow.src)]
        shared: list[Resource] = [("egress", flow.src), ("ingress", flow.dst), ("pair", flow.src, flow.dst)]
        return [*shared, ("push", flow.src, flow.dst)] if flow.way == "push" else shared

    def capacity(self, resource: Resource, peers: list[Flow], lossy: set[int]) -> Fraction:
        """Bytes per second of `resource` while `peers` move between GPUs; sources in `lossy` suffer from incast."""
        name, gpu = resource[:2]
        capacity = Fraction(self.values[f"{name}_bytes_per_s"])
        out = [flow for flow in peers if flow.src == gpu]
        into = [flow for flow in peers if flow.dst == gpu]
        if name == "egress":
            return capacity * (self._gamma(out) if gpu in lossy else 1) * self._both_ways("both_ways_egress", into)
        if name == "ingress":
            return capacity * self._both_ways("both_ways_ingress", out)
        if name in ("pair", "push"):
            arriving = [flow for flow in peers if flow.dst == gpu]
            leaving = [flow for flow in peers if flow.src == resource[2]]
            left = (self._both_ways("both_ways_egress", arriving), self._both_ways("both_ways_ingress", leaving))
            return capacity * min(left)
        return capacity

    def _gamma(self, out: list[Flow]) -> Fraction:
        readers = len({flow.dst for flow in out})
        if readers < 2:
            return Fraction(1)
        factor = self.values[f"incast_factor_{readers}" if readers < 4 else "incast_factor_4_up"]
        return min(Fraction(factor[flow.way]) for flow in out)

    def _both_ways(self, name: str, opposite: list[Flow]) -> Fraction:
        if not self.options.both_ways:
            return Fraction(1)
        return min((Fraction(self.values[name][flow.way]) for flow in opposite), default=Fraction(1))
