"""A program is its streams, put together in one place."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program, ProgramStream
from tests.dwdp_sim.random_programs import programs


@settings(max_examples=50, derandomize=True, deadline=None)
@given(programs())
def test_the_streams_of_a_program_make_it_again(before: Program) -> None:
    after = Program.build(before.num_gpus, before.streams)
    assert after.num_gpus == before.num_gpus
    for name in Program.__annotations__.keys() - {"num_gpus"}:
        column = getattr(after, name)
        assert column.dtype == getattr(before, name).dtype, name
        assert np.array_equal(column, getattr(before, name)), name


def test_columns_stand_stream_by_stream_and_a_number_holds_for_a_whole_column() -> None:
    sizes, ones = np.array([10, 20, 30]), np.ones(3, dtype=np.int64)
    built = Program.build(2, [
        ProgramStream(0, 1, 0, sizes, ones, ASYNC, np.arange(3), start_s=2.0),
        ProgramStream(1, np.array([0, HOST]), 1, 5, np.array([2]), BATCH, queued=False),
    ])  # fmt: skip
    assert built.stream_gpu.tolist() == [0, 1]
    assert built.stream_start_s.tolist() == [2.0, 0.0]
    assert built.stream_queued.tolist() == [True, False]
    assert built.call_stream.tolist() == [0, 0, 0, 1]
    assert built.call_issue.tolist() == [ASYNC, ASYNC, ASYNC, BATCH]
    assert built.call_barrier.tolist() == [0, 1, 2, NO_BARRIER]
    assert built.call_first_copy.tolist() == [0, 1, 2, 3, 5]
    assert built.copy_src.tolist() == [1, 1, 1, 0, HOST]
    assert built.copy_dst.tolist() == [0, 0, 0, 1, 1]
    assert built.copy_bytes.tolist() == [10, 20, 30, 5, 5]


def test_a_stream_without_calls_is_kept_and_a_program_without_streams_is_empty() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    built = Program.build(2, [ProgramStream(0, nothing, 0, nothing, nothing, ASYNC)])
    assert len(built.streams) == 1
    assert built.call_first_copy.tolist() == [0]
    assert Program.build(2, []).stream_gpu.tolist() == []
