"""Share links among flows by max-min fairness.

A flow moves the bytes of one copy engine from one endpoint to another. It uses three resources: the source's egress,
the destination's ingress, and the pair's own cap.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

SHARINGS = ("fair", "equal", "fifo")
INCASTS = ("always", "demand", "off")
_TIE = 1.0 + 1e-12  # resources this close to the tightest one saturate with it


class Flow(NamedTuple):
    """One copy engine moving bytes from one endpoint to another.

    Attributes:
        engine: Number of the copy engine.
        gpu: The GPU that the engine belongs to.
        src: Source endpoint; `program.HOST` is host memory.
        dst: Destination endpoint.
    """

    engine: int
    gpu: int
    src: int
    dst: int

    @property
    def kind(self) -> str:
        """`push` if the engine's GPU is the source, else `pull`."""
        return "push" if self.gpu == self.src else "pull"

    @property
    def is_peer(self) -> bool:
        """Whether the bytes go from one GPU to another."""
        return self.link_kind == "peer"

    @property
    def link_kind(self) -> str:
        """`local` (one GPU), `host` (to or from host memory) or `peer`."""
        if self.src == self.dst:
            return "local"
        return "host" if min(self.src, self.dst) < 0 else "peer"


def max_min(
    uses: Sequence[Sequence[Hashable]],
    capacity: Mapping[Hashable, float],
    group_of: Sequence[int] | None = None,
) -> list[float]:
    """Max-min fair rates by progressive filling (Bertsekas & Gallager, Data Networks, section 6.5.2).

    All rates rise together; when a resource is full, its flows stop there and the others go on.

    Args:
        uses: For each flow, the resources it uses.
        capacity: Capacity of each resource, in the unit of the rates.
        group_of: For each flow, the number of its group; the flows of a group have equal rates and stop together.
            Each flow is a group of its own when unset.

    Returns:
        One rate a flow. Each group has a flow with a full resource on which no flow is faster.
    """
    rates = [0.0] * len(uses)
    mates: dict[int, list[int]] = {}
    for flow, group in enumerate(group_of or ()):
        mates.setdefault(group, []).append(flow)
    members: dict[Hashable, list[int]] = {}
    for flow, resources in enumerate(uses):
        for resource in resources:
            members.setdefault(resource, []).append(flow)
    left = {resource: capacity[resource] for resource in members}
    count = {resource: len(flows) for resource, flows in members.items()}
    level = {resource: left[resource] / count[resource] for resource in members}  # where each would be full
    rising = [True] * len(uses)
    while level:
        share = min(level.values())
        limit = share * _TIE
        touched = set()
        for full in [resource for resource, value in level.items() if value <= limit]:
            stopping = (
                members[full] if group_of is None else [m for flow in members[full] for m in mates[group_of[flow]]]
            )
            for flow in stopping:
                if rising[flow]:
                    rising[flow] = False
                    rates[flow] = share
                    for resource in uses[flow]:
                        count[resource] -= 1
                        left[resource] -= share
                        touched.add(resource)
        for resource in touched:  # the others would be full where they would have been before
            if count[resource]:
                level[resource] = max(left[resource], 0.0) / count[resource]
            else:
                del level[resource]
    return rates
