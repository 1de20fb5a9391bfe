"""What losses leave of each resource, and the rates of the flows that move: as `rates.RateModel` has them."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.filling import fill
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import (
    both,
    flow_i,
    gamma,
    gpu_f,
    gpu_i,
    ints,
    length,
    rate_of,
    run_ints,
    use_f,
    use_i,
)

_SLACK = 1e-9  # as in `rates`
_active, _users, _work = ints("active"), ints("users"), ints("work")
_resources = length("use_i")


@compiled
def solve(s: Ints) -> None:
    """Solve the rates of all flows that move, from scratch."""
    total = run_ints(s)
    used = _collect(s)
    total[c.LOOKED_AT] = used
    if total[c.BOTH_WAYS]:
        _apply_both_ways(s, used)
    if total[c.LOSES]:
        _count_readers(s, used)
    if total[c.DEMAND]:
        _all_pairs_count(s)
        _solve_by_demand(s, used)
        return
    if total[c.LOSES]:
        res, room = use_i(s), use_f(s)
        for place in range(used):
            resource = _work(s)[place]
            if res[resource, c.R_KIND] == c.EGRESS:
                room[resource, c.R_CAP] *= incast_left(s, res[resource, c.R_END])
    _leave_out_idle_pairs(s)
    fill(s, used, c.NOWHERE)


@compiled
def _collect(s: Ints) -> int:
    """List the resources in use in `work`, with their rates as capacities; return how many there are."""
    total, flows, res, room, work, active = run_ints(s), flow_i(s), use_i(s), use_f(s), _work(s), _active(s)
    gpus, left = gpu_i(s), gpu_f(s)
    total[c.STAMP] += 1
    stamp = total[c.STAMP]
    used = 0
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        for j in range(flows[flow, c.F_USES]):
            resource = flows[flow, c.F_RES + j]
            if res[resource, c.R_STAMP] != stamp:
                res[resource, c.R_STAMP] = stamp
                res[resource, c.R_FULL] = 0
                room[resource, c.R_CAP] = room[resource, c.R_RATE]
                work[used] = resource
                used += 1
        if flows[flow, c.F_PEER]:
            for gpu in (flows[flow, c.F_SRC], flows[flow, c.F_DST]):
                left[gpu, c.G_EGRESS_LEFT] = left[gpu, c.G_INGRESS_LEFT] = math.inf
                gpus[gpu, c.G_READERS] = gpus[gpu, c.G_KINDS] = 0
    return used


@compiled
def _apply_both_ways(s: Ints, used: int) -> None:
    total, flows, res, room, work, active = run_ints(s), flow_i(s), use_i(s), use_f(s), _work(s), _active(s)
    left, factor = gpu_f(s), both(s)
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        if flows[flow, c.F_PEER]:
            src, dst, push = flows[flow, c.F_SRC], flows[flow, c.F_DST], flows[flow, c.F_PUSH]
            left[dst, c.G_EGRESS_LEFT] = min(left[dst, c.G_EGRESS_LEFT], factor[0, push])
            left[src, c.G_INGRESS_LEFT] = min(left[src, c.G_INGRESS_LEFT], factor[1, push])
    for place in range(used):
        resource = work[place]
        kind = res[resource, c.R_KIND]
        if kind in (c.EGRESS, c.INGRESS):
            gpu = res[resource, c.R_END]
            if _goes_both_ways(s, gpu):
                room[resource, c.R_CAP] *= left[gpu, c.G_EGRESS_LEFT if kind == c.EGRESS else c.G_INGRESS_LEFT]
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        if not flows[flow, c.F_PEER]:
            continue
        src, dst = flows[flow, c.F_SRC], flows[flow, c.F_DST]
        out, into = _goes_both_ways(s, src), _goes_both_ways(s, dst)
        if not out and not into:
            continue
        lost = min(left[src, c.G_EGRESS_LEFT] if out else 1.0, left[dst, c.G_INGRESS_LEFT] if into else 1.0)
        for j in range(2, flows[flow, c.F_USES]):
            resource = flows[flow, c.F_RES + j]
            if not res[resource, c.R_FULL]:  # once
                res[resource, c.R_FULL] = 1
                room[resource, c.R_CAP] *= lost


@compiled
def _goes_both_ways(s: Ints, gpu: int) -> bool:
    left = gpu_f(s)
    return left[gpu, c.G_EGRESS_LEFT] < math.inf and left[gpu, c.G_INGRESS_LEFT] < math.inf


@compiled
def _count_readers(s: Ints, used: int) -> None:
    total, flows, res, work, active, gpus = run_ints(s), flow_i(s), use_i(s), _work(s), _active(s), gpu_i(s)
    for place in range(used):
        resource = work[place]
        if res[resource, c.R_KIND] == c.PAIR:
            gpus[res[resource, c.R_END], c.G_READERS] += 1
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        if flows[flow, c.F_PEER]:
            gpus[flows[flow, c.F_SRC], c.G_READERS] += total[c.PAIRS_IDLE]  # no pair is in use, and each has one flow
            gpus[flows[flow, c.F_SRC], c.G_KINDS] |= 1 << flows[flow, c.F_PUSH]


@compiled
def incast_left(s: Ints, source: int) -> float:
    """What the number of GPUs that its bytes go to leaves of a source."""
    gpus, factor = gpu_i(s), gamma(s)
    readers = min(gpus[source, c.G_READERS], 4) - 1
    kinds = gpus[source, c.G_KINDS]
    if kinds == 3:
        return min(factor[0, readers], factor[1, readers])
    return factor[1 if kinds == 2 else 0, readers]


@compiled
def _all_pairs_count(s: Ints) -> None:
    flows, active = flow_i(s), _active(s)
    for k in range(run_ints(s)[c.N_ACTIVE]):
        flows[active[k], c.F_COUNTED] = flows[active[k], c.F_USES]


@compiled
def _leave_out_idle_pairs(s: Ints) -> None:
    """Pair caps of a single pull that cannot bind are not looked at."""
    total, flows, res, room, active, users = run_ints(s), flow_i(s), use_i(s), use_f(s), _active(s), _users(s)
    for k in range(total[c.N_ACTIVE]):
        flow = active[k]
        uses = flows[flow, c.F_USES]
        flows[flow, c.F_COUNTED] = uses
        if uses != 3:
            continue
        pair = flows[flow, c.F_RES + 2]
        pulls = 0
        for place in range(res[pair, c.R_N]):
            pulls += flows[users[res[pair, c.R_BASE] + place], c.F_USES] == 3
        ends = min(room[flows[flow, c.F_RES], c.R_CAP], room[flows[flow, c.F_RES + 1], c.R_CAP])
        if pulls == 1 and room[pair, c.R_CAP] >= ends:
            flows[flow, c.F_COUNTED] = 2


@compiled
def _solve_by_demand(s: Ints, used: int) -> None:
    """Lower sources that are asked for too much until no further one is; `R_FULL` marks those that are lowered."""
    res, room, work = use_i(s), use_f(s), _work(s)
    size = _resources(s)
    for place in range(used):
        res[work[place], c.R_FULL] = 0
    while True:
        fill(s, used, c.NOWHERE)
        over = 0
        for place in range(used):
            resource = work[place]
            if not run_ints(s)[c.LOSES] or res[resource, c.R_KIND] != c.EGRESS or res[resource, c.R_FULL]:
                continue
            if incast_left(s, res[resource, c.R_END]) >= 1.0:
                continue
            if _load(s, resource) >= room[resource, c.R_CAP] * (1.0 - _SLACK):
                work[3 * size + over] = resource
                over += 1
        asked = 0
        for place in range(over):
            resource = work[3 * size + place]
            fill(s, used, resource)
            if _load(s, resource) > room[resource, c.R_CAP] * (1.0 + _SLACK):
                work[3 * size + asked] = resource
                asked += 1
        if not asked:
            if over:
                fill(s, used, c.NOWHERE)
            return
        for place in range(asked):
            resource = work[3 * size + place]
            res[resource, c.R_FULL] = 1
            room[resource, c.R_CAP] *= incast_left(s, res[resource, c.R_END])


@compiled
def _load(s: Ints, resource: int) -> float:
    res, users, rates = use_i(s), _users(s), rate_of(s)
    load = 0.0
    for place in range(res[resource, c.R_N]):
        load += rates[users[res[resource, c.R_BASE] + place]]
    return load
