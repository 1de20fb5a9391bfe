"""Forward steps that are run again with other windows and starts: as if each run were the first."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric.compiled import tables
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.repeated_steps import RepeatedSteps
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import constant_windows
from tests.dwdp_sim import random_programs
from tests.dwdp_sim.programs import batch, cluster, program, queue
from tests.dwdp_sim.random_exact_programs import EVERYTHING
from tests.dwdp_sim.steps.test_compiled_steps import Case, cases


def others(case: Case) -> list[Case]:
    """The same copies under other windows and starts, and with one iteration more."""
    windows = case.windows
    longer = replace(windows, moe_s=2.5 * windows.moe_s + 0.25, before_s=windows.before_s[:, ::-1])
    shape = (windows.ranks, windows.iterations + 1, windows.layers)
    return [
        case,
        case._replace(windows=longer, start_s=case.start_s[::-1] + 0.1),
        case._replace(windows=constant_windows(1.5, 0.25, shape)),
        case,
    ]


def assert_same(found: StepTimeline, expected: StepTimeline) -> None:
    for name in (field.name for field in fields(StepTimeline)):
        one, other = getattr(found, name), getattr(expected, name)
        if other is None:
            assert one is None
        else:
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("most_remembered", [tables.MOST_REMEMBERED, 0])
@settings(max_examples=60)
@given(cases(), EVERYTHING, random_programs.OPTIONS, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_each_run_is_that_of_fresh_steps_whatever_ran_before(
    most_remembered: int, case: Case, values: dict[str, Any], options: FabricOptions, seeds: list[int]
) -> None:
    constants = constants_for(cluster(**values), case.program, options, in_steps=True)
    with mock.patch.object(tables, "MOST_REMEMBERED", most_remembered):
        steps = RepeatedSteps(
            case.program, constants, options, case.pace, ranks=case.windows.ranks, engine="compiled", copies=1
        )
        for one, seed in zip(others(case), seeds, strict=True):
            more = {"start_s": one.start_s, "seed": seed}
            try:
                expected = simulate_steps(
                    case.program, one.windows, constants, options, case.pace, engine="compiled", **more
                )
            except RuntimeError:
                with pytest.raises(RuntimeError, match="came to a stop"):
                    steps.run(one.windows, one.start_s, seed)
                return
            assert_same(steps.run(one.windows, one.start_s, seed), expected)


def test_few_copies_run_on_simpy_with_the_same_answer() -> None:
    pulls = program(*(queue(r, batch(*(((r + 1 + i % 2) % 3, r, 50) for i in range(4)))) for r in range(3)))
    windows, start_s = constant_windows(9.3, 0.4, (3, 2, 5)), np.linspace(0.0, 7.3, 3)
    constants = constants_for(cluster(), pulls, FabricOptions(), in_steps=True)
    few, many = (
        RepeatedSteps(pulls, constants, FabricOptions(), Pace(), ranks=3, copies=copies).run(windows, start_s)
        for copies in (1, 10**6)
    )
    np.testing.assert_array_equal(few.step_end_s, many.step_end_s)
