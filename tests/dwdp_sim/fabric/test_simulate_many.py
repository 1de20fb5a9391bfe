"""Many simulations at once give what each gives alone, whoever runs them."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric import engine_choice
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.simulate_many import SimulationTask, engine_for, simulate_each, simulate_many
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.fabric.workers import workers
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.programs import batch, constants, program, queue
from tests.dwdp_sim.random_exact_programs import ANY_WALK, programs

COLUMNS = ("copy_issue_s", "copy_start_s", "copy_end_s", "stream_elapsed_s", "host_s", "gap_s", "contention_s")
SHUFFLED = FabricOptions(batch_order="random")


def three_pulls(size: int = 100) -> Program:
    return program(queue(0, batch((1, 0, size), (2, 0, 2 * size), (3, 0, 3 * size))))


def task(of: Program, seed: int = 0, **values: object) -> SimulationTask:
    return SimulationTask(of, constants(of, SHUFFLED, **values), SHUFFLED, seed)


def assert_same(found: SimulatedTimeline, expected: SimulatedTimeline) -> None:
    for name in COLUMNS:
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name


@settings(max_examples=30)
@given(st.lists(st.tuples(programs(), ANY_WALK, st.integers(0, 3)), min_size=2, max_size=6))
def test_threads_return_the_bytes_that_each_task_has_alone_in_the_order_of_the_tasks(
    drawn: list[tuple[Program, dict[str, object], int]],
) -> None:
    tasks = [task(of, seed, **values) for of, values, seed in drawn]
    for found, one in zip(simulate_many(tasks, engine="compiled", workers=3), tasks, strict=True):
        assert found.program is one.program
        assert_same(found, simulate(one.program, one.constants, one.options, seed=one.seed, engine="compiled"))


def test_the_copies_of_all_tasks_decide_on_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "MANY_COPIES", 7)
    tasks = [task(three_pulls(), seed) for seed in range(3)]  # three copies each
    assert engine_for(tasks[:2]) == "simpy"
    assert engine_for(tasks) == "compiled"
    assert engine_for(tasks, "simpy") == "simpy"


def test_what_the_compiled_engine_cannot_run_goes_to_simpy_or_is_refused() -> None:
    sorted_ = program(queue(0, batch((2, 0, 100))), queue(1, batch((3, 1, 300))))
    other = replace(
        sorted_,
        **{name: getattr(sorted_, name)[::-1].copy() for name in ("call_stream", "copy_src", "copy_dst", "copy_bytes")},
    )
    tasks = [task(three_pulls()), task(other)]
    assert [t.stream_elapsed_s.tolist() for t in simulate_many(tasks)] == [[6.0], [1.0, 3.0]]
    with pytest.raises(ConfigError, match="engine=simpy can"):
        simulate_many(tasks, engine="compiled")


@pytest.mark.parametrize(("engine", "count"), [("simpy", 1), ("compiled", 1), ("compiled", 2)])
def test_progress_counts_the_copies_of_all_tasks_in_this_thread(engine: str, count: int) -> None:
    said: list[tuple[int, int]] = []
    tasks = [task(three_pulls(), seed) for seed in range(4)]
    simulate_many(tasks, engine=engine, workers=count, progress=lambda n: said.append((n, threading.get_ident())))
    finished = [n for n, _ in said]
    assert finished == sorted(finished)
    assert finished[-1] == 12
    assert {thread for _, thread in said} == {threading.get_ident()}


def test_timelines_come_one_after_another() -> None:
    tasks = [task(three_pulls(size)) for size in (100, 200)]
    coming = simulate_each(tasks, engine="compiled", workers=1)
    assert float(next(coming).stream_elapsed_s[0]) == pytest.approx(6.0)
    assert float(next(coming).stream_elapsed_s[0]) == pytest.approx(12.0)


def test_no_tasks_give_no_timelines() -> None:
    assert simulate_many([]) == []


def test_what_a_pool_has_not_begun_when_its_block_ends_in_an_error_is_given_up() -> None:
    begun, held = threading.Event(), threading.Event()
    ran: list[int] = []

    def work(number: int) -> None:
        ran.append(number)
        begun.set()
        held.wait(10)

    with pytest.raises(KeyboardInterrupt), workers(2, threads=True) as pool:  # noqa: PT012 - the block is the claim
        assert pool is not None
        for number in range(50):
            pool.submit(work, number)
        assert begun.wait(10)
        threading.Timer(0.2, held.set).start()
        raise KeyboardInterrupt
    assert len(ran) <= 2


def test_one_worker_is_this_thread() -> None:
    with workers(1, threads=False) as pool:
        assert pool is None


def test_threads_share_one_process() -> None:
    with workers(2, threads=True) as pool:
        assert pool is not None
        assert list(pool.map(np.sum, [[1, 2], [3]])) == [3, 3]
