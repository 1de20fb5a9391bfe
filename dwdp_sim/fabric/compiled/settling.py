"""Give flows their rates, and set the timer for the first completion: `links.Fabric` on arrays."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.capacities import solve
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.known import recall, remember
from dwdp_sim.fabric.compiled.links import mark
from dwdp_sim.fabric.compiled.ripple import rebuild, ripple
from dwdp_sim.fabric.compiled.views import (
    engine_f,
    engine_i,
    floats,
    flow_i,
    ints,
    rate_of,
    run_floats,
    run_ints,
    smaller_of,
    use_i,
)
from dwdp_sim.fabric.compiled.watching import log_rates

_SAME_TIME = 1e-12  # as in `fabric.links`
_active, _users, _own_flows, _dirty = ints("active"), ints("users"), ints("own_flows"), ints("dirty")
_left, _rate, _whole, _tie_s, _due_s = (floats(name) for name in ("left", "rate", "whole", "tie_s", "due_s"))
_share_of, _partners = floats("share_of"), ints("partners")
_changed, _new_flows = ints("changed"), ints("new_flows")


@inlined
def seconds_left(left: Floats, rate: Floats, due_s: Floats, count: int) -> float:
    """Note how long each copy still takes; return the least."""
    least = math.inf
    for k in range(count):
        due = left[k] / rate[k]
        due_s[k] = due
        least = smaller_of(least, due)
    return least


@inlined
def least_of(values: Floats, count: int) -> float:
    """Return the least of `count` numbers."""
    least = math.inf
    for k in range(count):
        least = smaller_of(least, values[k])
    return least


@compiled
def settle(s: Ints) -> None:
    """Solve for the flows that move now, set the timer for the first completion, and write the rates down."""
    _solve_and_set_timer(s)
    if run_ints(s)[c.RECORDS]:
        log_rates(s)


@inlined
def _solve_and_set_timer(s: Ints) -> None:
    total, clock = run_ints(s), run_floats(s)
    total[c.SETTLING] = 0
    count = total[c.N_ACTIVE]
    if count:
        if total[c.RIPPLES]:
            if ripple(s):
                _apply_changed(s)
            else:
                solve(s)
                rebuild(s)
                _apply(s)
        else:
            if not recall(s):
                solve(s)
                remember(s)
            _apply(s)
    _sum_rates(s)
    if not count:
        total[c.TIMER_ON] = 0
        return
    if not total[c.FRESH]:
        seconds_left(_left(s), _rate(s), _due_s(s), count)
    delay = least_of(_due_s(s), count)
    if total[c.N_ALARMS]:
        engines, state = engine_i(s), engine_f(s)
        for e in range(total[c.ENGINES]):
            if engines[e, c.E_ALARM_ON] and state[e, c.E_TOTAL] > 0.0:
                delay = min(delay, state[e, c.E_ALARM_LEFT] / state[e, c.E_TOTAL])
    total[c.SEQ] += 1
    total[c.TIMER_SEQ] = total[c.SEQ]
    total[c.TIMER_ON] = 1
    clock[c.TIMER_S] = clock[c.NOW] + max(delay, 0.0)


@compiled
def _apply(s: Ints) -> None:
    """Give every flow its solved rate."""
    active, rates, flows = _active(s), rate_of(s), flow_i(s)
    left, rate, whole, tie_s, due_s = _left(s), _rate(s), _whole(s), _tie_s(s), _due_s(s)
    for k in range(run_ints(s)[c.N_ACTIVE]):
        solved = rates[active[k]]
        if solved != rate[k]:
            rate[k] = solved
            tie_s[k] = _SAME_TIME * (whole[k] / solved)
            due_s[k] = left[k] / solved
            mark(s, flows[active[k], c.F_ENGINE])


@inlined
def _apply_changed(s: Ints) -> None:
    """Give the flows of resources whose level has changed their new rate."""
    total, res, users, changed, share_of = run_ints(s), use_i(s), _users(s), _changed(s), _share_of(s)
    partners, idle = _partners(s), total[c.PAIRS_IDLE]
    for place in range(total[c.N_CHANGED]):
        resource = changed[place]
        res[resource, c.R_CHANGED] = 0
        base, level = res[resource, c.R_BASE], share_of[resource]
        for at in range(base, base + res[resource, c.R_N]):
            solved = min(level, share_of[partners[at]]) if idle else _least_level(s, users[at])
            _give_rate(s, users[at], solved)
    total[c.N_CHANGED] = 0
    for place in range(total[c.N_NEW]):
        _give_rate(s, _new_flows(s)[place], _least_level(s, _new_flows(s)[place]))
    total[c.N_NEW] = 0


@inlined
def _least_level(s: Ints, flow: int) -> float:
    """The least level of a flow's resources."""
    flows, share_of = flow_i(s), _share_of(s)
    least = share_of[flows[flow, c.F_RES]]
    for j in range(1, flows[flow, c.F_COUNTED]):
        least = min(least, share_of[flows[flow, c.F_RES + j]])
    return least


@inlined
def _give_rate(s: Ints, flow: int, solved: float) -> None:
    """Give a flow a rate, if that is new."""
    flows, rate = flow_i(s), _rate(s)
    k = flows[flow, c.F_POS]
    if solved != rate[k]:
        rate[k] = solved
        _tie_s(s)[k] = _SAME_TIME * (_whole(s)[k] / solved)
        _due_s(s)[k] = _left(s)[k] / solved
        mark(s, flows[flow, c.F_ENGINE])


@inlined
def _sum_rates(s: Ints) -> None:
    """Sum the rates of the engines whose flows have changed."""
    total, engines, flows, own = run_ints(s), engine_i(s), flow_i(s), _own_flows(s)
    for place in range(total[c.N_DIRTY]):
        e = _dirty(s)[place]
        engines[e, c.E_DIRTY] = 0
        first, rate = engines[e, c.E_FIRST_FLOW], 0.0
        for at in range(first, first + engines[e, c.E_MOVING]):
            rate += _rate(s)[flows[own[at], c.F_POS]]
        engine_f(s)[e, c.E_TOTAL] = rate
    total[c.N_DIRTY] = 0
