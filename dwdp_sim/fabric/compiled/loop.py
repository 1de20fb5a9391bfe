"""The event loop of the compiled engine."""

from __future__ import annotations

from collections.abc import Callable

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.engines import resume
from dwdp_sim.fabric.compiled.finishing import finish
from dwdp_sim.fabric.compiled.hosts import begin_stream, issue_paid, leave_host, pay, serve
from dwdp_sim.fabric.compiled.jit import cached, compiled
from dwdp_sim.fabric.compiled.links import settle
from dwdp_sim.fabric.compiled.queue import pop, push
from dwdp_sim.fabric.compiled.ranks import compute, end_step, fetched, go_on_host, launched, return_to_host
from dwdp_sim.fabric.compiled.views import floats, ints, run_floats, run_ints

_time_of, _seq_of = floats("queue_s"), ints("queue_seq")


@compiled
def _handle(s: Ints, event: int) -> None:
    what, who, which = event & 255, (event >> 8) & 0xFFFFFF, event >> 32
    if what == c.ON_ENGINE:
        resume(s, who)
    elif what == c.ON_SETTLE:
        settle(s)
    elif what == c.ON_COMPUTE:
        compute(s, who)
    elif what == c.ON_FETCHED:
        fetched(s, who, which)
    elif what == c.ON_LAUNCHED:
        launched(s, who, which)
    elif what == c.ON_RANK_HOST:
        go_on_host(s, who)
    elif what == c.ON_RANK_RETURN:
        return_to_host(s, who)
    elif what == c.ON_ENDED:
        end_step(s, who)
    elif what == c.ON_RANK:
        push(s, 0.0, c.ON_ENDED, who, 0)
    elif what == c.ON_STREAM:
        begin_stream(s, who)
    elif what == c.ON_GRANT:
        pay(s, who)
    elif what == c.ON_COST:
        issue_paid(s, who)
    elif what == c.ON_RETURN:
        leave_host(s, who)
    elif what == c.ON_RELEASE:
        serve(s, who)


def loop_for(fingerprint: int) -> Callable[[Ints, int], int]:
    """Return the loop, compiled or from the cache; a cached one is taken only if `fingerprint` is the same.

    The loop handles up to `most` events and returns `RUNNING`, `EMPTY` (nothing is left to happen), `DONE` (all ranks
    have made their steps) or `FAULTY`.
    """

    @cached
    def run(s: Ints, most: int) -> int:
        total, clock = run_ints(s), run_floats(s)
        times, seqs = _time_of(s), _seq_of(s)
        if fingerprint == 0:
            return c.FAULTY
        for _ in range(most):
            if total[c.FAULT]:
                return c.FAULTY
            if total[c.RANKS] and total[c.DONE_RANKS] == total[c.RANKS]:
                return c.DONE
            waiting = total[c.HEAP_N] > 0
            if total[c.TIMER_ON] and not (
                waiting
                and (
                    times[0] < clock[c.TIMER_S] or (times[0] == clock[c.TIMER_S] and seqs[0] < total[c.TIMER_SEQ])
                )
            ):
                clock[c.NOW] = clock[c.TIMER_S]
                finish(s)
            elif waiting:
                clock[c.NOW] = times[0]
                _handle(s, pop(s))
            else:
                return c.EMPTY
        return c.RUNNING

    return run
