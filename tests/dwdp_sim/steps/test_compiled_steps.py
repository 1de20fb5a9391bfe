"""Forward steps on the compiled engine against the readable one: equal times to the last bit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.compiled import tables
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.links import ALWAYS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim import random_programs
from tests.dwdp_sim.programs import Queue, batch, cluster, program, queue, single
from tests.dwdp_sim.random_exact_programs import EVERYTHING

PARTS = ("host_s", "gap_s", "transfer_s", "contention_s")


class Case(NamedTuple):
    """Forward steps to simulate."""

    program: Program
    windows: StepWindows
    pace: Pace
    start_s: Floats


@st.composite
def prefetches(draw: st.DrawFn, ranks: int) -> list[Queue]:
    """One layer: single copies and batches from peers, host memory and the GPU itself; some with barriers."""
    queued, barriers = draw(st.booleans()), draw(st.booleans())
    calls = draw(st.integers(1, 3))
    queues = []
    for rank in range(ranks):
        sources = [other for other in (*range(ranks), HOST) if other != rank] + [rank]
        own = []
        for number in range(calls if barriers else draw(st.integers(1, 3))):
            listed = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=5))
            copies = [(src, rank, draw(st.sampled_from([64, 64, 128, 37, 300]))) for src in listed]
            if barriers:
                own.append(batch(*copies, barrier=number))
            else:
                own.append(single(*copies[0]) if len(copies) == 1 else batch(*copies))
        queues.append(queue(rank, *own, queued=queued))
    return queues


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Two to four ranks, some with bytes to be taken away after each step; unequal windows, slowed down by copies."""
    ranks, shape = draw(st.integers(2, 4)), (draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    queues = draw(prefetches(ranks))
    if draw(st.booleans()):
        away = st.lists(st.sampled_from([64, 500]), min_size=1, max_size=2)
        queues += [
            queue(ranks + rank, *(single(rank, ranks + rank, size) for size in draw(away))) for rank in range(ranks)
        ]
    seconds = st.one_of(st.floats(0.0, 6.0), st.sampled_from([0.0, 1.0, 2.0]))

    def column(*size: int) -> Floats:
        count = int(np.prod(size))
        return np.array(draw(st.lists(seconds, min_size=count, max_size=count))).reshape(size)

    slowdowns = st.one_of(
        st.just(1.0), st.floats(1.0, 2.0), st.floats(1.0, 2.0).map(lambda factor: np.full((ranks, *shape), factor))
    )
    windows = StepWindows(
        column(ranks, shape[0]),
        column(ranks, *shape),
        column(ranks, *shape),
        tokens=np.zeros((ranks, shape[0]), dtype=np.int64),
        before_slowdown=draw(slowdowns),
        moe_slowdown=draw(slowdowns),
    )
    pace = Pace(
        slots=draw(st.integers(1, 3)),
        launch_s=draw(st.sampled_from([0.0, 0.25, 0.3])),
        ahead=draw(st.booleans()),
        carry_over=draw(st.booleans()),
        interference=draw(st.sampled_from([1.0, 1.0, 1.3])),
        goes_on=draw(st.booleans()),
    )
    starts = draw(st.lists(st.sampled_from([0.0, 0.5, 0.3, 2.0]), min_size=ranks, max_size=ranks))
    return Case(program(*queues), windows, pace, np.array(starts))


def steps(
    case: Case, engine: str, options: FabricOptions, between_s: tuple[float, float] = ALWAYS, **values: Any
) -> StepTimeline:
    used = constants_for(cluster(**values), case.program, options, in_steps=True)
    return simulate_steps(
        case.program,
        case.windows,
        used,
        options,
        case.pace,
        start_s=case.start_s,
        seed=1,
        blame=options.sharing != "fifo",
        rates_between_s=between_s,
        engine=engine,
    )


def samples(timeline: StepTimeline) -> list[tuple[float, tuple[int, ...], tuple[float, ...]]]:
    """Times at which rates were settled, with the flows that move from then on, and their rates."""
    assert timeline.links is not None
    return [(time_s, moving.flows, moving.rates) for time_s, moving in timeline.links.samples]


def assert_equal(case: Case, options: FabricOptions, **values: Any) -> None:
    try:
        expected = steps(case, "simpy", options, **values)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="came to a stop"):
            steps(case, "compiled", options, **values)
        return
    found = steps(case, "compiled", options, **values)
    whole_s = float(expected.step_end_s.max())
    recorded = samples(found)
    assert recorded == samples(expected)[: len(recorded)]  # SimPy runs on for a while
    assert recorded[-1][0] <= whole_s
    if expected.lost_s is not None:
        np.testing.assert_allclose(found.lost_s, expected.lost_s, rtol=1e-9, atol=1e-12 * whole_s)
    for name in [field.name for field in fields(StepTimeline) if field.name not in ("links", "lost_s")]:
        one, other = getattr(found, name), getattr(expected, name)
        if name in PARTS:  # added up in another order
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * whole_s, err_msg=name)
        else:
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("most_remembered", [tables.MOST_REMEMBERED, 0])
@settings(max_examples=200)
@given(cases(), EVERYTHING, random_programs.OPTIONS, st.sampled_from([0.0, 0.125, 0.3]))
def test_all_rules_and_options_together(
    most_remembered: int, case: Case, values: dict[str, Any], options: FabricOptions, event_s: float
) -> None:
    with mock.patch.object(tables, "MOST_REMEMBERED", most_remembered):
        assert_equal(case, options, **values, event_s=event_s)


