"""Copies start, move bytes and leave the links: `links.Fabric` on arrays."""

from __future__ import annotations

import math

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.changes import note_ends
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.views import (
    engine_f,
    engine_i,
    floats,
    flow_i,
    gpu_i,
    ints,
    rank_f,
    rank_i,
    run_floats,
    run_ints,
    use_i,
)
from dwdp_sim.fabric.compiled.watching import alone_rate, blame

_active, _users, _own_flows, _dirty = ints("active"), ints("users"), ints("own_flows"), ints("dirty")
_left, _rate, _whole, _tie_s, _due_s = (floats(name) for name in ("left", "rate", "whole", "tie_s", "due_s"))
_counted, _partners = floats("counted"), ints("partners")
_copy_flow, _copy_size, _queued = ints("copy_flow"), ints("copy_size"), ints("queued")
_copy_start_s = floats("copy_start_s")


@compiled
def move_bytes(left: Floats, rate: Floats, elapsed: float, count: int) -> None:
    """Take from `left` what has moved."""
    for k in range(count):
        left[k] -= rate[k] * elapsed


@compiled
def clock_step(now_s: float) -> float:
    """Return the unit in the clock's last place, as `math.ulp`."""
    return np.int64(np.float64(now_s).view(np.int64) + 1).view(np.float64) - now_s


@compiled
def advance(s: Ints) -> None:
    """Move bytes, and count seconds, up to the present instant."""
    total, clock = run_ints(s), run_floats(s)
    elapsed = clock[c.NOW] - clock[c.LAST_S]
    if elapsed <= 0.0:
        return
    clock[c.LAST_S] = clock[c.NOW]
    total[c.FRESH] = 0
    if total[c.BLAMES]:
        blame(s, elapsed)
    move_bytes(_left(s), _rate(s), elapsed, total[c.N_ACTIVE])
    if total[c.N_ALARMS]:
        engines, state = engine_i(s), engine_f(s)
        for e in range(total[c.ENGINES]):
            if engines[e, c.E_ALARM_ON] and state[e, c.E_TOTAL] > 0.0:
                state[e, c.E_ALARM_LEFT] -= state[e, c.E_TOTAL] * elapsed
    if total[c.N_METERS]:
        _count_seconds(s, elapsed)


@compiled
def _count_seconds(s: Ints, elapsed: float) -> None:
    total, gpus, engines, ranks = run_ints(s), gpu_i(s), engine_i(s), rank_i(s)
    for e in range(total[c.ENGINES]):
        way = engines[e, c.E_METER]
        if way and gpus[engines[e, c.E_GPU], c.G_OUT if way == 1 else c.G_IN]:
            engine_f(s)[e, c.E_METER_S] += elapsed
    for r in range(total[c.RANKS]):
        if ranks[r, c.K_METER] and gpus[r, c.G_IN]:
            rank_f(s)[r, c.K_METER_S] += elapsed


@inlined
def settle_soon(s: Ints) -> None:
    """Solve once all that happens at this instant has happened."""
    total = run_ints(s)
    if not total[c.SETTLING]:
        total[c.SETTLING] = 1
        push(s, 0.0, c.ON_SETTLE, c.NONE, c.NONE)


@inlined
def account(s: Ints, e: int) -> None:
    """Add to an engine's seconds of moving and waiting what has passed since its flows last changed.

    What it would have needed alone is what it has moved over the rate that so many flows would have.
    """
    state, engines = engine_f(s), engine_i(s)
    now = run_floats(s)[c.NOW]
    elapsed = now - state[e, c.E_SINCE_S]
    if elapsed <= 0.0:
        return
    state[e, c.E_SINCE_S] = now
    count = engines[e, c.E_MOVING]
    if not count:
        if engines[e, c.E_WAITING]:
            state[e, c.E_BLOCKED_S] += elapsed
        return
    flows, own, left, counted, first = flow_i(s), _own_flows(s), _left(s), _counted(s), engines[e, c.E_FIRST_FLOW]
    moved = 0.0
    for place in range(first, first + count):
        k = flows[own[place], c.F_POS]
        moved += counted[k] - left[k]
        counted[k] = left[k]
    state[e, c.E_SHARE_S] += min(moved / alone_rate(s, e), elapsed)
    state[e, c.E_MOVING_S] += elapsed


@inlined
def mark(s: Ints, e: int) -> None:
    """Remember that the sum of an engine's rates, for which its alarm asks, has to be taken again."""
    engines, total = engine_i(s), run_ints(s)
    if total[c.REFILL] == c.BYTES and not engines[e, c.E_DIRTY]:
        engines[e, c.E_DIRTY] = 1
        _dirty(s)[total[c.N_DIRTY]] = e
        total[c.N_DIRTY] += 1


