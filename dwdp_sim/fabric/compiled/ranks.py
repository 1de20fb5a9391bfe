"""Ranks of forward steps: their hosts and compute streams, as in `steps.simulate_steps`."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.engines import issue, open_slot
from dwdp_sim.fabric.compiled.hosts import returns_on_arrival
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.links import advance
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.views import (
    barrier_i,
    barrier_s,
    call_f,
    floats,
    ints,
    rank_f,
    rank_i,
    ring_f,
    ring_i,
    run_floats,
    run_ints,
    stream_i,
)

_NEGLIGIBLE_S = 1e-10  # as in `simulate_steps`
_lead_s, _before_s, _moe_s = floats("lead_s"), floats("before_s"), floats("moe_s")
_lost_before, _lost_moe = floats("lost_before"), floats("lost_moe")
_step_s, _layer_s, _barrier_calls, _barrier_layer = (
    floats("step_s"), floats("layer_s"), ints("barrier_calls"), ints("barrier_layer"),
)  # fmt: skip
# What a host does next
STEP, FIRST, LAYER, LAUNCHED, CALLS, PAID = range(6)
# What a compute stream does next
STEP_BEGINS, LEAD_ENDS, LAYER_BEGINS, IS_LAUNCHED, BEFORE_ENDS, IS_FETCHED, MOE_BEGINS, MOE_ENDS = range(8)


@compiled
def end_step(s: Ints, rank: int) -> None:
    """A step of a rank has ended, or its start is there: let its host go on and, at the start, its compute."""
    ranks = rank_i(s)
    ranks[rank, c.K_ENDED] += 1
    if ranks[rank, c.K_HOST_WAITS]:
        ranks[rank, c.K_HOST_WAITS] = 0
        go_on_host(s, rank)
    if ranks[rank, c.K_ENDED] == 1:
        ranks[rank, c.K_PC] = STEP_BEGINS
        compute(s, rank)


@compiled
def launched(s: Ints, rank: int, layer: int) -> None:
    """A layer's kernels have been launched."""
    place = rank * run_ints(s)[c.RING] + layer % run_ints(s)[c.RING]
    ring_i(s)[place, c.Q_LAUNCHED] = 1
    if rank_i(s)[rank, c.K_LAUNCH_WAITS] == layer:
        rank_i(s)[rank, c.K_LAUNCH_WAITS] = -1
        compute(s, rank)


@compiled
def fetched(s: Ints, rank: int, layer: int) -> None:
    """A layer's experts are there."""
    place = rank * run_ints(s)[c.RING] + layer % run_ints(s)[c.RING]
    ring_i(s)[place, c.Q_FETCHED] = 1
    if rank_i(s)[rank, c.K_FETCH_WAITS] == layer:
        rank_i(s)[rank, c.K_FETCH_WAITS] = -1
        compute(s, rank)


@compiled
def return_to_host(s: Ints, rank: int) -> None:
    """The host comes back from a call whose bytes have arrived."""
    rank_i(s)[rank, c.K_HOST_PC] = CALLS
    go_on_host(s, rank)


@compiled
def go_on_host(s: Ints, rank: int) -> None:
    """Make calls and launch kernels until the host has to wait."""
    total, ranks, streams = run_ints(s), rank_i(s), stream_i(s)
    layers, slots, hidden = total[c.LAYERS], total[c.SLOTS], streams[rank, c.S_QUEUED]
    while True:
        doing, step, layer = ranks[rank, c.K_HOST_PC], ranks[rank, c.K_HOST_STEP], ranks[rank, c.K_HOST_LAYER]
        if doing == STEP:
            if max(step - 2 if total[c.AHEAD] else step - 1, -1) + 1 >= ranks[rank, c.K_ENDED]:
                ranks[rank, c.K_HOST_WAITS] = 1
                return
            ranks[rank, c.K_HOST_LAYER] = 0
            ranks[rank, c.K_HOST_PC] = FIRST if step == 0 or not total[c.CARRY_OVER] else LAYER
        elif doing == FIRST:
            if layer < slots:
                ranks[rank, c.K_HOST_LAYER] = layer + 1
                _begin_calls(s, rank, step * layers + layer, FIRST)
            else:
                ranks[rank, c.K_HOST_LAYER] = 0
                ranks[rank, c.K_HOST_PC] = LAYER
        elif doing == LAYER:
            if layer == layers:
                ranks[rank, c.K_HOST_STEP] = step + 1
                ranks[rank, c.K_HOST_PC] = STEP
                continue
            ranks[rank, c.K_HOST_PC] = LAUNCHED
            if not hidden and run_floats(s)[c.LAUNCH_S] != 0.0:
                push(s, run_floats(s)[c.LAUNCH_S], c.ON_RANK_HOST, rank, 0)
                return
        elif doing == LAUNCHED:
            push(s, 0.0, c.ON_LAUNCHED, rank, step * layers + layer)
            ranks[rank, c.K_HOST_LAYER] = layer + 1
            ranks[rank, c.K_HOST_PC] = LAYER
            if layer + slots < layers or total[c.CARRY_OVER]:
                _begin_calls(s, rank, step * layers + layer + slots, LAYER)
        elif doing == CALLS:
            if ranks[rank, c.K_HOST_CALL] == streams[rank, c.S_CALLS]:
                ranks[rank, c.K_HOST_PC] = ranks[rank, c.K_HOST_BACK]
            elif hidden:
                ranks[rank, c.K_HOST_CALL] += 1
                issue(s, rank)
            else:
                ranks[rank, c.K_HOST_PC] = PAID
                call = streams[rank, c.S_FIRST_CALL] + ranks[rank, c.K_HOST_CALL]
                push(s, call_f(s)[call, c.C_COST_S], c.ON_RANK_HOST, rank, 0)
                return
        else:
            waits = returns_on_arrival(s, rank, ranks[rank, c.K_HOST_CALL])
            ranks[rank, c.K_HOST_CALL] += 1
            ranks[rank, c.K_HOST_PC] = CALLS
            if waits:
                streams[rank, c.S_RETURN_AT] = streams[rank, c.S_ISSUED]
            issue(s, rank)
            if waits:
                return


