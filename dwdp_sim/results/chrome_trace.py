"""Write a run as a Chrome trace (JSON) for ui.perfetto.dev: one process a GPU, its host's calls, its copies, its links.

The functions that make single events serve every trace of this toolkit. Their times are in seconds; in a trace they
stand in microseconds. Names begin with the kind of what happens: Perfetto colours by the name without its numbers, and
takes no colour from a trace; chrome://tracing takes the one that `COLOURS` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.timeline import LinkRates, Timeline
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.endpoints import endpoint_name
from dwdp_sim.results.rate_over_time import rate_over_time

Event = dict[str, Any]

_COUNTER_BINS = 1000

COLOURS: Mapping[str, str] = {
    "call": "rail_load",
    "prefetch": "thread_state_running",
    "compute": "grey",
    "experts": "generic_work",
    "bubble": "terrible",
    "launch": "bad",
}
"""By kind of event, a name of the scheme that the trace format fixes; copies have the viewer's, one for each source."""


def chrome_trace(
    timeline: Timeline, about: Mapping[str, Any], *, plan: CopyPlan | None = None, links: LinkRates | None = None
) -> dict[str, Any]:
    """Return the trace of a program.

    A GPU has a track for its host's calls, if they took time, and one for its copies; where several are in flight at
    once, the further ones stand on tracks below.

    Args:
        timeline: When its copies moved.
        about: What was run; stands in the trace's `otherData`.
        plan: What the program was made from, if from a plan; it names the parameter that each copy carries.
        links: The simulator's rates, if they were recorded; see `rate_over_time`.
    """
    program = timeline.program
    events: list[Event] = []
    edges_s = np.linspace(0.0, max(float(timeline.copy_end_s.max(initial=0.0)), 1e-9), _COUNTER_BINS + 1)
    for number in range(program.num_gpus):
        name = endpoint_name(number)
        events += [name_process(number, f"rank {number} · {name}" if plan else name), sort_process(number, number)]
        hosts = np.flatnonzero((program.stream_gpu == number) & ~program.stream_queued).tolist()
        events += [
            event for track, stream in enumerate(hosts) for event in _host_events(timeline, number, stream, track)
        ]
        events += _engine_events(timeline, plan, number, len(hosts))
        for label, side in (("egress", program.copy_src), ("ingress", program.copy_dst)):
            rate = rate_over_time(timeline, side == number, edges_s, links) / 1e9
            changed = np.flatnonzero(np.diff(rate, prepend=-1.0) != 0)
            events += [counter(number, f"{label} GB/s", edges_s[i], "GB/s", rate[i]) for i in changed.tolist()]
    return trace_content(events, about, unit="ns")


def trace_content(events: list[Event], about: Mapping[str, Any], *, unit: str) -> dict[str, Any]:
    """Return the content of a trace file.

    Args:
        events: What happened.
        about: What was run.
        unit: `ns` or `ms`: in which the viewer shows times.
    """
    return {"displayTimeUnit": unit, "otherData": dict(about), "traceEvents": events}


def name_process(process: int, name: str) -> Event:
    """Return the event that names a process."""
    return _metadata("process_name", process, 0, {"name": name})


def sort_process(process: int, place: int) -> Event:
    """Return the event that puts a process at a place in the viewer's list."""
    return _metadata("process_sort_index", process, 0, {"sort_index": place})


def name_thread(process: int, thread: int, name: str) -> list[Event]:
    """Return the events that name a track of a process and put it at the place of its number."""
    return [
        _metadata("thread_name", process, thread, {"name": name}),
        _metadata("thread_sort_index", process, thread, {"sort_index": thread}),
    ]


def span(
    process: int,
    thread: int,
    name: str,
    begin_s: float,
    end_s: float,
    arguments: Mapping[str, Any],
    kind: str = "copy",
) -> Event:
    """Return an event with a duration, on a track of a process; its kind is its category, and gives it a colour."""
    event = {
        "ph": "X",
        "pid": process,
        "tid": thread,
        "name": name,
        "cat": kind,
        "ts": begin_s * 1e6,
        "dur": (end_s - begin_s) * 1e6,
        "args": arguments,
    }
    return event | {"cname": COLOURS[kind]} if kind in COLOURS else event


def counter(process: int, name: str, time_s: float, unit: str, value: float) -> Event:
    """Return the event that sets a process's counter from `time_s` on."""
    return {"ph": "C", "pid": process, "name": name, "ts": time_s * 1e6, "args": {unit: value}}


def _metadata(kind: str, process: int, thread: int, arguments: dict[str, Any]) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": arguments}


def _host_events(timeline: Timeline, gpu: int, stream: int, track: int) -> list[Event]:
    """The calls that a host makes for a stream of a GPU, each from the end of the one before it."""
    program = timeline.program
    events = name_thread(gpu, track, "host: calls")
    before_s = float(program.stream_start_s[stream])
    for call in np.flatnonzero(program.call_stream == stream).tolist():
        first, end = program.call_first_copy[call : call + 2].tolist()
        complete_s = float(timeline.copy_issue_s[first:end].max(initial=0.0))
        if complete_s > before_s:
            said = {"copies": end - first, "bytes": int(program.copy_bytes[first:end].sum())}
            events.append(span(gpu, track, f"call {call}", before_s, complete_s, said, "call"))
            before_s = complete_s
    return events


def _engine_events(timeline: Timeline, plan: CopyPlan | None, gpu: int, first_track: int) -> list[Event]:
    """The copies that a GPU's engine moves."""
    program = timeline.program
    own = np.flatnonzero(program.copy_gpu == gpu)
    start_s, end_s = timeline.copy_start_s[own], timeline.copy_end_s[own]
    lane = lanes(start_s, end_s)
    title = "prefetch: copies" if plan else "copies"
    events: list[Event] = []
    for place in range(int(lane.max(initial=-1)) + 1):
        further = f", in flight {place + 1}" if place else ""
        events += name_thread(gpu, first_track + place, f"{title}{further}")
    names = [p.name for p in plan.parameters] if plan else ["copy"]
    columns = (
        lane + first_track,
        start_s,
        end_s,
        program.copy_src[own],
        program.copy_dst[own],
        program.copy_bytes[own],
        program.copy_call[own],
        plan.copy_parameter[own] if plan else np.zeros_like(own),
    )
    for track, begin, until, src, dst, size, call, what in zip(*(c.tolist() for c in columns), strict=True):
        pushes = src == gpu and dst != gpu
        source = endpoint_name(src)
        name = f"push to {endpoint_name(dst)}" if pushes else f"pull from {source}"
        said = {"bytes": size, "source": source, "what": names[what], "call": call}
        events.append(span(gpu, track, name, begin, until, said))
    return events


def lanes(start_s: Floats, end_s: Floats) -> Ints:
    """Return, for each copy of one engine, the first lane (from 0) in which it overlaps no earlier copy."""
    free: list[float] = []
    lane = np.zeros(len(start_s), dtype=np.int64)
    for index in np.argsort(start_s, kind="stable").tolist():
        begin = start_s[index]
        for number, until in enumerate(free):
            if until <= begin + 1e-12:
                lane[index] = number
                free[number] = end_s[index]
                break
        else:
            lane[index] = len(free)
            free.append(end_s[index])
    return lane
