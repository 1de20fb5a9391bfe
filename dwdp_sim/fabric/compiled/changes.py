"""Note which flows begin and cease to move, and which resources that reaches: their capacities, for `ripple`."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.views import both, flow_i, gamma, gpu_f, gpu_i, ints, length, run_ints, use_f, use_i

_IS_LISTED, _HAS_NEW_CAPS, _HAS_NEW_ARRIVALS = 1, 2, 4  # of a GPU whose flows have changed
_users, _dirty_gpus, _todo, _new_flows = ints("users"), ints("dirty_gpus"), ints("todo"), ints("new_flows")
_todo_most = length("todo")


@inlined
def note_ends(s: Ints, flow: int, change: int) -> None:
    """Count a flow that begins or ceases to move, and remember that its resources have to be looked at."""
    total, flows, res, gpus = run_ints(s), flow_i(s), use_i(s), gpu_i(s)
    if flows[flow, c.F_PEER]:
        src, dst = flows[flow, c.F_SRC], flows[flow, c.F_DST]
        gpus[src, c.G_OUT] += change
        gpus[dst, c.G_IN] += change
        if flows[flow, c.F_PUSH]:
            gpus[src, c.G_OUT_PUSHED] += change
            gpus[dst, c.G_IN_PUSHED] += change
        if total[c.PAIRS_IDLE] or res[flows[flow, c.F_RES + 2], c.R_N] == (1 if change > 0 else 0):
            gpus[src, c.G_TAKERS] += change
    if not total[c.RIPPLES]:
        return
    uses = flows[flow, c.F_USES]
    if change > 0:
        flows[flow, c.F_COUNTED] = uses
        _new_flows(s)[total[c.N_NEW]] = flow
        total[c.N_NEW] += 1
    look_at(s, flows[flow, c.F_RES])
    if not flows[flow, c.F_PEER]:
        return
    for j in range(2, uses):
        look_at(s, flows[flow, c.F_RES + j])
    others = not total[c.PAIRS_IDLE] and res[flows[flow, c.F_RES + 2], c.R_N] > (1 if change > 0 else 0)
    for gpu in (flows[flow, c.F_SRC], flows[flow, c.F_DST]):
        if not gpus[gpu, c.G_DIRTY]:
            gpus[gpu, c.G_DIRTY] = _IS_LISTED
            _dirty_gpus(s)[total[c.N_DIRTY_GPUS]] = gpu
            total[c.N_DIRTY_GPUS] += 1
        if others:  # whether the pair's cap counts may depend on who uses it
            gpus[gpu, c.G_DIRTY] |= _HAS_NEW_CAPS
    gpus[flows[flow, c.F_DST], c.G_DIRTY] |= _HAS_NEW_ARRIVALS


@inlined
def look_at(s: Ints, resource: int) -> None:
    """Put a resource into the list of those whose level may have changed."""
    total, res, most = run_ints(s), use_i(s), _todo_most(s)
    if res[resource, c.R_QUEUED]:
        return
    res[resource, c.R_QUEUED] = 1
    place = total[c.TODO_FIRST] + total[c.TODO_N]
    _todo(s)[place - most if place >= most else place] = resource
    total[c.TODO_N] += 1


@compiled
def refresh_capacities(s: Ints) -> None:  # noqa: PLR0912 - egress and ingress alike
    """Compute the capacities of the GPUs whose flows have changed, and of the pairs that they belong to."""
    total, gpus, res, room = run_ints(s), gpu_i(s), use_i(s), use_f(s)
    state, factor = gpu_f(s), both(s)
    for place in range(total[c.N_DIRTY_GPUS] if total[c.BOTH_WAYS] or total[c.LOSES] else 0):
        gpu = _dirty_gpus(s)[place]
        egress = ingress = 1.0
        goes_both = total[c.BOTH_WAYS] and gpus[gpu, c.G_OUT] > 0 and gpus[gpu, c.G_IN] > 0
        if goes_both:
            egress = _worst(factor[0, 0], factor[0, 1], gpus[gpu, c.G_IN], gpus[gpu, c.G_IN_PUSHED])
            ingress = _worst(factor[1, 0], factor[1, 1], gpus[gpu, c.G_OUT], gpus[gpu, c.G_OUT_PUSHED])
        cap = room[gpu, c.R_RATE] * egress
        if total[c.LOSES] and gpus[gpu, c.G_TAKERS]:
            readers = min(gpus[gpu, c.G_TAKERS], 4) - 1
            out, pushed = gpus[gpu, c.G_OUT], gpus[gpu, c.G_OUT_PUSHED]
            cap *= _worst(gamma(s)[0, readers], gamma(s)[1, readers], out, pushed)
        changes = False
        if cap != room[gpu, c.R_CAP]:
            changes = True
            room[gpu, c.R_CAP] = cap
            look_at(s, gpu)
        link = total[c.GPUS] + gpu
        cap = room[link, c.R_RATE] * ingress
        if cap != room[link, c.R_CAP]:
            changes = True
            room[link, c.R_CAP] = cap
            look_at(s, link)
        if changes or egress != state[gpu, c.G_EGRESS_NOW] or ingress != state[gpu, c.G_INGRESS_NOW]:
            state[gpu, c.G_EGRESS_NOW], state[gpu, c.G_INGRESS_NOW] = egress, ingress
            gpus[gpu, c.G_DIRTY] |= _HAS_NEW_CAPS
    for place in range(total[c.N_DIRTY_GPUS]):
        gpu = _dirty_gpus(s)[place]
        if gpus[gpu, c.G_DIRTY] & _HAS_NEW_CAPS and not total[c.PAIRS_IDLE]:
            for link in (gpu, total[c.GPUS] + gpu):
                base = res[link, c.R_BASE]
                for at in range(base, base + res[link, c.R_N]):
                    _refresh_pair(s, _users(s)[at])
        if gpus[gpu, c.G_DIRTY] & _HAS_NEW_ARRIVALS:  # behind the sources, whose levels matter more often to it
            look_at(s, total[c.GPUS] + gpu)
        gpus[gpu, c.G_DIRTY] = 0
    total[c.N_DIRTY_GPUS] = 0
    for place in range(total[c.N_NEW]):
        flow = _new_flows(s)[place]
        if not total[c.PAIRS_IDLE] and flow_i(s)[flow, c.F_PEER]:
            _refresh_pair(s, flow)


@inlined
def _worst(pulled: float, pushed: float, count: int, pushes: int) -> float:
    """The smaller factor of the kinds that occur."""
    if pushes == 0:
        return pulled
    return pushed if pushes == count else min(pulled, pushed)


@compiled
def _refresh_pair(s: Ints, flow: int) -> None:
    """Compute what is left of a flow's pair, and whether that can bind."""
    flows, res, room, state, users = flow_i(s), use_i(s), use_f(s), gpu_f(s), _users(s)
    src, dst = flows[flow, c.F_SRC], flows[flow, c.F_DST]
    uses, counted = flows[flow, c.F_USES], flows[flow, c.F_COUNTED]
    lost = min(state[src, c.G_EGRESS_NOW], state[dst, c.G_INGRESS_NOW])
    for j in range(2, uses):
        resource = flows[flow, c.F_RES + j]
        cap = room[resource, c.R_RATE] * lost
        if cap != room[resource, c.R_CAP]:
            room[resource, c.R_CAP] = cap
            if counted > 2:
                look_at(s, resource)
    if uses != 3:
        return
    pair = flows[flow, c.F_RES + 2]
    pulls = 0
    for at in range(res[pair, c.R_BASE], res[pair, c.R_BASE] + res[pair, c.R_N]):
        pulls += flows[users[at], c.F_USES] == 3
    ends = min(room[flows[flow, c.F_RES], c.R_CAP], room[flows[flow, c.F_RES + 1], c.R_CAP])
    counts = 2 if pulls == 1 and room[pair, c.R_CAP] >= ends else 3
    if counts != counted:
        flows[flow, c.F_COUNTED] = counts
        for j in range(3):
            look_at(s, flows[flow, c.F_RES + j])
