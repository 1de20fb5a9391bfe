"""Write down how fast flows move, and add up what prefetches lose to whom: `blame.Blame` on arrays."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import (
    engine_i,
    floats,
    flow_i,
    gpu_i,
    ints,
    length,
    rank_i,
    run_floats,
    run_ints,
    use_f,
)
from dwdp_sim.fabric.compiled.views import use_i as resources

_active, _users, _own_flows = ints("active"), ints("users"), ints("own_flows")
_rate, _alone, _lost_s = floats("rate"), floats("alone"), floats("lost_s")
_alone_n = length("alone")
_log, _log_value, _log_alone = ints("log"), floats("log_value"), floats("log_alone")


@compiled
def alone_rate(s: Ints, e: int) -> float:
    """The rate that an engine would have if only its flows moved; it has some."""
    flow, count = _own_flows(s)[engine_i(s)[e, c.E_FIRST_FLOW]], engine_i(s)[e, c.E_MOVING]
    flows = flow_i(s)
    if flows[flow, c.F_PEER]:
        return _alone(s)[flows[flow, c.F_PUSH] * (_alone_n(s) >> 1) + count]
    return use_f(s)[flows[flow, c.F_RES], c.R_RATE]


@compiled
def log_rates(s: Ints) -> None:
    """Write down the rates that hold from now on, if they are wanted, and the first ones after: time, then flows."""
    total, clock, flows, engines = run_ints(s), run_floats(s), flow_i(s), engine_i(s)
    if total[c.TIMER_ON] and clock[c.TIMER_S] < clock[c.RECORD_FROM_S]:
        return
    if clock[c.NOW] > clock[c.RECORD_UNTIL_S]:
        total[c.RECORDS] = 0
    place = total[c.LOG_N]
    _log(s)[place] = c.SETTLED
    _log_value(s)[place] = clock[c.NOW]
    for k in range(total[c.N_ACTIVE]):
        place += 1
        flow = _active(s)[k]
        e = flows[flow, c.F_ENGINE]
        _log(s)[place] = flow
        _log_value(s)[place] = _rate(s)[k]
        _log_alone(s)[place] = alone_rate(s, e) / engines[e, c.E_MOVING]
    total[c.LOG_N] = place + 1


@compiled
def blame(s: Ints, elapsed: float) -> None:
    """Add what every rank's prefetch has lost in the time since the clock last moved."""
    total, engines, ranks = run_ints(s), engine_i(s), rank_i(s)
    prefetches = total[c.ITERATIONS] * total[c.LAYERS]
    for e in range(total[c.ENGINES]):
        rank = engines[e, c.E_GPU]
        if engines[e, c.E_MOVING] and rank < total[c.RANKS] and ranks[rank, c.K_FETCHED] < prefetches:
            _blame_engine(s, e, rank * prefetches + ranks[rank, c.K_FETCHED], elapsed)


@compiled
def _blame_engine(s: Ints, e: int, prefetch: int, elapsed: float) -> None:
    """Split what an engine has lost over its flows, by what each lacks against its rate alone."""
    engines, flows, own, rate = engine_i(s), flow_i(s), _own_flows(s), _rate(s)
    first, count = engines[e, c.E_FIRST_FLOW], engines[e, c.E_MOVING]
    alone, moved, lacking = alone_rate(s, e), 0.0, 0.0
    for place in range(first, first + count):
        one = rate[flows[own[place], c.F_POS]]
        moved += one
        lacking += max(alone / count - one, 0.0)
    lost_s = elapsed * (1.0 - moved / alone)
    if lost_s <= 0.0:
        return
    for place in range(first, first + count):
        lacks = alone / count - rate[flows[own[place], c.F_POS]]
        if lacks > 0.0 and flows[own[place], c.F_DST] == flows[own[place], c.F_GPU]:
            _blame_readers(s, own[place], prefetch, lost_s * lacks / lacking)


@compiled
def _blame_readers(s: Ints, flow: int, prefetch: int, lost_s: float) -> None:
    """Split what a flow has lost equally over the other GPUs that read its source; if there are none, its own links."""
    total, flows, gpus, users, res = run_ints(s), flow_i(s), gpu_i(s), _users(s), resources(s)
    width, egress = total[c.WIDTH], flows[flow, c.F_RES]
    row = (prefetch * width + flows[flow, c.F_SRC] + 1) * width
    first, others = res[egress, c.R_BASE], 0
    last = first + (res[egress, c.R_N] if flows[flow, c.F_PEER] else 0)
    for turn in range(2):  # count them, then give each its part
        total[c.STAMP] += 1
        for place in range(first, last):
            reader = flows[users[place], c.F_DST]
            if reader == flows[flow, c.F_DST] or gpus[reader, c.G_STAMP] == total[c.STAMP]:
                continue  # a pull and a push may carry bytes to one reader
            gpus[reader, c.G_STAMP] = total[c.STAMP]
            if turn:
                _lost_s(s)[row + reader + 1] += lost_s / others
            else:
                others += 1
    if not others:
        _lost_s(s)[row] += lost_s
