"""Copy engines: which call runs when, and where its stream's time goes: `engine.CopyEngine` on arrays."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.links import account, advance
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.streams import (
    NO_GATE,
    SLOT,
    barrier_place,
    complete_barrier,
    gate_of,
    head_call,
    issue_place,
    offer,
    opened_s,
)
from dwdp_sim.fabric.compiled.views import (
    call_f,
    call_i,
    engine_f,
    engine_i,
    floats,
    ints,
    length,
    rank_f,
    rank_i,
    ring_f,
    run_floats,
    run_i,
    run_ints,
    stream_f,
    stream_i,
)
from dwdp_sim.fabric.compiled.windows import begin_run

_pending, _issue_s, _run_gap_s = ints("pending"), floats("issue_s"), floats("run_gap_s")
_layer_s, _pending_n = floats("layer_s"), length("pending")


@compiled
def resume(s: Ints, e: int) -> None:
    """Go on with an engine: what it waited for has happened."""
    engines, state, calls = engine_i(s), engine_f(s), call_i(s)
    doing = engines[e, c.E_STATE]
    if doing == c.METERS:
        advance(s)
        engines[e, c.E_METER] = 0
        run_ints(s)[c.N_METERS] -= 1
        longer = (run_floats(s)[c.GAP_FACTOR] - 1.0) * state[e, c.E_METER_S]
        left_s = max(longer, state[e, c.E_REST_S])
        stream_f(s)[engines[e, c.E_STREAM], c.S_GAP_S] += left_s - state[e, c.E_REST_S]
        engines[e, c.E_STATE] = c.WAITS
        push(s, left_s, c.ON_ENGINE, e, c.NONE)
        return
    if doing == c.WAITS:
        if engines[e, c.E_RUN] == calls[engines[e, c.E_CALL], c.C_FIRST_RUN]:
            account(s, e)
            state[e, c.E_SHARE_AT] = state[e, c.E_SHARE_S]
            state[e, c.E_LOST_AT] = state[e, c.E_MOVING_S] - state[e, c.E_SHARE_S] + state[e, c.E_BLOCKED_S]
        engines[e, c.E_STATE] = c.MOVES
        begin_run(s, e, engines[e, c.E_RUN])
        return
    if doing == c.MOVES:
        engines[e, c.E_RUN] += 1
        run = engines[e, c.E_RUN]
        if run < calls[engines[e, c.E_CALL], c.C_LAST_RUN]:
            stream_f(s)[engines[e, c.E_STREAM], c.S_GAP_S] += _run_gap_s(s)[run]
            _wait(s, e, _run_gap_s(s)[run], 0.0)
            return
        _complete_call(s, e)
    _take_next(s, e)


@compiled
def _wait(s: Ints, e: int, seconds: float, other_s: float) -> None:
    """Let a gap go by: longer by a factor while the GPU's opposite direction moves bytes."""
    engines, state, run = engine_i(s), engine_f(s), run_i(s)[engine_i(s)[e, c.E_RUN]]
    least_s = max(seconds, other_s)
    if run_floats(s)[c.GAP_FACTOR] == 1.0 or not run[c.N_PEER] or seconds <= 0.0:
        engines[e, c.E_STATE] = c.WAITS
        push(s, least_s, c.ON_ENGINE, e, c.NONE)
        return
    advance(s)
    engines[e, c.E_METER] = 2 if run[c.N_PUSH] else 1
    state[e, c.E_METER_S] = 0.0
    run_ints(s)[c.N_METERS] += 1
    state[e, c.E_REST_S] = least_s - seconds
    engines[e, c.E_STATE] = c.METERS
    push(s, seconds, c.ON_ENGINE, e, c.NONE)


@compiled
def _take_next(s: Ints, e: int) -> None:
    """Take the next call: of the stream with which the engine stays, or of that which became ready first."""
    engines, pending = engine_i(s), _pending(s)
    width = _pending_n(s) // run_ints(s)[c.ENGINES]
    base, count = e * width, engines[e, c.E_PENDING]
    chosen = -1
    earliest = math.inf
    for place in range(count):
        stream = pending[base + place]
        number = stream_i(s)[stream, c.S_DONE]
        opened = opened_s(s, stream, number)
        if math.isnan(opened):
            continue
        if stream == engines[e, c.E_STREAM]:
            chosen = place
            break
        ready = max(_issue_s(s)[issue_place(s, stream, number)], stream_f(s)[stream, c.S_FREE_S], opened)
        if chosen < 0 or ready < earliest:
            chosen, earliest = place, ready
    if chosen < 0:
        engines[e, c.E_STATE] = c.IDLE
        engines[e, c.E_WOKEN] = 0
        return
    stream = pending[base + chosen]
    engines[e, c.E_PENDING] = count - 1
    for place in range(chosen, count - 1):
        pending[base + place] = pending[base + place + 1]
    engines[e, c.E_STREAM] = stream
    _lead_in(s, e, stream)


