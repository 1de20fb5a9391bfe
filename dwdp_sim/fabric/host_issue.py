"""Simulate the host's side of a driver call: what it costs to make, and when it returns."""

from __future__ import annotations

import simpy

from dwdp_sim.fabric.calls import Call
from dwdp_sim.fabric.engine import Process
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.plan.endpoints import HOST


def issue_cost_s(call: Call, constants: FabricConstants) -> float:
    """Host seconds that `call` takes to be made."""
    return constants.issue_costs.of(1.0, float(call.last - call.first), batched=call.is_batch)


def issue_by_host(env: simpy.Environment, call: Call, constants: FabricConstants) -> Process:
    """Make `call` at its cost; the process ends when the host goes on."""
    yield env.timeout(issue_cost_s(call, constants))
    if not _returns_on_arrival(call, constants):
        call.issue(env.now)
        return
    arrived = env.event()

    def mark() -> None:
        arrived.succeed()

    call.on_done.append(mark)
    call.issue(env.now)
    yield arrived


def _returns_on_arrival(call: Call, constants: FabricConstants) -> bool:
    """Whether the host comes back from `call`, which is not issued yet, only when its bytes have arrived.

    A batch from host memory does so where its stream has nothing else to do and waits for nothing.
    """
    if not constants.host_batch_waits or not call.is_batch or call.flow.src != HOST:
        return False
    return not call.stream.issued and (call.gate is None or call.gate.opened_s is not None)
