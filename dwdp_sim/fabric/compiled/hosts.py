"""Host threads that make the calls of a program's streams: `simulate` and `host_issue` on arrays."""

from __future__ import annotations

import math

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.queue import push
from dwdp_sim.fabric.compiled.streams import issue, opened_s
from dwdp_sim.fabric.compiled.views import call_f, call_i, gpu_i, stream_i


@compiled
def begin_stream(s: Ints, stream: int) -> None:
    """A stream's clock starts: its calls are complete, or its host begins to make them."""
    streams = stream_i(s)
    if not streams[stream, c.S_QUEUED]:
        _ask_for_host(s, stream)
        return
    for _ in range(streams[stream, c.S_CALLS]):
        issue(s, stream)


@compiled
def _ask_for_host(s: Ints, stream: int) -> None:
    """Let a stream with calls to make queue for its host thread."""
    streams, gpus = stream_i(s), gpu_i(s)
    if streams[stream, c.S_HOST_CALL] == streams[stream, c.S_CALLS]:
        return
    gpu = streams[stream, c.S_GPU]
    streams[stream, c.S_NEXT] = -1
    if gpus[gpu, c.G_HOST_HEAD] < 0:
        gpus[gpu, c.G_HOST_HEAD] = stream
    else:
        streams[gpus[gpu, c.G_HOST_TAIL], c.S_NEXT] = stream
    gpus[gpu, c.G_HOST_TAIL] = stream
    serve(s, gpu)


@compiled
def serve(s: Ints, gpu: int) -> None:
    """Give an idle host thread to the stream that has waited longest."""
    gpus = gpu_i(s)
    stream = gpus[gpu, c.G_HOST_HEAD]
    if gpus[gpu, c.G_BUSY] or stream < 0:
        return
    gpus[gpu, c.G_BUSY] = 1
    gpus[gpu, c.G_HOST_HEAD] = stream_i(s)[stream, c.S_NEXT]
    push(s, 0.0, c.ON_GRANT, stream, c.NONE)


@compiled
def pay(s: Ints, stream: int) -> None:
    """The host begins to make the next call of a stream."""
    streams = stream_i(s)
    call = streams[stream, c.S_FIRST_CALL] + streams[stream, c.S_HOST_CALL]
    push(s, call_f(s)[call, c.C_COST_S], c.ON_COST, stream, c.NONE)


@compiled
def issue_paid(s: Ints, stream: int) -> bool:
    """A call is paid for: issue it, and return whether the host comes back at once."""
    streams = stream_i(s)
    waits = returns_on_arrival(s, stream, streams[stream, c.S_HOST_CALL])
    if waits:
        streams[stream, c.S_RETURN_AT] = streams[stream, c.S_ISSUED]
    issue(s, stream)
    return not waits


@compiled
def returns_on_arrival(s: Ints, stream: int, place: int) -> bool:
    """Whether the host comes back from call `place` of a stream, the next to be issued, when its bytes are there."""
    streams = stream_i(s)
    number = streams[stream, c.S_ISSUED]
    if not call_i(s)[streams[stream, c.S_FIRST_CALL] + place, c.C_RETURNS] or number > streams[stream, c.S_DONE]:
        return False
    return not math.isnan(opened_s(s, stream, number))


@compiled
def leave_host(s: Ints, stream: int) -> None:
    """A call is made: the thread is free, and the stream queues with its next call."""
    streams, gpus = stream_i(s), gpu_i(s)
    gpu = streams[stream, c.S_GPU]
    gpus[gpu, c.G_BUSY] = 0
    push(s, 0.0, c.ON_RELEASE, gpu, c.NONE)
    streams[stream, c.S_HOST_CALL] += 1
    _ask_for_host(s, stream)


@compiled
def handle_host(s: Ints, what: int, who: int) -> None:
    """Handle an event of a host thread or of a stream's start."""
    leaves = what == c.ON_RETURN
    if what == c.ON_STREAM:
        begin_stream(s, who)
    elif what == c.ON_GRANT:
        pay(s, who)
    elif what == c.ON_COST:
        leaves = issue_paid(s, who)
    serves = who if what == c.ON_RELEASE else -1
    if leaves:
        leave_host(s, who)
    elif serves >= 0:
        serve(s, serves)
