"""Solve again only what a change reaches: where a resource's level changes, those that share a flow with it are next.

The rates of `filling` are the only ones that satisfy one rule: a resource is full at the level to which its capacity,
less what its flows take that other resources hold below that level, can be shared by the rest. So the rule is applied
to the resources whose flows or capacities have changed, then to the neighbours of those whose level has changed by
that, and so on. One thing in `filling` is not local: levels closer than its tie are taken for one. As long as there
are such, all is solved from scratch.
"""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.shares import add_share, clear_shares, remove_share
from dwdp_sim.fabric.compiled.views import both, floats, flow_i, gamma, gpu_f, gpu_i, ints, run_ints, use_f, use_i

_TIE = 1.0 + 1e-12  # as in `filling`
_IS_LISTED, _HAS_NEW_CAPS, _HAS_NEW_ARRIVALS = 1, 2, 4  # of a GPU whose flows have changed
_LOOKS_A_RESOURCE = 8  # more looks than this in the mean, and solving from scratch is faster
_users, _work, _dirty_gpus, _todo, _changed = (
    ints(name) for name in ("users", "work", "dirty_gpus", "todo", "changed")
)  # fmt: skip
_share_of, _partners = floats("share_of"), ints("partners")
_bounds, _new_flows = floats("bounds"), ints("new_flows")


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
        if res[flows[flow, c.F_RES + 2], c.R_N] == (1 if change > 0 else 0):
            gpus[src, c.G_TAKERS] += change
    if not total[c.RIPPLES]:
        return
    uses = flows[flow, c.F_USES]
    if uses == 3 and total[c.PAIRS_IDLE]:
        uses = 2
    if change > 0:
        flows[flow, c.F_COUNTED] = uses
        _new_flows(s)[total[c.N_NEW]] = flow
        total[c.N_NEW] += 1
    look_at(s, flows[flow, c.F_RES])
    if not flows[flow, c.F_PEER]:
        return
    for j in range(2, uses):
        look_at(s, flows[flow, c.F_RES + j])
    others = res[flows[flow, c.F_RES + 2], c.R_N] > (1 if change > 0 else 0)
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
    total, res, todo = run_ints(s), use_i(s), _todo(s)
    if res[resource, c.R_QUEUED]:
        return
    res[resource, c.R_QUEUED] = 1
    place = total[c.TODO_FIRST] + total[c.TODO_N]
    todo[place - len(todo) if place >= len(todo) else place] = resource
    total[c.TODO_N] += 1


@inlined
def _take(s: Ints) -> int:
    total, res, todo = run_ints(s), use_i(s), _todo(s)
    resource = todo[total[c.TODO_FIRST]]
    total[c.TODO_FIRST] += 1
    if total[c.TODO_FIRST] == len(todo):
        total[c.TODO_FIRST] = 0
    total[c.TODO_N] -= 1
    res[resource, c.R_QUEUED] = 0
    return resource


@compiled
def ripple(s: Ints) -> bool:
    """Solve what has changed; return False if all has to be solved from scratch."""
    total, res, room, share_of = run_ints(s), use_i(s), use_f(s), _share_of(s)
    _refresh_capacities(s)
    if total[c.N_SNAPPED]:
        return False
    looks = _LOOKS_A_RESOURCE * (total[c.N_ACTIVE] + 8)
    while total[c.TODO_N]:
        resource = _take(s)
        level = _level(s, resource)
        looks -= 1
        old = room[resource, c.R_RAW]
        if level == old:
            continue
        if looks < 0:
            return False
        if not res[resource, c.R_CHANGED]:
            res[resource, c.R_CHANGED] = 1
            _changed(s)[total[c.N_CHANGED]] = resource
            total[c.N_CHANGED] += 1
        if old < math.inf:
            remove_share(s, res[resource, c.R_PLACE])
        if level < math.inf:
            res[resource, c.R_PLACE] = add_share(s, level)
        room[resource, c.R_RAW] = share_of[resource] = level
        _look_at_neighbours(s, resource, min(old, level))
    total[c.RIPPLED] += 1
    return total[c.N_NEAR] == 0


