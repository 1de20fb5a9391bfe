"""Ranks of forward steps: their compute streams, as in `steps.simulate_steps`."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.links import advance
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.streams import issue, open_slot
from dwdp_sim.fabric.compiled.views import (
    floats,
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
_step_s, _layer_s = floats("step_s"), floats("layer_s")
# What a compute stream does next
STEP_BEGINS, LEAD_ENDS, LAYER_BEGINS, IS_LAUNCHED, BEFORE_ENDS, IS_FETCHED, MOE_BEGINS, MOE_ENDS = range(8)


@compiled
def start_compute(s: Ints, rank: int) -> bool:
    """A rank's start is there, if this is its first step's: return whether its compute begins."""
    ranks = rank_i(s)
    ranks[rank, c.K_PC] = STEP_BEGINS if ranks[rank, c.K_ENDED] == 1 else ranks[rank, c.K_PC]
    return ranks[rank, c.K_ENDED] == 1


@compiled
def launched(s: Ints, rank: int, layer: int) -> bool:
    """A layer's kernels have been launched: return whether compute waited for that."""
    place = rank * run_ints(s)[c.RING] + layer % run_ints(s)[c.RING]
    ring_i(s)[place, c.Q_LAUNCHED] = 1
    if rank_i(s)[rank, c.K_LAUNCH_WAITS] != layer:
        return False
    rank_i(s)[rank, c.K_LAUNCH_WAITS] = -1
    return True


@compiled
def fetched(s: Ints, rank: int, layer: int) -> bool:
    """A layer's experts are there: return whether compute waited for them."""
    place = rank * run_ints(s)[c.RING] + layer % run_ints(s)[c.RING]
    ring_i(s)[place, c.Q_FETCHED] = 1
    if rank_i(s)[rank, c.K_FETCH_WAITS] != layer:
        return False
    rank_i(s)[rank, c.K_FETCH_WAITS] = -1
    return True


@compiled
def compute(s: Ints, rank: int) -> None:  # noqa: PLR0911, PLR0912, PLR0915 - a state machine
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
                push(s, run_floats(s)[c.EVENT_S], c.ON_COMPUTE, rank, c.NONE)
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
    push(s, 0.0, c.ON_ENDED, rank, c.NONE)
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
        push(s, seconds, c.ON_COMPUTE, rank, c.NONE)
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
    push(s, seconds, c.ON_COMPUTE, rank, c.NONE)
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
