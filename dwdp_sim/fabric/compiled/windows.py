"""Which copies of a batch move at once, and which starts next: `in_flight` on arrays."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.links import advance, settle_soon, start
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.views import (
    engine_f,
    engine_i,
    floats,
    flow_i,
    heads,
    ints,
    run_floats,
    run_i,
    run_ints,
    window_i,
)

_copy_flow, _copy_size, _copy_end_s = ints("copy_flow"), ints("copy_size"), floats("copy_end_s")
_copy_next, _copy_next_own, _copy_half = ints("copy_next"), ints("copy_next_own"), ints("copy_half")
_behind, _run_heads = ints("behind"), ints("run_heads")


@compiled
def begin_run(s: Ints, e: int, run: int) -> None:
    """Let the first copies of a run move."""
    total, engines, windows, runs = run_ints(s), engine_i(s), window_i(s), run_i(s)
    first = runs[run, c.N_FIRST]
    engines[e, c.E_LEFT] = runs[run, c.N_LAST] - first
    if total[c.REFILL] == c.BYTES:
        windows[2 * e, c.W_NEXT] = first
        engine_f(s)[e, c.E_OPENS_AT] = -run_floats(s)[c.WINDOW_BYTES]
        open_as_bytes_arrive(s, e, 0.0)
        return
    for w in (2 * e, 2 * e + 1):
        windows[w, c.W_FREE] = total[c.PLACES]
        windows[w, c.W_N] = 0
    if total[c.REFILL] == c.OLDEST:
        windows[2 * e, c.W_NEXT] = first
        windows[2 * e + 1, c.W_NEXT] = runs[run, c.N_SECOND_HALF]
        _enter_members(s, 2 * e)
        _enter_members(s, 2 * e + 1)
        return
    for place in range(runs[run, c.N_HEADS], runs[run, c.N_END_HEADS]):  # rising: a heap
        copy = _run_heads(s)[place]
        w = 2 * e + _copy_half(s)[copy]
        heads(s)[windows[w, c.W_BASE] + windows[w, c.W_N]] = copy
        windows[w, c.W_N] += 1
    _take_heads(s, 2 * e)
    _take_heads(s, 2 * e + 1)


@compiled
def arrived(s: Ints, copy: int) -> None:
    """A copy is complete: the next ones go on, or its engine does."""
    _copy_end_s(s)[copy] = run_floats(s)[c.NOW]
    flow = _copy_flow(s)[copy]
    e = flow_i(s)[flow, c.F_ENGINE]
    engines = engine_i(s)
    engines[e, c.E_LEFT] -= 1
    if not engines[e, c.E_LEFT]:
        flow_i(s)[flow, c.F_READING] = 0
        push(s, 0.0, c.ON_ENGINE, e, c.NONE)
        return
    windows, refill = window_i(s), run_ints(s)[c.REFILL]
    w = 2 * e + _copy_half(s)[copy]
    windows[w, c.W_FREE] += 1
    if refill == c.ANY:
        following = _copy_next(s)[copy]
        if following >= 0:
            _add_head(s, w, following)
        _take_heads(s, w)
        return
    flows = flow_i(s)
    following = flows[flow, c.F_HEAD]
    if following >= 0:
        flows[flow, c.F_HEAD] = _behind(s)[following]
        start(s, following)
    else:
        flows[flow, c.F_READING] = 0
    if refill == c.OLDEST:
        _enter_members(s, w)


@compiled
def _enter_members(s: Ints, w: int) -> None:
    """Let the oldest copies outside the window in, while it has places."""
    windows = window_i(s)
    while windows[w, c.W_FREE] > 0 and windows[w, c.W_NEXT] >= 0:
        copy = windows[w, c.W_NEXT]
        windows[w, c.W_NEXT] = _copy_next_own(s)[copy]
        windows[w, c.W_FREE] -= 1
        _add_to_source(s, copy)


@compiled
def _add_to_source(s: Ints, copy: int) -> None:
    """Start a copy that may move, or put it behind those of its flow."""
    flows, flow, behind = flow_i(s), _copy_flow(s)[copy], _behind(s)
    if not flows[flow, c.F_READING]:
        flows[flow, c.F_READING] = 1
        flows[flow, c.F_HEAD] = -1
        start(s, copy)
        return
    behind[copy] = -1
    if flows[flow, c.F_HEAD] < 0:
        flows[flow, c.F_HEAD] = copy
    else:
        behind[flows[flow, c.F_TAIL]] = copy
    flows[flow, c.F_TAIL] = copy


@compiled
def open_as_bytes_arrive(s: Ints, e: int, arrived_bytes: float) -> None:
    """Let in what may move once so many bytes of the run are here, and set an alarm for the next copy."""
    total, state, engines, windows = run_ints(s), engine_f(s), engine_i(s), window_i(s)
    w = 2 * e
    while windows[w, c.W_NEXT] >= 0 and state[e, c.E_OPENS_AT] <= arrived_bytes:
        copy = windows[w, c.W_NEXT]
        windows[w, c.W_NEXT] = _copy_next_own(s)[copy]
        state[e, c.E_OPENS_AT] += _copy_size(s)[copy]
        _add_to_source(s, copy)
    if windows[w, c.W_NEXT] < 0:
        return
    advance(s)
    state[e, c.E_ALARM_LEFT] = state[e, c.E_ALARM_WHOLE] = state[e, c.E_OPENS_AT] - arrived_bytes
    state[e, c.E_THRESHOLD] = state[e, c.E_OPENS_AT]
    engines[e, c.E_ALARM_ON] = 1
    total[c.N_ALARMS] += 1
    total[c.ALARM_SEQ] += 1
    engines[e, c.E_ALARM_SEQ] = total[c.ALARM_SEQ]
    settle_soon(s)


@compiled
def _add_head(s: Ints, w: int, copy: int) -> None:
    heap, windows = heads(s), window_i(s)
    base, place = windows[w, c.W_BASE], windows[w, c.W_N]
    windows[w, c.W_N] = place + 1
    while place > 0 and heap[base + ((place - 1) >> 1)] > copy:
        heap[base + place] = heap[base + ((place - 1) >> 1)]
        place = (place - 1) >> 1
    heap[base + place] = copy


@compiled
def _take_heads(s: Ints, w: int) -> None:
    """Start the oldest copies among sources that are not being read, while there are places."""
    windows = window_i(s)
    while windows[w, c.W_FREE] > 0 and windows[w, c.W_N] > 0:
        windows[w, c.W_FREE] -= 1
        start(s, _pop_head(s, w))


@compiled
def _pop_head(s: Ints, w: int) -> int:
    heap, windows = heads(s), window_i(s)
    base = windows[w, c.W_BASE]
    first = heap[base]
    last = windows[w, c.W_N] - 1
    windows[w, c.W_N] = last
    copy = heap[base + last]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        if below + 1 < last and heap[base + below + 1] < heap[base + below]:
            below += 1
        if heap[base + below] > copy:
            break
        heap[base + place] = heap[base + below]
        place = below
    heap[base + place] = copy
    return first
