"""Write forward steps as a Chrome trace (JSON) for ui.perfetto.dev: each rank's compute, prefetches and waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dwdp_sim.fabric.blame import OWN_LINKS
from dwdp_sim.plan.endpoints import endpoint_name
from dwdp_sim.results.chrome_trace import Event, name_process, name_thread, sort_process, span, trace_content
from dwdp_sim.steps.bubbles import explain
from dwdp_sim.steps.contention import Contention
from dwdp_sim.steps.step_timeline import StepTimeline

_THREADS = ("compute", "prefetch: layers", "waits")
_COMPUTE, _PREFETCH, _WAITS = range(len(_THREADS))
_CLOCKS = ("ready_s", "wait_begin_s", "moe_begin_s", "moe_end_s", "prefetch_begin_s", "prefetch_end_s")
_PARTS = ("own_engine", "host", "gap", "transfer", "contention")


def chrome_steps_trace(timeline: StepTimeline, contention: Contention, about: dict[str, Any]) -> dict[str, Any]:
    """Return the trace, whose events are in microseconds.

    A prefetch is shown from its engine's first work on it; its arguments partition its whole latency, in ms. A bubble's
    arguments say why compute waited, and how many ms of contention were lost where, and to whom.

    Args:
        timeline: The steps.
        contention: Their contention, split.
        about: What was run; stands in the trace's `otherData`.
    """
    events: list[Event] = []
    for rank in range(len(timeline.step_begin_s)):
        events += [name_process(rank, f"rank {rank} · {endpoint_name(rank)}"), sort_process(rank, rank)]
        events += [event for number, name in enumerate(_THREADS) for event in name_thread(rank, number, name)]
        events += _step_events(timeline, rank)
        for step, layer in np.ndindex(timeline.bubble_s.shape[1:]):
            events += _layer_events(timeline, contention, rank, step, layer)
    return trace_content(events, about, unit="ms")


def _step_events(timeline: StepTimeline, rank: int) -> Iterator[Event]:
    columns = (timeline.step_begin_s[rank].tolist(), timeline.step_lead_end_s[rank].tolist())
    for step, (begin_s, end_s) in enumerate(zip(*columns, strict=True)):
        yield from _span(rank, _COMPUTE, f"dense layers of step {step}", begin_s, end_s, {"step": step}, "compute")


def _layer_events(timeline: StepTimeline, contention: Contention, rank: int, step: int, layer: int) -> Iterator[Event]:
    at, place = (rank, step, layer), {"step": step, "layer": layer}
    clock = {name: float(getattr(timeline, name)[at]) for name in _CLOCKS}
    launched_s = clock["ready_s"] + float(timeline.launch_wait_s[at])
    ready_s, needed_s, had_s, ended_s = (clock[name] for name in _CLOCKS[:4])
    yield from _span(rank, _WAITS, f"waits for launch of layer {layer}", ready_s, launched_s, place, "launch")
    yield from _span(rank, _COMPUTE, f"attention {layer}", launched_s, needed_s, place, "compute")
    yield from _span(rank, _COMPUTE, f"MoE {layer}", had_s, ended_s, place, "experts")
    parts_ms = {f"{part}, ms": float(getattr(timeline, f"{part}_s")[at]) * 1e3 for part in _PARTS}
    begin_s = clock["prefetch_begin_s"] + float(timeline.own_engine_s[at])
    said = place | parts_ms
    yield from _span(rank, _PREFETCH, f"prefetch of layer {layer}", begin_s, clock["prefetch_end_s"], said, "prefetch")
    if timeline.bubble_s[at] > 0.0:
        why: dict[str, Any] = {"why": explain(timeline, contention, *at).reason}
        for source, reader, lost_s in contention.of(*at):
            other = "own links" if reader == OWN_LINKS else endpoint_name(reader)
            why[f"lost at {endpoint_name(source)} to {other}, ms"] = lost_s * 1e3
        yield from _span(rank, _WAITS, f"bubble: experts of layer {layer}", needed_s, had_s, place | why, "bubble")


def _span(
    rank: int, thread: int, name: str, begin_s: float, end_s: float, arguments: dict[str, Any], kind: str
) -> Iterator[Event]:
    """Yield the event, if it has a length."""
    if end_s > begin_s:
        yield span(rank, thread, name, begin_s, end_s, arguments, kind)
