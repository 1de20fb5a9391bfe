"""The event queue: what is scheduled first for one instant happens first, as in SimPy."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled.columns import FAULT, HEAP_N, NOW, SEQ
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import floats, ints, length, run_floats, run_ints

_time_of, _seq_of, _what_of = floats("queue_s"), ints("queue_seq"), ints("queue_what")
_most = length("queue_s")


@compiled
def push(s: Ints, delay_s: float, what: int, who: int, which: int) -> None:
    """Schedule an event after `delay_s` seconds."""
    total = run_ints(s)
    times, seqs, whats = _time_of(s), _seq_of(s), _what_of(s)
    at = run_floats(s)[NOW] + delay_s
    total[SEQ] += 1
    seq = total[SEQ]
    place = total[HEAP_N]
    if place >= _most(s):
        total[FAULT] = 1
        return
    total[HEAP_N] = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if times[above] <= at:  # it was scheduled before
            break
        times[place], seqs[place], whats[place] = times[above], seqs[above], whats[above]
        place = above
    times[place], seqs[place], whats[place] = at, seq, what | who << 8 | which << 32


@compiled
def pop(s: Ints) -> int:
    """Remove the first event and return what it is; its time is the caller's to read before."""
    total = run_ints(s)
    times, seqs, whats = _time_of(s), _seq_of(s), _what_of(s)
    first = whats[0]
    last = total[HEAP_N] - 1
    total[HEAP_N] = last
    at, seq, what = times[last], seqs[last], whats[last]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        right = below + 1
        if right < last and (
            times[right] < times[below] or (times[right] == times[below] and seqs[right] < seqs[below])
        ):
            below = right
        if times[below] > at or (times[below] == at and seqs[below] > seq):
            break
        times[place], seqs[place], whats[place] = times[below], seqs[below], whats[below]
        place = below
    times[place], seqs[place], whats[place] = at, seq, what
    return first
