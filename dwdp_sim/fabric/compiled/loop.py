"""The event loop of the compiled engine."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.engines import resume
from dwdp_sim.fabric.compiled.finishing import finish
from dwdp_sim.fabric.compiled.hosts import handle_host
from dwdp_sim.fabric.compiled.queue import pop, push
from dwdp_sim.fabric.compiled.rank_hosts import CALLS, end_step, go_on_host
from dwdp_sim.fabric.compiled.ranks import compute, fetched, launched, start_compute
from dwdp_sim.fabric.compiled.settling import settle
from dwdp_sim.fabric.compiled.views import floats, ints, length, rank_i, run_floats, run_ints

_time_of, _seq_of, _log_n = floats("queue_s"), ints("queue_seq"), length("log")


def run_events(s: Ints, most: int) -> int:  # noqa: PLR0912 - one branch a kind of event
    """Handle up to `most` events of the state at `s`, and say why no more.

    Returns:
        `RUNNING`, `EMPTY` (nothing is left to happen), `DONE` (all ranks have made their steps) or `FAULTY`.
    """
    total, clock = run_ints(s), run_floats(s)
    times, seqs, log_n = _time_of(s), _seq_of(s), _log_n(s)
    for _ in range(most):
        if total[c.FAULT]:
            return c.FAULTY
        if total[c.RECORDS] and total[c.LOG_N] > log_n - 4 * total[c.FLOWS] - 4:
            return c.RUNNING
        if total[c.RANKS] and total[c.DONE_RANKS] == total[c.RANKS]:
            return c.DONE
        waiting = total[c.HEAP_N] > 0
        if total[c.TIMER_ON] and not (
            waiting and (times[0] < clock[c.TIMER_S] or (times[0] == clock[c.TIMER_S] and seqs[0] < total[c.TIMER_SEQ]))
        ):
            clock[c.NOW] = clock[c.TIMER_S]
            finish(s)
            settle(s)
            continue
        if not waiting:
            return c.EMPTY
        clock[c.NOW] = times[0]
        event = pop(s)
        what, who, which = event & 255, (event >> 8) & 0xFFFFFF, event >> 32
        host_goes_on = what == c.ON_RANK_HOST
        computes = what == c.ON_COMPUTE
        if what == c.ON_ENGINE:
            resume(s, who)
        elif what == c.ON_SETTLE:
            settle(s)
        elif what == c.ON_FETCHED:
            computes = fetched(s, who, which)
        elif what == c.ON_LAUNCHED:
            computes = launched(s, who, which)
        elif what == c.ON_RANK_RETURN:
            rank_i(s)[who, c.K_HOST_PC] = CALLS
            host_goes_on = True
        elif what == c.ON_ENDED:
            host_goes_on = end_step(s, who)
            computes = start_compute(s, who)
        elif what == c.ON_RANK:
            push(s, 0.0, c.ON_ENDED, who, c.NONE)
        elif what < c.ON_RANK:
            handle_host(s, what, who)
        if host_goes_on:
            go_on_host(s, who)
        if computes:
            compute(s, who)
    return c.RUNNING
