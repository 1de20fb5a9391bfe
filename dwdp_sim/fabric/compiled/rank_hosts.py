"""Host threads of ranks in forward steps, as in `steps.simulate_steps`."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.hosts import returns_on_arrival
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.streams import issue
from dwdp_sim.fabric.compiled.views import (
    barrier_i,
    barrier_s,
    call_f,
    ints,
    rank_i,
    ring_f,
    run_floats,
    run_ints,
    stream_i,
)

_barrier_calls, _barrier_layer = ints("barrier_calls"), ints("barrier_layer")
STEP, FIRST, LAYER, LAUNCHED, CALLS, PAID = 0, c.TO_FIRST, c.TO_LAYER, 3, 4, 5  # what a host does next


@compiled
def end_step(s: Ints, rank: int) -> bool:
    """A step of a rank has ended, or its start is there: return whether its host waited for that."""
    ranks = rank_i(s)
    ranks[rank, c.K_ENDED] += 1
    if not ranks[rank, c.K_HOST_WAITS]:
        return False
    ranks[rank, c.K_HOST_WAITS] = 0
    return True


@compiled
def go_on_host(s: Ints, rank: int) -> None:  # noqa: PLR0912 - a state machine
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
                _begin_calls(s, rank, step * layers + layer, c.TO_FIRST)
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
                push(s, run_floats(s)[c.LAUNCH_S], c.ON_RANK_HOST, rank, c.NONE)
                return
        elif doing == LAUNCHED:
            push(s, 0.0, c.ON_LAUNCHED, rank, step * layers + layer)
            ranks[rank, c.K_HOST_LAYER] = layer + 1
            ranks[rank, c.K_HOST_PC] = LAYER
            if layer + slots < layers or total[c.CARRY_OVER]:
                _begin_calls(s, rank, step * layers + layer + slots, c.TO_LAYER)
        elif doing == CALLS:
            if ranks[rank, c.K_HOST_CALL] == streams[rank, c.S_CALLS]:
                ranks[rank, c.K_HOST_PC] = ranks[rank, c.K_HOST_BACK]
            elif hidden:
                ranks[rank, c.K_HOST_CALL] += 1
                issue(s, rank)
            else:
                ranks[rank, c.K_HOST_PC] = PAID
                call = streams[rank, c.S_FIRST_CALL] + ranks[rank, c.K_HOST_CALL]
                push(s, call_f(s)[call, c.C_COST_S], c.ON_RANK_HOST, rank, c.NONE)
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