@compiled
def start(s: Ints, copy: int) -> None:
    """Begin to move a copy, or let it queue for its source."""
    _copy_start_s(s)[copy] = run_floats(s)[c.NOW]
    advance(s)
    flow = _copy_flow(s)[copy]
    flows = flow_i(s)
    if run_ints(s)[c.FIFO] and flows[flow, c.F_PEER]:
        gpus, queued = gpu_i(s), _queued(s)
        src, e = flows[flow, c.F_SRC], flows[flow, c.F_ENGINE]
        account(s, e)
        engine_i(s)[e, c.E_WAITING] += 1
        queued[copy] = -1
        if gpus[src, c.G_HEAD] >= 0:
            queued[gpus[src, c.G_TAIL]] = copy
            gpus[src, c.G_TAIL] = copy
            return
        gpus[src, c.G_HEAD] = gpus[src, c.G_TAIL] = copy
    move(s, flow, copy)


@compiled
def move(s: Ints, flow: int, copy: int) -> None:
    """Let a copy move bytes over its flow, which is idle."""
    total, flows, res, engines = run_ints(s), flow_i(s), use_i(s), engine_i(s)
    k = total[c.N_ACTIVE]
    total[c.N_ACTIVE] = k + 1
    _active(s)[k] = flow
    flows[flow, c.F_POS] = k
    flows[flow, c.F_COPY] = copy
    account(s, flows[flow, c.F_ENGINE])
    _left(s)[k] = _counted(s)[k] = _whole(s)[k] = float(_copy_size(s)[copy])
    _rate(s)[k] = 0.0
    _tie_s(s)[k] = -1.0
    _due_s(s)[k] = math.inf
    users, partners = _users(s), _partners(s)
    uses = flows[flow, c.F_USES]
    ends = flows[flow, c.F_RES] + flows[flow, c.F_RES + 1]
    for j in range(uses):
        resource = flows[flow, c.F_RES + j]
        place = res[resource, c.R_N]
        users[res[resource, c.R_BASE] + place] = flow
        partners[res[resource, c.R_BASE] + place] = ends - resource
        flows[flow, c.F_PLACE + j] = place
        res[resource, c.R_N] = place + 1
    note_ends(s, flow, c.BEGINS)
    e = flows[flow, c.F_ENGINE]
    own, first = _own_flows(s), engines[e, c.E_FIRST_FLOW]
    place = engines[e, c.E_MOVING]
    engines[e, c.E_MOVING] = place + 1
    while place > 0 and own[first + place - 1] > flow:
        own[first + place] = own[first + place - 1]
        place -= 1
    own[first + place] = flow
    mark(s, e)
    settle_soon(s)


@compiled
def remove(s: Ints, flow: int) -> None:
    """Take a flow, whose copy has arrived, off the links."""
    total, flows, res, engines, active = run_ints(s), flow_i(s), use_i(s), engine_i(s), _active(s)
    account(s, flows[flow, c.F_ENGINE])
    k, last = flows[flow, c.F_POS], total[c.N_ACTIVE] - 1
    total[c.N_ACTIVE] = last
    if k != last:
        active[k] = active[last]
        flows[active[k], c.F_POS] = k
        _left(s)[k], _whole(s)[k], _rate(s)[k] = _left(s)[last], _whole(s)[last], _rate(s)[last]
        _tie_s(s)[k], _due_s(s)[k], _counted(s)[k] = _tie_s(s)[last], _due_s(s)[last], _counted(s)[last]
    users, partners = _users(s), _partners(s)
    for j in range(flows[flow, c.F_USES]):
        resource = flows[flow, c.F_RES + j]
        base, place = res[resource, c.R_BASE], flows[flow, c.F_PLACE + j]
        count = res[resource, c.R_N] - 1
        res[resource, c.R_N] = count
        if place != count:
            moved = users[base + count]
            users[base + place] = moved
            partners[base + place] = partners[base + count]
            for i in range(flows[moved, c.F_USES]):
                if flows[moved, c.F_RES + i] == resource:
                    flows[moved, c.F_PLACE + i] = place
    note_ends(s, flow, c.ENDS)
    e = flows[flow, c.F_ENGINE]
    own, place = _own_flows(s), engines[e, c.E_FIRST_FLOW]
    engines[e, c.E_MOVING] -= 1
    end = place + engines[e, c.E_MOVING]
    while own[place] != flow:
        place += 1
    while place < end:
        own[place] = own[place + 1]
        place += 1
    mark(s, e)
