"""Intervals for pictures: laws over drawn programs, and what waves look like in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.program import Program
from dwdp_sim.results.intervals import call_edges_s
from dwdp_sim.results.rate_over_time import rate_over_time
from tests.dwdp_sim.composing import job
from tests.dwdp_sim.programs import run
from tests.dwdp_sim.random_programs import machines, programs


@settings(max_examples=50)
@given(programs(), machines(), st.integers(1, 50))
def test_intervals_fill_the_span_and_are_about_as_long_as_equal_ones(
    of: Program, values: dict[str, Any], bins: int
) -> None:
    assume(len(of.copy_bytes))
    timeline = run(of, **values)
    first_s, last_s = float(of.stream_start_s.min()), float(timeline.copy_end_s.max())
    edges_s = call_edges_s(timeline, np.ones(len(of.copy_bytes), dtype=bool), first_s, last_s, bins)
    assert (edges_s[0], edges_s[-1]) == (first_s, last_s)
    # Edges are at least one width apart; what is longer is cut into a rounded number of pieces: 1 / 1.5 to 1.5 widths.
    width = (last_s - first_s) / bins
    assert np.all(np.diff(edges_s) > width / 1.5 * (1 - 1e-6))
    assert np.all(np.diff(edges_s) < width * 1.5 * (1 + 1e-6))


def test_waves_of_a_group_that_waits_for_itself_show_one_steady_rate() -> None:
    built = job(
        "strategy=waves", "strategy.barrier=group", "model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=256KiB"
    )
    timeline = simulate(built.program, built.constants, built.options)
    own = built.program.copy_dst == 0
    last_s = float(timeline.copy_end_s.max())
    for bins in (20, 33, 60):
        equal = rate_over_time(timeline, own, np.linspace(0.0, last_s, bins + 1))[1:-4]
        aligned = rate_over_time(timeline, own, call_edges_s(timeline, own, 0.0, last_s, bins))[
            1:-4
        ]  # the last waves hold fewer and smaller copies
        assert np.ptp(aligned) < 1e-3 * aligned.mean() < np.ptp(equal)
