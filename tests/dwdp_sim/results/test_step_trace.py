"""The trace of forward steps."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from dwdp_sim.results.chrome_trace import COLOURS
from dwdp_sim.results.step_trace import chrome_steps_trace
from dwdp_sim.steps.contention import split_contention
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim.programs import constants, program, queue, single


def traced(
    of: Program, windows: StepWindows, pace: Pace | None = None, **values: Any
) -> tuple[StepTimeline, list[dict[str, Any]]]:
    timeline = simulate_steps(of, windows, constants(of, **values), pace=pace, blame=True)
    trace = json.loads(json.dumps(chrome_steps_trace(timeline, split_contention(timeline), {"cluster": "test"})))
    assert trace["otherData"] == {"cluster": "test"}
    return timeline, trace["traceEvents"]


def metadata(events: list[dict[str, Any]], kind: str) -> dict[tuple[int, int], Any]:
    """What events that name or sort say of each process and track."""
    chosen = [e for e in events if e["ph"] == "M" and e["name"] == kind]
    return {(e["pid"], e["tid"]): value for e in chosen for value in e["args"].values()}


def spans(events: list[dict[str, Any]], thread: int, rank: int = 0) -> list[tuple[str, float, float]]:
    """Name, begin and end in seconds of what stands on one thread."""
    chosen = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (rank, thread)]
    return [(e["name"], e["ts"] / 1e6, (e["ts"] + e["dur"]) / 1e6) for e in chosen]


def test_compute_prefetches_and_waits_stand_on_their_own_threads() -> None:
    # Dense layers until 1 s, attention until 2 s; experts arrive at 5 and 10 s; each MoE block takes 1 s.
    of = program(queue(0, single(1, 0, 500)))
    _, events = traced(of, constant_windows(2.0, 0.5, (1, 1, 2), lead_s=1.0))
    assert metadata(events, "process_name") == {(0, 0): "rank 0 · GPU 0"}
    assert metadata(events, "process_sort_index") == {(0, 0): 0}
    assert metadata(events, "thread_name") == {(0, 0): "compute", (0, 1): "prefetch: layers", (0, 2): "waits"}
    assert metadata(events, "thread_sort_index") == {(0, track): track for track in range(3)}
    assert spans(events, 0) == [
        ("dense layers of step 0", 0.0, 1.0),
        ("attention 0", 1.0, 2.0),
        ("MoE 0", 5.0, 6.0),
        ("attention 1", 6.0, 7.0),
        ("MoE 1", 10.0, 11.0),
    ]
    assert spans(events, 1) == [("prefetch of layer 0", 0.0, 5.0), ("prefetch of layer 1", 5.0, 10.0)]
    waits = [("bubble: experts of layer 0", 2.0, 5.0), ("bubble: experts of layer 1", 7.0, 10.0)]
    assert spans(events, 2) == waits
    kinds = {(e["name"].split(" ")[0], e["cat"], e["cname"]) for e in events if e["ph"] == "X"}
    assert {(name, kind) for name, kind, _ in kinds} == {
        ("dense", "compute"),
        ("attention", "compute"),
        ("MoE", "experts"),
        ("prefetch", "prefetch"),
        ("bubble:", "bubble"),
    }
    assert all(COLOURS[kind] == colour for _, kind, colour in kinds)


def test_launch_waits_stand_among_the_waits() -> None:
    # The call until 1 s, the launch until 3 s; the bytes are there at 2 s.
    of = program(queue(0, single(1, 0, 100), queued=False))
    _, events = traced(of, constant_windows(1.0, 0.0, (1, 1, 1)), Pace(launch_s=2.0), issue_async_s=1.0)
    assert spans(events, 2) == [("waits for launch of layer 0", 0.0, 3.0)]


def test_a_bubble_names_its_causes_and_a_prefetch_its_parts() -> None:
    # Three readers: the arithmetic is in test_blame.py.
    of = program(queue(0, single(3, 0, 100)), queue(1, single(3, 1, 190)), queue(2, single(3, 2, 290)))
    _, events = traced(of, constant_windows(1e6, 0.0, (3, 1, 1)), incast_factor_2=0.9, incast_factor_3=0.75)
    (bubble,) = [e["args"] for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (1, 2)]
    assert bubble.pop("why") == "waited 6 s: GPU 3 was read by ranks 0 and 2 as well"
    lost = {"lost at GPU 3 to GPU 0, ms": 1500.0, "lost at GPU 3 to GPU 2, ms": 2600.0}
    assert bubble == pytest.approx({"step": 0, "layer": 0} | lost)
    (prefetch,) = [e["args"] for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (1, 1)]
    assert prefetch["transfer, ms"] == pytest.approx(1900.0)
    assert prefetch["contention, ms"] == pytest.approx(4100.0)


def test_no_two_spans_of_a_thread_overlap_and_waits_and_compute_fill_each_step() -> None:
    of = program(
        queue(0, single(1, 0, 500), single(2, 0, 100), queued=False),
        queue(1, single(2, 1, 300), queued=False),
        queue(2, single(HOST, 2, 300), queued=False),
    )
    windows = constant_windows(3.0, 0.4, (3, 2, 4), lead_s=1.0)
    timeline, events = traced(of, windows, Pace(launch_s=0.5, ahead=False), issue_async_s=0.2)
    for rank in range(3):
        for thread in range(3):
            pieces = sorted(spans(events, thread, rank), key=lambda piece: piece[1])
            assert all(left[2] <= right[1] + 1e-6 for left, right in pairwise(pieces))
        filled = sum(end - begin for thread in (0, 2) for _, begin, end in spans(events, thread, rank))
        assert filled == pytest.approx((timeline.step_end_s - timeline.step_begin_s)[rank].sum())


def test_a_rank_without_prefetches_has_none_in_its_trace() -> None:
    _, events = traced(program(queue(0), queue(1, single(0, 1, 100))), constant_windows(1.0, 0.0, (2, 1, 1)))
    assert spans(events, 1, rank=0) == []
    assert spans(events, 0, rank=0) == [("MoE 0", 0.0, 1.0)]
