"""The timer's event: complete every copy that is due, and let its engine go on."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.links import account, advance, clock_step, move, remove
from dwdp_sim.fabric.compiled.settling import seconds_left
from dwdp_sim.fabric.compiled.views import engine_f, engine_i, floats, flow_i, gpu_i, ints, length, run_floats, run_ints
from dwdp_sim.fabric.compiled.windows import arrived, open_as_bytes_arrive

_SAME_TIME = 1e-12  # as in `fabric.links`
_CLOCK_STEPS = 4
_active, _queued, _work = ints("active"), ints("queued"), ints("work")
_left, _rate, _tie_s, _due_s = (floats(name) for name in ("left", "rate", "tie_s", "due_s"))
_copy_flow, _copy_start_s = ints("copy_flow"), floats("copy_start_s")
_work_n = length("work")


@compiled
def finish(s: Ints) -> None:
    """Complete what is due at this instant, at least one copy or alarm; rates are still to be settled."""
    total, flows = run_ints(s), flow_i(s)
    advance(s)
    count = total[c.N_ACTIVE]
    first = seconds_left(_left(s), _rate(s), _due_s(s), count)
    total[c.FRESH] = 1
    alarms = 0
    if total[c.N_ALARMS]:
        first = min(first, _first_alarm(s))
    least = max(_CLOCK_STEPS * clock_step(run_floats(s)[c.NOW]), first)
    if total[c.N_ALARMS]:
        alarms = _due_alarms(s, least)
    due = _due_flows(s, least, count)
    total[c.FINISHED] += due
    total[c.SETTLING] = 1
    work = _work(s)
    for place in range(due):
        flow = work[place]
        copy = flows[flow, c.F_COPY]
        remove(s, flow)
        if total[c.FIFO] and flows[flow, c.F_PEER]:
            _serve_next(s, flow)
        work[place] = copy
    for place in range(due):
        arrived(s, work[place])
    for place in range(alarms):
        e = work[_work_n(s) - 1 - place]
        open_as_bytes_arrive(s, e, engine_f(s)[e, c.E_THRESHOLD])


@compiled
def _due_flows(s: Ints, least: float, count: int) -> int:
    """List the flows whose copies are complete in `work`, rising; return how many there are."""
    due_s, tie_s, active, work = _due_s(s), _tie_s(s), _active(s), _work(s)
    due = places = 0
    for k in range(count):  # without branches: several at a time
        is_due = (due_s[k] <= least) | (due_s[k] <= tie_s[k])
        due += is_due
        places += k * is_due
    if due == 1:  # nearly always, out of step
        work[0] = active[places]
        return due
    due = 0
    for k in range(count):
        if due_s[k] <= least or due_s[k] <= tie_s[k]:
            flow = active[k]
            place = due
            due += 1
            while place > 0 and work[place - 1] > flow:
                work[place] = work[place - 1]
                place -= 1
            work[place] = flow
    return due


@compiled
def _serve_next(s: Ints, flow: int) -> None:
    """Let the next copy in the queue of a source (first in, first out) move."""
    flows, gpus, queued, engines = flow_i(s), gpu_i(s), _queued(s), engine_i(s)
    src, e = flows[flow, c.F_SRC], flows[flow, c.F_ENGINE]
    account(s, e)
    engines[e, c.E_WAITING] -= 1
    gpus[src, c.G_HEAD] = queued[gpus[src, c.G_HEAD]]
    following = gpus[src, c.G_HEAD]
    if following >= 0:
        _copy_start_s(s)[following] = run_floats(s)[c.NOW]
        move(s, _copy_flow(s)[following], following)


@compiled
def _first_alarm(s: Ints) -> float:
    engines, state = engine_i(s), engine_f(s)
    first = math.inf
    for e in range(run_ints(s)[c.ENGINES]):
        if engines[e, c.E_ALARM_ON] and state[e, c.E_TOTAL] > 0.0:
            first = min(first, state[e, c.E_ALARM_LEFT] / state[e, c.E_TOTAL])
    return first


@compiled
def _due_alarms(s: Ints, least: float) -> int:
    """Switch off the alarms that are due and list their engines at the end of `work`, the first set alarm last."""
    total, engines, state, work = run_ints(s), engine_i(s), engine_f(s), _work(s)
    due, end = 0, _work_n(s) - 1
    for e in range(total[c.ENGINES]):
        rate = state[e, c.E_TOTAL]
        if not engines[e, c.E_ALARM_ON] or rate <= 0.0:
            continue
        whole_s = state[e, c.E_ALARM_WHOLE] / rate
        if state[e, c.E_ALARM_LEFT] / rate <= max(least, _SAME_TIME * whole_s):
            engines[e, c.E_ALARM_ON] = 0
            total[c.N_ALARMS] -= 1
            place = due
            due += 1
            while place > 0 and engines[work[end - place + 1], c.E_ALARM_SEQ] > engines[e, c.E_ALARM_SEQ]:
                work[end - place] = work[end - place + 1]
                place -= 1
            work[end - place] = e
    return due
