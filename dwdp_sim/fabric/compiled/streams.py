"""Streams of calls, the gates before them, and engines that are told of both: `calls` on arrays."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.views import (
    barrier_i,
    barrier_s,
    call_i,
    engine_i,
    floats,
    ints,
    length,
    ring_f,
    ring_i,
    run_floats,
    run_ints,
    stream_i,
)

_pending, _issue_s = ints("pending"), floats("issue_s")
_pending_n = length("pending")
NO_GATE, BARRIER, SLOT = range(3)


@compiled
def head_call(s: Ints, stream: int) -> int:
    """The call at the head of a stream."""
    streams = stream_i(s)
    return streams[stream, c.S_FIRST_CALL] + streams[stream, c.S_DONE] % streams[stream, c.S_CALLS]


@compiled
def gate_of(s: Ints, stream: int, number: int) -> int:
    """The kind of gate before call `number` of a stream."""
    total, streams = run_ints(s), stream_i(s)
    place = number % streams[stream, c.S_CALLS]
    if call_i(s)[streams[stream, c.S_FIRST_CALL] + place, c.C_BARRIER] > 0:
        return BARRIER
    return SLOT if place == 0 and stream < total[c.RANKS] else NO_GATE


@compiled
def opened_s(s: Ints, stream: int, number: int) -> float:
    """When the gate before call `number` of a stream opened: 0 without a gate, NaN if it is closed."""
    total, streams = run_ints(s), stream_i(s)
    kind = gate_of(s, stream, number)
    if kind == NO_GATE:
        return 0.0
    layer = number // streams[stream, c.S_CALLS] % total[c.RING]
    if kind == SLOT:
        return ring_f(s)[stream * total[c.RING] + layer, c.Q_SLOT_S]
    return barrier_s(s)[barrier_place(s, stream, number)]


@compiled
def barrier_place(s: Ints, stream: int, number: int) -> int:
    """The place of a call's barrier in the tables."""
    total, streams = run_ints(s), stream_i(s)
    layer = number // streams[stream, c.S_CALLS] % total[c.RING]
    call = streams[stream, c.S_FIRST_CALL] + number % streams[stream, c.S_CALLS]
    return layer * total[c.BARRIERS] + call_i(s)[call, c.C_BARRIER]


@compiled
def issue_place(s: Ints, stream: int, number: int) -> int:
    """Where the issue time of call `number` of a stream stands."""
    streams = stream_i(s)
    if streams[stream, c.S_BY_LAYER]:
        number = number // streams[stream, c.S_CALLS]
    return streams[stream, c.S_ISSUE_BASE] + number % streams[stream, c.S_ISSUE_RING]


@compiled
def wake(s: Ints, e: int) -> None:
    """Let an engine look again for work."""
    engines = engine_i(s)
    if not engines[e, c.E_WOKEN]:
        engines[e, c.E_WOKEN] = 1
        push(s, 0.0, c.ON_ENGINE, e, c.NONE)


@compiled
def issue(s: Ints, stream: int) -> None:
    """Note that the host has made the next call of a stream, so that its engine may run it."""
    total, streams = run_ints(s), stream_i(s)
    number = streams[stream, c.S_ISSUED]
    waiting = number - streams[stream, c.S_DONE]
    per = streams[stream, c.S_CALLS] if streams[stream, c.S_BY_LAYER] else 1
    if waiting // per >= streams[stream, c.S_ISSUE_RING] - 1 and waiting >= streams[stream, c.S_CALLS]:
        total[c.FAULT] = 1
        return
    _issue_s(s)[issue_place(s, stream, number)] = run_floats(s)[c.NOW]
    streams[stream, c.S_ISSUED] = number + 1
    if waiting == 0:
        offer(s, stream)


@compiled
def offer(s: Ints, stream: int) -> None:
    """Give the head of a stream to its engine."""
    engines, streams = engine_i(s), stream_i(s)
    e = call_i(s)[head_call(s, stream), c.C_ENGINE]
    pending = _pending(s)
    width = _pending_n(s) // run_ints(s)[c.ENGINES]
    pending[e * width + engines[e, c.E_PENDING]] = stream
    engines[e, c.E_PENDING] += 1
    number = streams[stream, c.S_DONE]
    if math.isnan(opened_s(s, stream, number)):
        if gate_of(s, stream, number) == SLOT:
            ring = run_ints(s)[c.RING]
            ring_i(s)[stream * ring + number // streams[stream, c.S_CALLS] % ring, c.Q_WAITS] = 1
        else:
            barrier, barriers = barrier_place(s, stream, number), barrier_i(s)
            streams[stream, c.S_WAITS_NEXT] = -1
            if barriers[barrier, c.B_HEAD] < 0:
                barriers[barrier, c.B_HEAD] = stream
            else:
                streams[barriers[barrier, c.B_TAIL], c.S_WAITS_NEXT] = stream
            barriers[barrier, c.B_TAIL] = stream
    wake(s, e)


@compiled
def open_slot(s: Ints, rank: int, layer: int) -> None:
    """Say that the slot of a rank's layer is free."""
    ring = run_ints(s)[c.RING]
    place = rank * ring + layer % ring
    ring_f(s)[place, c.Q_SLOT_S] = run_floats(s)[c.NOW]
    if ring_i(s)[place, c.Q_WAITS]:
        ring_i(s)[place, c.Q_WAITS] = 0
        wake(s, call_i(s)[head_call(s, rank), c.C_ENGINE])


@compiled
def complete_barrier(s: Ints, barrier: int, is_last: bool) -> None:
    """Count a call with this barrier; the next one opens when all have been counted."""
    barriers, opened, streams = barrier_i(s), barrier_s(s), stream_i(s)
    barriers[barrier, c.B_LEFT] -= 1
    if barriers[barrier, c.B_LEFT] or is_last:
        return
    opened[barrier + 1] = run_floats(s)[c.NOW]
    stream = barriers[barrier + 1, c.B_HEAD]
    barriers[barrier + 1, c.B_HEAD] = -1
    while stream >= 0:
        following = streams[stream, c.S_WAITS_NEXT]
        wake(s, call_i(s)[head_call(s, stream), c.C_ENGINE])
        stream = following