@pytest.mark.parametrize("ranks", [3, 8])
def test_many_layers_that_drift_are_equal_to_the_last_one(ranks: int) -> None:
    pulls = [
        queue(r, batch(*(((r + 1 + i % (ranks - 1)) % ranks, r, 50) for i in range(4 * (ranks - 1)))))
        for r in range(ranks)
    ]
    windows = constant_windows(3.1 * ranks, 0.4, (ranks, 2, 30), lead_s=2.0)
    case = Case(program(*pulls), windows, Pace(interference=1.07), np.linspace(0.0, 17.3, ranks))
    losses: dict[str, Any] = {"incast_factor_2": 0.929, "incast_factor_3": 0.858, "incast_factor_4_up": 0.858}
    assert_equal(case, FabricOptions(), event_s=0.01, peer_fixed_s=0.1, peer_gap_s=[[1, 0.05]], **losses)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_rates_of_a_part_of_the_time_are_those_of_the_whole_from_before_it_begins_until_after_it_ends(
    engine: str,
) -> None:
    pulls = [queue(r, batch(*(((r + 1 + i % 2) % 3, r, 50) for i in range(4)))) for r in range(3)]
    case = Case(program(*pulls), constant_windows(9.3, 0.4, (3, 2, 5)), Pace(), np.linspace(0.0, 7.3, 3))
    whole = samples(steps(case, engine, FabricOptions()))
    begin_s, end_s = 31.0, 47.0
    part = samples(steps(case, engine, FabricOptions(), (begin_s, end_s)))
    first, last = (max(n for n, (time_s, *_) in enumerate(whole) if time_s <= at_s) for at_s in (begin_s, end_s))
    holds = max(n for n, (time_s, *_) in enumerate(part) if time_s <= begin_s)
    assert part[holds:] == whole[first : last + 2]
    assert 2 < len(part[holds:]) < len(part) < len(whole)


def test_a_barrier_before_what_a_step_leaves_behind_is_left_to_simpy() -> None:
    of = program(queue(0, single(1, 0, 100)), queue(1, single(0, 1, 100, barrier=0)))
    case = Case(of, constant_windows(1.0, 0.0, (1, 1, 2)), Pace(), np.zeros(1))
    with pytest.raises(ConfigError, match="engine=compiled"):
        steps(case, "compiled", FabricOptions())
    assert steps(case, "auto", FabricOptions()).step_end_s[0, 0] == 3.0