@inlined
def _level(s: Ints, resource: int) -> float:  # noqa: PLR0912 - one and two users, the most frequent, come first
    """The level at which a resource is full, given those of all others; infinite if it never is."""
    flows, res, room, users, bounds = flow_i(s), use_i(s), use_f(s), _users(s), _bounds(s)
    share_of, partners = _share_of(s), _partners(s)
    base, users_n = res[resource, c.R_BASE], res[resource, c.R_N]
    if users_n == 1 and partners[base] >= 0:
        cap = room[resource, c.R_CAP]
        return cap if cap <= share_of[partners[base]] * _TIE else math.inf
    if users_n == 2 and partners[base] >= 0 and partners[base + 1] >= 0:
        cap = room[resource, c.R_CAP]
        one, other = share_of[partners[base]], share_of[partners[base + 1]]
        low, high = min(one, other), max(one, other)
        if cap / 2 <= low * _TIE:
            return cap / 2
        rest = max(cap - low, 0.0)
        return rest if rest <= high * _TIE else math.inf
    count = 0
    is_pair = res[resource, c.R_KIND] == c.PAIR
    for at in range(base, base + users_n):
        bound = math.inf
        if partners[at] >= 0:
            bound = share_of[partners[at]]
        else:
            flow = users[at]
            counted = flows[flow, c.F_COUNTED]
            if is_pair and counted == 2:
                continue
            for j in range(counted):
                other = flows[flow, c.F_RES + j]
                if other != resource:
                    bound = min(bound, share_of[other])
        place = count
        count += 1
        while place > 0 and bounds[place - 1] > bound:
            bounds[place] = bounds[place - 1]
            place -= 1
        bounds[place] = bound
    if not count:
        return math.inf
    left = room[resource, c.R_CAP]
    level = left / count
    place = 0
    while level > bounds[place] * _TIE:
        left -= bounds[place]
        place += 1
        if place == count:
            return math.inf
        level = max(left, 0.0) / (count - place)
    return level


@inlined
def _look_at_neighbours(s: Ints, resource: int, lower: float) -> None:
    """Look at the resources that share a flow with one whose level was or is `lower`, if that is below their own."""
    flows, res, room, users, partners = flow_i(s), use_i(s), use_f(s), _users(s), _partners(s)
    base = res[resource, c.R_BASE]
    for at in range(base, base + res[resource, c.R_N]):
        if partners[at] >= 0:
            if lower < room[partners[at], c.R_RAW]:
                look_at(s, partners[at])
            continue
        flow = users[at]
        for j in range(flows[flow, c.F_COUNTED]):
            other = flows[flow, c.F_RES + j]
            if other != resource and lower < room[other, c.R_RAW]:
                look_at(s, other)


@compiled
def _refresh_capacities(s: Ints) -> None:  # noqa: PLR0912 - egress and ingress alike
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
        if gpus[gpu, c.G_DIRTY] & _HAS_NEW_CAPS and total[c.PAIRS_COUNT]:
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
        if total[c.PAIRS_COUNT] and flow_i(s)[flow, c.F_PEER]:
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
    if uses != 3 or run_ints(s)[c.PAIRS_IDLE]:
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


@compiled
def rebuild(s: Ints) -> None:
    """Take the levels over from a solution from scratch."""
    total, res, room = run_ints(s), use_i(s), use_f(s)
    while total[c.TODO_N]:
        _drop(s, _take(s))
    for place in range(total[c.N_CHANGED]):
        resource = _changed(s)[place]
        res[resource, c.R_CHANGED] = 0
        _drop(s, resource)
    total[c.N_CHANGED] = total[c.N_SNAPPED] = total[c.N_NEW] = 0
    clear_shares(s)
    total[c.SOLVED] += 1
    for place in range(total[c.LOOKED_AT]):  # `solve` has left those in use in `work`
        resource = _work(s)[place]
        if room[resource, c.R_RAW] < math.inf:
            res[resource, c.R_PLACE] = add_share(s, room[resource, c.R_RAW])
            total[c.N_SNAPPED] += room[resource, c.R_RAW] != _share_of(s)[resource]


@compiled
def _drop(s: Ints, resource: int) -> None:
    """Forget the level of a resource that nothing uses."""
    if not use_i(s)[resource, c.R_N]:
        use_f(s)[resource, c.R_RAW] = _share_of(s)[resource] = math.inf
