"""Turn the watched run of a measurement into a timeline, which tables and traces of predictions can show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import RankResult
from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.plan.program import program_from_plan


def measured_timeline(case: Case, results: Sequence[RankResult]) -> Timeline:
    """Return when the copies of a case arrived in its watched run.

    A copy's first byte cannot be seen: `copy_start_s` is when the rank's previous copy from the same source arrived,
    or its call's issue. Times that were not seen count as the run's end.

    Args:
        case: What was run.
        results: Of each rank.
    """
    program = program_from_plan(
        case.plan, issue_mode=case.issue_mode, home=case.home, ranks=len(results) if case.home != "peer" else None
    )
    end = np.zeros(len(program.copy_bytes))
    issue = np.zeros(len(program.copy_bytes))
    start = np.zeros(len(program.copy_bytes))
    elapsed = np.zeros(len(program.stream_gpu))
    owner = program.call_stream[program.copy_call]
    for result in results:
        if result.detail is None:
            continue
        own = np.flatnonzero(owner == result.rank)
        seen = [time for time in (*result.detail.arrival_s, *result.detail.call_end_s) if not math.isnan(time)]
        last = max(seen, default=0.0)
        arrivals = np.array(result.detail.arrival_s if result.detail.arrival_s else [last] * len(own))
        end[own] = np.nan_to_num(arrivals, nan=last)
        calls = program.copy_call[own] - int(np.flatnonzero(program.call_stream == result.rank)[0])
        issue[own] = np.nan_to_num(np.array(result.detail.issue_s), nan=0.0)[calls]
        start[own] = _starts(end[own], issue[own], program.copy_src[own])
        elapsed[result.rank] = last
    return Timeline(program, issue, start, end, elapsed)


def _starts(end_s: Floats, issue_s: Floats, source: Ints) -> Floats:
    start = issue_s.copy()
    for peer in np.unique(source):
        own = np.flatnonzero(source == peer)
        order = own[np.argsort(end_s[own], kind="stable")]
        start[order[1:]] = np.maximum(start[order[1:]], end_s[order[:-1]])
    return np.minimum(start, end_s)