@compiled
def _lead_in(s: Ints, e: int, stream: int) -> None:
    """Wait until the call's first byte may move, and account for the time since the stream's previous call."""
    engines, state, times = engine_i(s), engine_f(s), stream_f(s)
    number = stream_i(s)[stream, c.S_DONE]
    call = head_call(s, stream)
    engines[e, c.E_CALL], engines[e, c.E_RUN] = call, call_i(s)[call, c.C_FIRST_RUN]
    now, issued = run_floats(s)[c.NOW], _issue_s(s)[issue_place(s, stream, number)]
    fixed = call_f(s)[call, c.C_FIXED_S]
    begin = max(issued + fixed, now)
    free = times[stream, c.S_FREE_S]  # up to here the time is accounted for
    gate = gate_of(s, stream, number)
    opened = opened_s(s, stream, number)
    if gate != NO_GATE:
        begin = max(begin, opened + (fixed if gate == SLOT else run_floats(s)[c.BARRIER_S]))
        if gate == SLOT:
            event = max(opened, free) + run_floats(s)[c.EVENT_S]
            begin = max(begin, event + fixed)
            free = max(free, opened)
    times[stream, c.S_HOST_S] += max(issued - free, 0.0)
    ready = max(free, issued)
    free = ready
    if gate != NO_GATE:
        free = max(free, opened)
    gap_ends = now
    if not math.isnan(state[e, c.E_FREE_S]):
        gap_ends = state[e, c.E_FREE_S] + call_f(s)[call, c.C_GAP_S]
        begin = max(begin, gap_ends)
        free = max(free, state[e, c.E_FREE_S])
    times[stream, c.S_CONTENTION_S] += free - ready
    times[stream, c.S_GAP_S] += begin - free
    _wait(s, e, gap_ends - now, begin - now)


@compiled
def _complete_call(s: Ints, e: int) -> None:
    """The last byte of a call is here."""
    total, engines, state, streams, times = run_ints(s), engine_i(s), engine_f(s), stream_i(s), stream_f(s)
    stream, call, now = engines[e, c.E_STREAM], engines[e, c.E_CALL], run_floats(s)[c.NOW]
    account(s, e)
    lost = state[e, c.E_MOVING_S] - state[e, c.E_SHARE_S] + state[e, c.E_BLOCKED_S]
    times[stream, c.S_TRANSFER_S] += state[e, c.E_SHARE_S] - state[e, c.E_SHARE_AT]
    times[stream, c.S_CONTENTION_S] += max(lost - state[e, c.E_LOST_AT], 0.0)
    state[e, c.E_FREE_S] = times[stream, c.S_FREE_S] = now
    number = streams[stream, c.S_DONE]
    barrier = call_i(s)[call, c.C_BARRIER]
    place = barrier_place(s, stream, number)
    streams[stream, c.S_DONE] = number + 1
    if barrier >= 0:
        complete_barrier(s, place, barrier + 1 == total[c.BARRIERS])
    if stream < total[c.RANKS] and (number + 1) % streams[stream, c.S_CALLS] == 0:
        _fetched(s, stream, number // streams[stream, c.S_CALLS])
    if streams[stream, c.S_RETURN_AT] == number:
        streams[stream, c.S_RETURN_AT] = -1
        push(s, 0.0, c.ON_RANK_RETURN if total[c.RANKS] else c.ON_RETURN, stream, c.NONE)
    if streams[stream, c.S_DONE] < streams[stream, c.S_ISSUED]:
        offer(s, stream)


@compiled
def _fetched(s: Ints, rank: int, layer: int) -> None:
    """A layer's last byte is here: account for its latency, and let its compute go on."""
    total, ranks, times = run_ints(s), rank_f(s), stream_f(s)
    push(s, 0.0, c.ON_FETCHED, rank, layer)
    rank_i(s)[rank, c.K_FETCHED] = layer + 1
    host = times[rank, c.S_HOST_S] - ranks[rank, c.K_SPENT_HOST]
    gap = times[rank, c.S_GAP_S] - ranks[rank, c.K_SPENT_GAP]
    transfer = times[rank, c.S_TRANSFER_S] - ranks[rank, c.K_SPENT_TRANSFER]
    contention = times[rank, c.S_CONTENTION_S] - ranks[rank, c.K_SPENT_CONTENTION]
    ranks[rank, c.K_SPENT_HOST], ranks[rank, c.K_SPENT_GAP] = times[rank, c.S_HOST_S], times[rank, c.S_GAP_S]
    ranks[rank, c.K_SPENT_TRANSFER] = times[rank, c.S_TRANSFER_S]
    ranks[rank, c.K_SPENT_CONTENTION] = times[rank, c.S_CONTENTION_S]
    now, before = run_floats(s)[c.NOW], ranks[rank, c.K_PREVIOUS_END_S]
    ranks[rank, c.K_PREVIOUS_END_S] = now
    count = total[c.ITERATIONS] * total[c.LAYERS]
    if layer >= count:
        return
    place = rank * total[c.RING] + layer % total[c.RING]
    called, opened = ring_f(s)[place, c.Q_BEGIN_S], ring_f(s)[place, c.Q_SLOT_S]
    begin = max(called, opened)
    at, column, out = rank * count + layer, total[c.RANKS] * count, _layer_s(s)
    out[c.T_FETCH_BEGIN * column + at] = begin
    out[c.T_FETCH_END * column + at] = now
    out[c.T_OWN * column + at] = max(before - begin, 0.0)
    out[c.T_HOST * column + at] = max(host - max(called - max(opened, before), 0.0), 0.0)
    out[c.T_GAP * column + at] = gap
    out[c.T_TRANSFER * column + at] = transfer
    out[c.T_CONTENTION * column + at] = contention