@compiled
def _begin_calls(s: Ints, rank: int, layer: int, back: int) -> None:
    """Begin to make the calls of a layer; then go back to `back`."""
    total, ranks = run_ints(s), rank_i(s)
    place = rank * total[c.RING] + layer % total[c.RING]
    ring_f(s)[place, c.Q_BEGIN_S] = run_floats(s)[c.NOW]
    ranks[rank, c.K_HOST_CALL] = 0
    ranks[rank, c.K_HOST_BACK] = back
    ranks[rank, c.K_HOST_PC] = CALLS
    if not stream_i(s)[rank, c.S_CALLS]:
        push(s, 0.0, c.ON_FETCHED, rank, layer)
    if total[c.BARRIERS]:
        _close_barriers(s, layer)


@compiled
def _close_barriers(s: Ints, layer: int) -> None:
    """Make the barriers of a layer ready, unless another rank has."""
    total, calls, of_layer = run_ints(s), _barrier_calls(s), _barrier_layer(s)
    place = layer % total[c.RING]
    if of_layer[place] == layer:
        return
    if of_layer[place] > layer:
        total[c.FAULT] = 1
        return
    of_layer[place] = layer
    for barrier in range(total[c.BARRIERS]):
        at = place * total[c.BARRIERS] + barrier
        barrier_i(s)[at, c.B_LEFT] = calls[barrier]
        barrier_i(s)[at, c.B_HEAD] = -1
        barrier_s(s)[at] = math.nan


@compiled
def compute(s: Ints, rank: int) -> None:
    """Go on with a rank's compute stream until it has to wait."""
    total, ranks, state = run_ints(s), rank_i(s), rank_f(s)
    layers, slots, iterations = total[c.LAYERS], total[c.SLOTS], total[c.ITERATIONS]
    now = run_floats(s)[c.NOW]
    if ranks[rank, c.K_WORKS] and not _work_ends(s, rank):
        return
    while True:
        doing, step, layer = ranks[rank, c.K_PC], ranks[rank, c.K_STEP], ranks[rank, c.K_LAYER]
        counted, place = step < iterations, rank * iterations + step % iterations
        window, number = place * layers + layer, step * layers + layer
        ring = rank * total[c.RING] + number % total[c.RING]
        if doing == STEP_BEGINS:
            if not total[c.GOES_ON] and not counted:
                return
            if step == 0 or not total[c.CARRY_OVER]:
                for slot in range(slots):
                    open_slot(s, rank, step * layers + slot)
            _note_step(s, c.T_BEGIN, place, counted)
            ranks[rank, c.K_PC] = LEAD_ENDS
            if not _work(s, rank, _lead_s(s)[place], run_floats(s)[c.LOST_LEAD]):
                return
        elif doing == LEAD_ENDS:
            _note_step(s, c.T_LEAD_END, place, counted)
            ranks[rank, c.K_LAYER] = 0
            ranks[rank, c.K_PC] = LAYER_BEGINS
        elif doing == LAYER_BEGINS:
            state[rank, c.K_IDLE_S] = now
            ranks[rank, c.K_PC] = IS_LAUNCHED
            if not ring_i(s)[ring, c.Q_LAUNCHED]:
                ranks[rank, c.K_LAUNCH_WAITS] = number
                return
        elif doing == IS_LAUNCHED:
            state[rank, c.K_IDLE_S] = now - state[rank, c.K_IDLE_S]
            ranks[rank, c.K_PC] = BEFORE_ENDS
            if not _work(s, rank, _before_s(s)[window], _lost_before(s)[window]):
                return
        elif doing == BEFORE_ENDS:
            state[rank, c.K_WAIT_BEGIN_S] = now + run_floats(s)[c.EVENT_S]
            ranks[rank, c.K_PC] = IS_FETCHED
            if not ring_i(s)[ring, c.Q_FETCHED]:
                ranks[rank, c.K_FETCH_WAITS] = number
                return
        elif doing == IS_FETCHED:
            ranks[rank, c.K_PC] = MOE_BEGINS
            if run_floats(s)[c.EVENT_S] != 0.0:
                push(s, run_floats(s)[c.EVENT_S], c.ON_COMPUTE, rank, 0)
                return
        elif doing == MOE_BEGINS:
            state[rank, c.K_MOE_BEGIN_S] = now
            ranks[rank, c.K_PC] = MOE_ENDS
            if not _work(s, rank, _moe_s(s)[window], _lost_moe(s)[window]):
                return
        else:
            _end_layer(s, rank, counted, window, ring)
            if layer + slots < layers or total[c.CARRY_OVER]:
                open_slot(s, rank, number + slots)
            ranks[rank, c.K_LAYER] = layer + 1
            ranks[rank, c.K_PC] = LAYER_BEGINS
            if layer + 1 == layers:
                _end_step(s, rank, counted, place)
                ranks[rank, c.K_PC] = STEP_BEGINS


