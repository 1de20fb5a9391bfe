"""A measurement's timeline says what was seen, and a prediction's tables, traces and pictures show it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import Detail, RankResult, Reading
from dwdp_hw.job.measured_timeline import measured_timeline
from dwdp_sim.fabric.timeline import SimulatedTimeline, Timeline
from dwdp_sim.results.chrome_trace import chrome_trace
from dwdp_sim.results.figure import Picture, timeline_figure
from dwdp_sim.results.files import copies_table

EMPTY = Reading()


def result(rank: int, detail: Detail | None) -> RankResult:
    return RankResult(
        rank=rank,
        host="here",
        device="memory",
        path="memcpy",
        pulls=True,
        samples=[],
        detail=detail,
        witness=None,
        layers=[],
        issue_cost_s={},
        relative=None,
        clock_uncertainty_s=0.0,
        before=EMPTY,
        after=EMPTY,
        pulled_bytes=0,
        verified_runs=0,
        machine={},
    )


@pytest.fixture
def case(small_case: Callable[..., Case]) -> Case:
    """Two ranks, one peer each, a call for each copy."""
    return small_case(strategy="default")


def watched(case: Case) -> Timeline:
    """Each rank's copies arrive 1, 2, 3 … s after its start, 0.5 s after their calls; the second was not seen."""
    count = case.plan.copies_per_rank()[0]
    arrival_s = [1.0 + number for number in range(count)]
    issue_s = [time - 0.5 for time in arrival_s]
    detail = Detail([arrival_s[0], math.nan, *arrival_s[2:]], issue_s, [math.nan] * count)
    return measured_timeline(case, [result(0, detail), result(1, detail)])


def test_a_copy_ends_as_it_arrives_and_begins_as_the_one_before_it_from_its_source_arrived(case: Case) -> None:
    timeline = watched(case)
    own = timeline.program.copy_dst == 0
    last_s = float(own.sum())
    assert timeline.copy_end_s[own].tolist() == [1.0, last_s, *np.arange(3.0, last_s + 1)]
    assert timeline.copy_issue_s[own].tolist() == (np.arange(last_s) + 0.5).tolist()
    assert timeline.copy_start_s[own][:1].tolist() == [0.5]  # its call
    assert timeline.copy_start_s[own][3] == 3.5  # the copy before it arrived at 3 s, its call was complete later
    assert timeline.stream_elapsed_s.tolist() == [last_s, last_s]


def test_a_rank_that_was_not_watched_has_no_times(case: Case) -> None:
    timeline = measured_timeline(case, [result(0, None), result(1, None)])
    assert not timeline.copy_end_s.any()
    assert not timeline.stream_elapsed_s.any()


def test_it_holds_nothing_that_was_not_measured(case: Case) -> None:
    assert not isinstance(watched(case), SimulatedTimeline)


def test_it_is_listed_traced_and_drawn_like_a_prediction(case: Case) -> None:
    timeline, plan = watched(case), case.plan
    table = copies_table(timeline, "a" * 64, plan)
    assert table["end_s"].to_pylist() == timeline.copy_end_s.tolist()
    assert set(table["parameter"].to_pylist()) == {parameter.name for parameter in plan.parameters}
    spans = [event for event in chrome_trace(timeline, {}, plan=plan)["traceEvents"] if event["ph"] == "X"]
    assert sum(event["args"]["bytes"] for event in spans) == sum(plan.bytes_per_rank())
    assert timeline_figure(timeline, Picture("measured", 1e9)).axes[0].get_ylabel() == "rank 0\nGB/s"
