"""Laws of the clock: moving all starts, counting time in another unit, and late starts change nothing."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import LATEST_START_S, LONGEST_SPREAD_S, Program
from tests.dwdp_sim.fabric.exact import Exact
from tests.dwdp_sim.programs import FREE, ends, links, program, queue, run, single
from tests.dwdp_sim.random_exact_programs import ANY_WALK, EVERY_PROGRAM, EVERYTHING, programs
from tests.dwdp_sim.random_programs import OPTIONS

PARTS = ("stream_elapsed_s", "host_s", "gap_s", "transfer_s", "contention_s")
TIMES = ("copy_issue_s", "copy_start_s", "copy_end_s")


@given(EVERY_PROGRAM, EVERYTHING, OPTIONS, st.integers(0, 16 * int(LATEST_START_S) - 64))
def test_moving_all_starts_moves_all_times(
    of: Program, values: dict[str, Any], options: FabricOptions, sixteenths: int
) -> None:
    """Starts in sixteenths of a second are exact on any clock: not a bit of any duration may change."""
    shift_s = sixteenths / 16
    later = dataclasses.replace(of, stream_start_s=of.stream_start_s + shift_s)
    one, other = run(of, options, **values), run(later, options, **values)
    for name in PARTS:
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)
    for name in TIMES:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name) + shift_s, rtol=1e-15, err_msg=name)


def in_another_unit(of: Program, values: dict[str, Any], factor: float) -> tuple[Program, dict[str, Any]]:
    """The same program and constants where all seconds are `factor` times as many, and rates lower by it."""

    def scaled(name: str, value: Any) -> Any:
        if name.endswith("_gap_s"):
            return [[size, gap_s * factor] for size, gap_s in value]
        if name.endswith("bytes_per_s"):
            return value / factor
        return value * factor if name.endswith("_s") else value

    constants = {name: scaled(name, value) for name, value in (FREE | values).items()}
    return dataclasses.replace(of, stream_start_s=of.stream_start_s * factor), constants


def times(timeline: SimulatedTimeline, factor: float = 1.0) -> dict[str, Any]:
    return {name: getattr(timeline, name) / factor for name in (*TIMES, *PARTS)}


@given(EVERY_PROGRAM, EVERYTHING, OPTIONS, st.sampled_from([2.0**-30, 2.0**-10, 0.5, 8.0]))
def test_counting_time_in_another_unit_changes_nothing(
    of: Program, values: dict[str, Any], options: FabricOptions, factor: float
) -> None:
    """A factor that is a power of two is exact: not a bit may change."""
    same, scaled = in_another_unit(of, values, factor)
    one, other = times(run(of, options, **values)), times(run(same, options, **scaled), factor)
    for name, expected in one.items():
        np.testing.assert_array_equal(other[name], expected, err_msg=name)


@given(programs(), EVERYTHING, st.sampled_from(["fair", "equal"]), st.integers(3, 1000))
def test_counting_time_in_an_odd_unit_changes_it_by_rounding_only(
    of: Program, values: dict[str, Any], sharing: str, parts: int
) -> None:
    factor = 1 / parts
    same, scaled = in_another_unit(of, values, factor)
    options = FabricOptions(sharing=sharing)
    one, other = run(of, options, **values), run(same, options, **scaled)
    np.testing.assert_allclose(other.copy_end_s / factor, one.copy_end_s, rtol=1e-9)


@pytest.mark.parametrize("start_s", [1.0, 1e3, LATEST_START_S])
def test_late_starts_change_nothing(start_s: float) -> None:
    # Two streams from one source, 64 KiB and 192 KiB a slice, 10,000 slices in all: each copy takes 0.1 to 1 µs, and
    # a clock at 1e6 s counts in 0.1 ns.
    slices = [queue(1, *[single(0, 1, 65536)] * 5000), queue(2, *[single(0, 2, 196608)] * 5000)]
    rates = links(4e11)
    early = ends(run(program(*slices), **rates))
    late = ends(run(program(*[q._replace(start_s=start_s) for q in slices]), **rates))
    assert late == pytest.approx(early, rel=1e-9)
    assert early == pytest.approx([2 * 5000 * 65536 / 4e11, 5000 * (65536 + 196608) / 4e11], rel=1e-9)


def test_starts_far_apart_are_as_exact_as_the_clock_at_the_later_one() -> None:
    # The second stream starts when the first has long ended: 10,000 slices of 64 KiB at 4e11 B/s take 1.6384 ms.
    slices = [single(0, 1, 65536)] * 10_000
    timeline = run(program(queue(1, *slices), queue(1, *slices, start_s=LONGEST_SPREAD_S)), **links(4e11))
    assert ends(timeline) == pytest.approx([1.6384e-3] * 2, rel=1e-9)


H200: dict[str, Any] = {
    name: rate
    for names, rate in ((("egress", "ingress", "pair", "push"), 3.96e11), (("host_in", "host_out"), 5.4e10))
    for name in (f"{link}_bytes_per_s" for link in names)
} | {
    "peer_fixed_s": 9.4e-6,
    "peer_gap_s": [[65536, 3.2e-6], [2097152, 3.75e-6], [8388608, 4.4e-6]],
    "host_fixed_s": 1.1e-5,
    "host_gap_s": [[1, 3e-6]],
    "turn_gap_s": [[1, 7e-6]],
    "both_ways_gap_factor": 1.2,
    "both_ways_egress": {"pull": 0.943, "push": 0.989},
    "both_ways_ingress": {"pull": 0.943, "push": 0.989},
    "issue_async_s": 3e-6,
    "issue_batch_s": 4e-5,
    "issue_slice_s": 7e-7,
}
LATER = st.one_of(st.floats(0.0, 1.6e-6), st.floats(0.0, 1e-3), st.floats(0.0, 1.0))


@given(
    programs(kinds=("pull", "push", "host_in"), queued=st.booleans()),
    st.lists(LATER, min_size=6, max_size=6),
    st.sampled_from([1.0, 1e3, 1e6 - 1]),
    ANY_WALK,
)
def test_late_and_mixed_starts_are_exact(
    of: Program, later_s: list[float], first_s: float, walk: dict[str, Any]
) -> None:
    """Gaps, batches and slow hosts on the clock of a machine that is up since a second or since eleven days."""
    streams = len(of.stream_gpu)
    starts_s = first_s + np.array([0.0, *later_s[: streams - 1]])
    of = dataclasses.replace(of, stream_start_s=starts_s, copy_bytes=of.copy_bytes * 4096)
    walk = walk | {"in_flight_bytes": walk.get("in_flight_bytes", 1) * 4096}
    timeline = run(of, **H200, **walk)
    exact = Exact(timeline, FREE | H200 | walk, FabricOptions())
    elapsed_s = [
        float(
            max(exact.end_s[c] for c in np.flatnonzero(of.call_stream[of.copy_call] == s).tolist())
            - Fraction(float(starts_s[s]))
        )
        for s in range(streams)
    ]
    np.testing.assert_allclose(timeline.stream_elapsed_s, elapsed_s, rtol=1e-9)