@compiled
def _note_step(s: Ints, column: int, place: int, counted: bool) -> None:
    if counted:
        total = run_ints(s)
        _step_s(s)[column * total[c.RANKS] * total[c.ITERATIONS] + place] = run_floats(s)[c.NOW]


@compiled
def _end_layer(s: Ints, rank: int, counted: bool, window: int, ring: int) -> None:
    total, state, out = run_ints(s), rank_f(s), _layer_s(s)
    if counted:
        column = total[c.RANKS] * total[c.ITERATIONS] * total[c.LAYERS]
        out[c.T_LAUNCH_WAIT * column + window] = state[rank, c.K_IDLE_S]
        out[c.T_WAIT_BEGIN * column + window] = state[rank, c.K_WAIT_BEGIN_S]
        out[c.T_MOE_BEGIN * column + window] = state[rank, c.K_MOE_BEGIN_S]
        out[c.T_MOE_END * column + window] = run_floats(s)[c.NOW]
    ring_i(s)[ring, c.Q_LAUNCHED] = ring_i(s)[ring, c.Q_FETCHED] = ring_i(s)[ring, c.Q_WAITS] = 0
    ring_f(s)[ring, c.Q_SLOT_S] = math.nan


@compiled
def _end_step(s: Ints, rank: int, counted: bool, place: int) -> None:
    total, ranks, streams = run_ints(s), rank_i(s), stream_i(s)
    _note_step(s, c.T_END, place, counted)
    push(s, 0.0, c.ON_ENDED, rank, 0)
    outgoing = total[c.RANKS] + rank
    if outgoing < total[c.STREAMS]:
        for _ in range(streams[outgoing, c.S_CALLS]):
            issue(s, outgoing)
    ranks[rank, c.K_STEP] += 1
    if not ranks[rank, c.K_FINISHED] and ranks[rank, c.K_STEP] >= total[c.ITERATIONS]:
        ranks[rank, c.K_FINISHED] = 1
        total[c.DONE_RANKS] += 1


@compiled
def _work(s: Ints, rank: int, seconds: float, lost: float) -> bool:
    """Begin to compute for `seconds`, of which copies take a share; return whether that takes no time at all."""
    ranks, state = rank_i(s), rank_f(s)
    ranks[rank, c.K_WORKS] = 1
    state[rank, c.K_LOST] = lost
    if lost == 0.0:
        push(s, seconds, c.ON_COMPUTE, rank, 0)
        return False
    return _work_longer(s, rank, seconds)


@compiled
def _work_longer(s: Ints, rank: int, seconds: float) -> bool:
    ranks = rank_i(s)
    if seconds <= _NEGLIGIBLE_S:
        ranks[rank, c.K_WORKS] = 0
        return True
    advance(s)
    ranks[rank, c.K_METER] = 1
    rank_f(s)[rank, c.K_METER_S] = 0.0
    run_ints(s)[c.N_METERS] += 1
    push(s, seconds, c.ON_COMPUTE, rank, 0)
    return False


@compiled
def _work_ends(s: Ints, rank: int) -> bool:
    """Return whether the work is done; what copies have taken of it is still to do."""
    ranks, state = rank_i(s), rank_f(s)
    if state[rank, c.K_LOST] == 0.0:
        ranks[rank, c.K_WORKS] = 0
        return True
    advance(s)
    ranks[rank, c.K_METER] = 0
    run_ints(s)[c.N_METERS] -= 1
    return _work_longer(s, rank, state[rank, c.K_LOST] * state[rank, c.K_METER_S])
