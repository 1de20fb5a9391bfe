"""The lower bound of a prefetch: no schedule is faster than the busiest link at its best rate."""

from __future__ import annotations

from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.resources import bytes_by_resource
from dwdp_sim.plan.program import Program


def lower_bound_s(program: Program, constants: FabricConstants) -> float:
    """Return the largest bytes ÷ capacity of any resource, ignoring incast, both-ways loss, gaps and the host."""
    used = bytes_by_resource(program).items()
    return max((size / constants.rates[resource[0]] for resource, size in used), default=0.0)
