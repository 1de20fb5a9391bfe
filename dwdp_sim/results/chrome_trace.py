"""The run as a Chrome trace (JSON), which ui.perfetto.dev opens: one process a GPU, its copy engine, link counters."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.job import LayerJob, ReplayJob
from dwdp_sim.plan.program import HOST
from dwdp_sim.results.rate_over_time import lanes, rate_over_time

_COUNTER_BINS = 1000


def chrome_trace(job: LayerJob | ReplayJob, timeline: Timeline, config_hash: str) -> dict[str, Any]:
    """Trace events in microseconds.

    A copy engine has one track; where it has several copies in flight at once, the further ones stand on tracks below.
    """
    program = job.program
    gpu = program.stream_gpu[program.call_stream[program.copy_call]]
    events: list[dict[str, Any]] = []
    edges = np.linspace(0.0, max(float(timeline.copy_end_s.max(initial=0.0)), 1e-9), _COUNTER_BINS + 1)
    for number in range(program.num_gpus):
        events.append(name_event("process_name", number, 0, f"GPU {number}"))
        own = np.flatnonzero(gpu == number)
        events += _engine_events(job, timeline, number, own)
        for label, side in (("egress", program.copy_src), ("ingress", program.copy_dst)):
            rate = rate_over_time(timeline, side == number, edges) / 1e9
            changed = np.flatnonzero(np.diff(rate, prepend=-1.0) != 0)
            events += [
                {"ph": "C", "pid": number, "name": f"{label} GB/s", "ts": edges[i] * 1e6, "args": {"GB/s": rate[i]}}
                for i in changed.tolist()
            ]
    about = {"cluster": job.cluster.name, "config_hash": config_hash, "issue_mode": job.issue_mode}
    return {"displayTimeUnit": "ns", "otherData": about, "traceEvents": events}


def _engine_events(
    job: LayerJob | ReplayJob, timeline: Timeline, number: int, own: np.ndarray[Any, Any]
) -> list[dict[str, Any]]:
    program = job.program
    plan = job.layer.plan if isinstance(job, LayerJob) else None
    start, end = timeline.copy_start_s[own], timeline.copy_end_s[own]
    lane = lanes(start, end)
    events = [
        name_event("thread_name", number, track, "copy engine" if track == 0 else f"copy engine, in flight {track + 1}")
        for track in range(int(lane.max(initial=-1)) + 1)
    ]
    names = [p.name for p in plan.parameters] if plan else ["copy"]
    kind = plan.copy_parameter[own] if plan else np.zeros_like(own)
    columns = (
        lane,
        start,
        end,
        program.copy_src[own],
        program.copy_dst[own],
        program.copy_bytes[own],
        program.copy_call[own],
        kind,
    )
    for track, begin, until, src, dst, size, call, what in zip(*(c.tolist() for c in columns), strict=True):
        other = dst if src == number else src
        arguments = {"bytes": size, "call": call, "what": names[what]}
        way = "to" if src == number and dst != number else "from"
        events.append(
            {
                "ph": "X",
                "pid": number,
                "tid": track,
                "name": f"{way} {'host' if other == HOST else f'GPU {other}'}",
                "ts": begin * 1e6,
                "dur": (until - begin) * 1e6,
                "args": arguments,
            }
        )
    return events


def name_event(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    """The event that names a process (`process_name`) or one of its threads (`thread_name`)."""
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}
