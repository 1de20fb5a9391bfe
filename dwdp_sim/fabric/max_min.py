"""Share resources among flows by max-min fairness; `rates` says which resources a flow uses, and what lowers them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

_TIE = 1.0 + 1e-12  # resources this close to the tightest one saturate with it


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
