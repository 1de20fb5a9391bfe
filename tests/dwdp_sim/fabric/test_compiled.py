"""The compiled engine against the readable one: equal times to the last bit, whatever the options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric import engine_choice
from dwdp_sim.fabric.compiled import run as compiled_run
from dwdp_sim.fabric.compiled import tables
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program
from dwdp_sim.results.files import write_summary
from tests.dwdp_sim import random_programs
from tests.dwdp_sim.programs import batch, links, program, queue, run, single
from tests.dwdp_sim.random_exact_programs import ANY_WALK, EVERY_PROGRAM, EVERYTHING, programs

TIMES = ("copy_issue_s", "copy_start_s", "copy_end_s", "stream_elapsed_s")
PARTS = ("host_s", "gap_s", "transfer_s", "contention_s")


@pytest.fixture(scope="module", params=["remembers sets", "solves what changes"], autouse=True)
def _way_of_solving(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small programs remember the sets they have solved; let them be solved as large ones, too."""
    most = tables.MOST_REMEMBERED if request.param == "remembers sets" else 0
    with mock.patch.object(tables, "MOST_REMEMBERED", most):
        yield


def assert_equal(of: Program, values: dict[str, Any], options: FabricOptions | None = None, seed: int = 0) -> None:
    found, expected = (run(of, options, seed=seed, engine=engine, **values) for engine in ("compiled", "simpy"))
    for name in TIMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    whole_s = float(expected.stream_elapsed_s.max(initial=0.0))
    for name in PARTS:  # added up in another order
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12 * whole_s, err_msg=name
        )


@settings(max_examples=150)
@given(EVERY_PROGRAM, EVERYTHING, random_programs.OPTIONS, st.integers(0, 3))
def test_all_rules_and_options_together(of: Program, values: dict[str, Any], options: FabricOptions, seed: int) -> None:
    assert_equal(of, values, options, seed)


@settings(max_examples=100)
@given(programs(kinds=("pull",), one_stream_a_gpu=True), ANY_WALK)
def test_ties_of_one_batch_a_rank_from_equal_sources(of: Program, walk: dict[str, Any]) -> None:
    assert_equal(of, walk)


@settings(max_examples=100)
@given(
    random_programs.programs(
        kinds=random_programs.ALL_KINDS, starts=random_programs.STARTS, queued=st.booleans(), max_gpus=8, max_streams=10
    ),
    random_programs.machines(),
    random_programs.OPTIONS,
)
def test_sizes_and_rates_without_a_pattern(of: Program, values: dict[str, Any], options: FabricOptions) -> None:
    assert_equal(of, values, options)


@settings(max_examples=100)
@given(
    programs(kinds=("pull", "push"), starts=st.floats(1e-6, 2e-6)),
    random_programs.machines(losses=False, times=False),
    st.sampled_from(["fair", "equal", "fifo"]),
)
def test_late_starts_without_losses(of: Program, values: dict[str, Any], sharing: str) -> None:
    assert_equal(of, values, FabricOptions(sharing=sharing, incast="off", both_ways=False))


@pytest.mark.parametrize("sources", [1, 2, 3, "all"])
@pytest.mark.parametrize("unequal", [False, True])
def test_chaotic_runs_of_many_ranks_are_equal_to_the_last_slice(sources: Any, unequal: bool) -> None:
    """Twelve ranks out of step: a difference in the last bit would have grown to whole slices by the end."""
    ranks, slices = 12, 60
    batches = [
        queue(
            rank,
            batch(*(((rank + 1 + i % (ranks - 1)) % ranks, rank, 100 + unequal * (i % 7)) for i in range(slices))),
            start_s=rank * 0.137,
        )
        for rank in range(ranks)
    ]
    values = links(100.0) | ({"ingress_bytes_per_s": 103.5, "both_ways_egress": 0.994} if unequal else {})
    if unequal:
        values["both_ways_egress"] = {"pull": 0.994, "push": 0.994}
        values |= {"incast_factor_2": 0.929, "incast_factor_3": 0.858, "incast_factor_4_up": 0.858}
    assert_equal(program(*batches), values | {"in_flight_sources": sources})


def test_a_barrier_that_never_opens_is_an_error_on_both_engines() -> None:
    stuck = program(queue(0, single(1, 0, 100, barrier=3)))
    for engine in ("simpy", "compiled"):
        with pytest.raises(RuntimeError, match="0 of 1 copies arrived"):
            run(stuck, engine=engine)


def test_a_program_without_copies_ends_at_once() -> None:
    assert run(program(queue(0)), engine="compiled").stream_elapsed_s.tolist() == [0.0]


def test_progress_is_told_as_copies_arrive() -> None:
    from dwdp_sim.fabric.simulate import simulate  # noqa: PLC0415
    from tests.dwdp_sim.programs import constants  # noqa: PLC0415

    of, told = program(queue(0, single(1, 0, 100), single(1, 0, 100))), []
    simulate(of, constants(of), engine="compiled", progress=told.append)
    assert told[-1] == 2


@given(EVERY_PROGRAM, EVERYTHING, random_programs.OPTIONS)
def test_rates_between_events_are_recorded_alike(of: Program, values: dict[str, Any], options: FabricOptions) -> None:
    found, expected = (run(of, options, engine=e, record_links=True, **values).links for e in ("compiled", "simpy"))
    assert found is not None
    for name in ("time_s", "sample", "flow", "rate"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_allclose(found.alone, expected.alone, rtol=1e-12)
    assert found.flows == expected.flows


def test_an_unknown_engine_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="engine=fast") as caught:
        run(program(queue(0, single(1, 0, 100))), engine="fast")
    assert "\n" not in str(caught.value)


def test_auto_takes_the_compiled_engine_only_where_there_is_enough_to_do() -> None:
    choose = engine_choice.takes_compiled
    assert choose("auto", 10**6, "")
    assert not choose("auto", 100, "")
    assert not choose("auto", 10**6, "does not do this")
    with mock.patch.object(engine_choice, "find_spec", return_value=None):
        assert not choose("auto", 10**6, "")
        with pytest.raises(ConfigError, match="numba"):
            choose("compiled", 1, "")


def test_a_machine_that_cannot_compile_goes_on_with_simpy_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise RuntimeError("no LLVM for this processor\nand more")

    monkeypatch.setattr(compiled_run, "load_loop", fails)
    engine_choice.cannot_load.cache_clear()
    try:
        assert not engine_choice.takes_compiled("auto", 10**9, "")
        assert "RuntimeError: no LLVM for this processor); the one on SimPy goes on" in capsys.readouterr().err
        (why,) = engine_choice.engine_lacking().values()
        assert why == "cannot be compiled here (RuntimeError: no LLVM for this processor)"
        with pytest.raises(
            ConfigError, match=r"engine=compiled: cannot be compiled here .*; engine=simpy does without"
        ):
            engine_choice.takes_compiled("compiled", 1, "")
    finally:
        engine_choice.cannot_load.cache_clear()


def test_a_result_says_where_numba_is_missing_and_else_nothing(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, {"schema": 1})
    assert json.loads(path.read_text()) == {"schema": 1}
    with mock.patch.object(engine_choice, "find_spec", return_value=None):
        write_summary(path, {"schema": 1})
    said = "needs the package numba, which is not installed"
    assert json.loads(path.read_text()) == {"schema": 1, "engine_lacking": said}
