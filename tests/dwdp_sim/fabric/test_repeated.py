"""A program that is run again with other constants and starts: as if each run were the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric import engine_choice
from dwdp_sim.fabric.compiled import prepared, tables
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.repeated import RepeatedProgram
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program
from tests.dwdp_sim import random_programs
from tests.dwdp_sim.programs import batch, constants, program, queue, single
from tests.dwdp_sim.random_exact_programs import EVERY_PROGRAM, EVERYTHING

FIELDS = (
    "copy_issue_s", "copy_start_s", "copy_end_s", "stream_elapsed_s", "host_s", "gap_s", "transfer_s", "contention_s",
)  # fmt: skip
RUNS = st.lists(st.tuples(EVERYTHING, st.floats(0.0, 3.0), st.integers(0, 3)), min_size=1, max_size=3)
"""Constants, how much later the streams start (the second twice as much, and so on), and a seed, of each run."""


@pytest.fixture(scope="module", params=["remembers sets", "solves what changes"], autouse=True)
def _way_of_solving(request: pytest.FixtureRequest) -> Iterator[None]:
    most = tables.MOST_REMEMBERED if request.param == "remembers sets" else 0
    with mock.patch.object(tables, "MOST_REMEMBERED", most):
        yield


def assert_same(found: SimulatedTimeline, expected: SimulatedTimeline) -> None:
    assert found.program.stream_start_s.tolist() == expected.program.stream_start_s.tolist()
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@settings(max_examples=60)
@given(EVERY_PROGRAM, RUNS, random_programs.OPTIONS)
def test_each_run_is_that_of_a_fresh_simulation_whatever_ran_before(
    of: Program, runs: list[tuple[dict[str, Any], float, int]], options: FabricOptions
) -> None:
    repeated = RepeatedProgram(of, options, engine="compiled", copies=1)
    kept: list[tuple[SimulatedTimeline, SimulatedTimeline]] = []
    for values, later_s, seed in [*runs, *runs[::-1]]:
        start_s = of.stream_start_s + later_s * np.arange(1, 1 + len(of.stream_start_s))
        taken = constants(of, options, **values)
        drawn = Program(**{**vars_of(of), "stream_start_s": start_s})
        kept.append((repeated.run(taken, start_s, seed), simulate(drawn, taken, options, seed=seed, engine="compiled")))
    for found, expected in kept:  # later runs have not changed what earlier ones gave
        assert_same(found, expected)


def vars_of(of: Program) -> dict[str, Any]:
    return {name: getattr(of, name) for name in Program.__dataclass_fields__}


def test_tables_are_built_once_unless_the_number_of_engines_or_the_order_of_copies_is_another() -> None:
    of = program(queue(0, batch((1, 0, 100), (2, 0, 100), (1, 0, 100), (2, 0, 100)), single(1, 0, 50)))
    with mock.patch.object(prepared, "plan_tables", wraps=prepared.plan_tables) as built:
        repeated = RepeatedProgram(of, FabricOptions(), engine="compiled", copies=1)
        for value in (1e-6, 2e-6, 3e-6):
            repeated.run(constants(of, peer_fixed_s=value))
        assert built.call_count == 1
        repeated.run(constants(of, in_flight_sources=1, batch_engines=2))
        assert built.call_count == 2
        shuffled = RepeatedProgram(of, FabricOptions(batch_order="random"), engine="compiled", copies=1)
        for seed in range(4):
            shuffled.run(constants(of), seed=seed)
        assert built.call_count > 3


def test_without_numba_the_readable_engine_runs_it_with_the_same_times() -> None:
    of = program(queue(0, single(1, 0, 100), single(1, 0, 70)), queue(1, single(0, 1, 90), start_s=1e-7))
    compiled = RepeatedProgram(of, FabricOptions(), copies=10**9)
    with mock.patch.object(engine_choice, "find_spec", return_value=None):
        readable = RepeatedProgram(of, FabricOptions(), copies=10**9)
    for value in (1e-6, 2e-6):
        found, expected = (each.run(constants(of, peer_fixed_s=value)) for each in (readable, compiled))
        np.testing.assert_array_equal(found.copy_end_s, expected.copy_end_s)


def test_auto_chooses_by_all_the_copies_that_will_be_simulated() -> None:
    of = program(queue(0, single(1, 0, 100)))
    with mock.patch("dwdp_sim.fabric.repeated.simulate", wraps=simulate) as readable:
        RepeatedProgram(of, FabricOptions(), copies=10).run(constants(of))
        assert readable.call_count == 1
        RepeatedProgram(of, FabricOptions(), copies=10**9).run(constants(of))
        assert readable.call_count == 1
