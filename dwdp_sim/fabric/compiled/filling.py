"""Max-min fair rates of the flows that move, by progressive filling, in the order of operations of `max_min`."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import engine_i, floats, flow_i, ints, length, rate_of, run_ints, use_f, use_i

_TIE = 1.0 + 1e-12  # as in `max_min`
_active, _users, _work, _own_flows = ints("active"), ints("users"), ints("work"), ints("own_flows")
_share_of, _resources = floats("share_of"), length("use_i")


@compiled
def fill(s: Ints, used: int, unlimited: int) -> None:
    """Solve into `rate_of`.

    Args:
        s: The state.
        used: Resources in use; their numbers stand first in `work`.
        unlimited: A resource that is to be without a limit; -1 for none.
    """
    total, flows, res, room = run_ints(s), flow_i(s), use_i(s), use_f(s)
    work, rates, active, share_of = _work(s), rate_of(s), _active(s), _share_of(s)
    size = _resources(s)
    for place in range(used):
        resource = work[place]
        res[resource, c.R_COUNT] = 0
        res[resource, c.R_DIRTY] = 0
        room[resource, c.R_RAW] = share_of[resource] = math.inf
        room[resource, c.R_LEFT] = math.inf if resource == unlimited else room[resource, c.R_CAP]
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        rates[flow] = -1.0
        for j in range(flows[flow, c.F_COUNTED]):
            res[flows[flow, c.F_RES + j], c.R_COUNT] += 1
    alive = 0
    share = math.inf
    for place in range(used):
        resource = work[place]
        count = res[resource, c.R_COUNT]
        if count:
            level = room[resource, c.R_LEFT] / count
            room[resource, c.R_LEVEL] = level
            share = min(share, level)
            work[size + alive] = resource
            alive += 1
    while alive:
        limit = share * _TIE
        full = 0
        for place in range(alive):
            resource = work[size + place]
            if room[resource, c.R_LEVEL] <= limit:
                room[resource, c.R_RAW], share_of[resource] = room[resource, c.R_LEVEL], share
                work[2 * size + full] = resource
                full += 1
        for place in range(full):
            _stop_users(s, work[2 * size + place], share)
        share = math.inf
        kept = 0
        for place in range(alive):
            resource = work[size + place]
            count = res[resource, c.R_COUNT]
            if not count:
                continue
            if res[resource, c.R_DIRTY]:
                res[resource, c.R_DIRTY] = 0
                room[resource, c.R_LEVEL] = max(room[resource, c.R_LEFT], 0.0) / count
            share = min(share, room[resource, c.R_LEVEL])
            work[size + kept] = resource
            kept += 1
        alive = kept


@compiled
def _stop_users(s: Ints, full: int, share: float) -> None:
    """Stop the flows of a full resource, or all flows of their engines, at `share`."""
    total, flows, res, users = run_ints(s), flow_i(s), use_i(s), _users(s)
    base = res[full, c.R_BASE]
    for place in range(res[full, c.R_N]):
        flow = users[base + place]
        if res[full, c.R_KIND] == c.PAIR and flows[flow, c.F_COUNTED] == 2:
            continue  # it does not count its pair
        if not total[c.EQUAL]:
            _stop(s, flow, share)
            continue
        engine = flows[flow, c.F_ENGINE]
        first = engine_i(s)[engine, c.E_FIRST_FLOW]
        for mate in range(engine_i(s)[engine, c.E_MOVING]):
            _stop(s, _own_flows(s)[first + mate], share)


@compiled
def _stop(s: Ints, flow: int, share: float) -> None:
    rates, flows, res, room = rate_of(s), flow_i(s), use_i(s), use_f(s)
    if rates[flow] >= 0.0:
        return
    rates[flow] = share
    for j in range(flows[flow, c.F_COUNTED]):
        resource = flows[flow, c.F_RES + j]
        res[resource, c.R_COUNT] -= 1
        room[resource, c.R_LEFT] -= share
        res[resource, c.R_DIRTY] = 1
