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
from dwdp_sim.fabric.compiled.changes import look_at, refresh_capacities
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.shares import add_share, clear_shares, remove_share
from dwdp_sim.fabric.compiled.views import floats, flow_i, ints, length, run_ints, use_f, use_i

_TIE = 1.0 + 1e-12  # as in `filling`
_LOOKS_A_RESOURCE = 8  # more looks than this in the mean, and solving from scratch is faster
_users, _work, _todo, _changed = ints("users"), ints("work"), ints("todo"), ints("changed")
_share_of, _partners, _bounds = floats("share_of"), ints("partners"), floats("bounds")
_todo_most = length("todo")


@inlined
def _take(s: Ints) -> int:
    total, res, todo = run_ints(s), use_i(s), _todo(s)
    resource = todo[total[c.TODO_FIRST]]
    total[c.TODO_FIRST] += 1
    if total[c.TODO_FIRST] == _todo_most(s):
        total[c.TODO_FIRST] = 0
    total[c.TODO_N] -= 1
    res[resource, c.R_QUEUED] = 0
    return resource


@compiled
def ripple(s: Ints) -> bool:
    """Solve what has changed; return False if all has to be solved from scratch."""
    total, res, share_of, idle = run_ints(s), use_i(s), _share_of(s), run_ints(s)[c.PAIRS_IDLE]
    refresh_capacities(s)
    if total[c.N_SNAPPED]:
        return False
    looks = _LOOKS_A_RESOURCE * (total[c.N_ACTIVE] + 8)
    while total[c.TODO_N]:
        resource = _take(s)
        level = _level_between(s, resource) if idle else _level(s, resource)
        looks -= 1
        old = share_of[resource]
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
        share_of[resource] = level
        if idle:
            _look_across(s, resource, min(old, level))
        else:
            _look_at_neighbours(s, resource, min(old, level))
    total[c.RIPPLED] += 1
    return total[c.N_NEAR] == 0


@inlined
def _level_between(s: Ints, resource: int) -> float:
    """The level at which a resource is full, given those of all others, where no flow uses more than two.

    Infinite if it never is. Most often no other resource holds a flow below it, or there are two flows at most.
    """
    res, partners, share_of = use_i(s), _partners(s), _share_of(s)
    base, count, cap = res[resource, c.R_BASE], res[resource, c.R_N], use_f(s)[resource, c.R_CAP]
    if not count:
        return math.inf
    least, most = math.inf, 0.0
    for at in range(base, base + count):
        bound = share_of[partners[at]]
        least, most = min(least, bound), max(most, bound)
    level = cap / count
    if level <= least * _TIE:
        return level
    if count > 2:
        for at in range(base, base + count):
            _sort_in(s, at - base, share_of[partners[at]])
        return _level_above(s, cap, count)
    rest = max(cap - least, 0.0)
    return rest if count == 2 and rest <= most * _TIE else math.inf


@compiled
def _level(s: Ints, resource: int) -> float:
    """The same where flows use any number of resources."""
    flows, res, users, share_of = flow_i(s), use_i(s), _users(s), _share_of(s)
    count = 0
    is_pair = res[resource, c.R_KIND] == c.PAIR
    for at in range(res[resource, c.R_BASE], res[resource, c.R_BASE] + res[resource, c.R_N]):
        flow = users[at]
        counted = flows[flow, c.F_COUNTED]
        if is_pair and counted == 2:
            continue
        bound = math.inf
        for j in range(counted):
            other = flows[flow, c.F_RES + j]
            if other != resource:
                bound = min(bound, share_of[other])
        _sort_in(s, count, bound)
        count += 1
    return _level_above(s, use_f(s)[resource, c.R_CAP], count)


@inlined
def _sort_in(s: Ints, place: int, bound: float) -> None:
    """Put a level into the list of those that hold a resource's flows, which has `place` of them."""
    bounds = _bounds(s)
    while place > 0 and bounds[place - 1] > bound:
        bounds[place] = bounds[place - 1]
        place -= 1
    bounds[place] = bound


@compiled
def _level_above(s: Ints, left: float, count: int) -> float:
    """The level to which those of `count` flows can share a capacity that no level in the list holds below it."""
    bounds = _bounds(s)
    if not count:
        return math.inf
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
def _look_across(s: Ints, resource: int, lower: float) -> None:
    """Look at the other resources of the flows of one whose level was or is `lower`, if that is below their own."""
    res, share_of, partners = use_i(s), _share_of(s), _partners(s)
    base = res[resource, c.R_BASE]
    for at in range(base, base + res[resource, c.R_N]):
        if lower < share_of[partners[at]]:
            look_at(s, partners[at])


@compiled
def _look_at_neighbours(s: Ints, resource: int, lower: float) -> None:
    """The same where flows use any number of resources."""
    flows, res, share_of, users = flow_i(s), use_i(s), _share_of(s), _users(s)
    base = res[resource, c.R_BASE]
    for at in range(base, base + res[resource, c.R_N]):
        flow = users[at]
        for j in range(flows[flow, c.F_COUNTED]):
            other = flows[flow, c.F_RES + j]
            if other != resource and lower < share_of[other]:
                look_at(s, other)


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
        _share_of(s)[resource] = math.inf
