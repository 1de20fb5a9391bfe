"""How traced copies are grouped into calls and bursts, and which clock each stream gets."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_hw.traces.bursts import StreamBurst, find_bursts
from dwdp_hw.traces.traced_copy import ApiCall, TracedCopy

GAP_S = 200e-6
US = 1_000


def copy(
    start_us: int,
    end_us: int,
    *,
    gpu: int = 0,
    stream: int = 7,
    number: int = 0,
    call: tuple[str, int, int] | None = None,
) -> TracedCopy:
    """A pull of 1 MiB from the other of two GPUs; times of the call in microseconds too."""
    issued = None if call is None else ApiCall(call[0], call[1] * US, call[2] * US)
    return TracedCopy(gpu, gpu, stream, 1 - gpu, gpu, 2**20, start_us * US, end_us * US, number, issued)


def only(*copies: TracedCopy) -> StreamBurst:
    ((part,),) = find_bursts(copies, GAP_S)
    return part


def test_a_stream_idle_for_longer_than_the_gap_begins_a_new_burst_and_no_sooner() -> None:
    bursts = find_bursts([copy(0, 100), copy(300, 400), copy(601, 700)], GAP_S)
    assert [[c.start_ns // US for c in part.copies] for (part,) in bursts] == [[0, 300], [601]]


def test_streams_that_move_at_the_same_time_are_one_burst_and_others_are_not() -> None:
    bursts = find_bursts([copy(0, 100), copy(99, 180, gpu=1), copy(180, 300, stream=8)], GAP_S)
    assert [[(part.gpu, part.stream) for part in burst] for burst in bursts] == [[(0, 7), (1, 7)], [(0, 8)]]


def test_copies_of_one_call_are_a_batch_and_are_never_cut_by_the_gap() -> None:
    batch = ("cudaMemcpyBatchAsync", 0, 5)
    part = only(copy(10, 20, number=1, call=batch), copy(900, 950, number=1, call=batch))
    assert [len(call) for call in part.calls] == [2]
    assert part.is_batched == (True,)


def test_one_record_of_a_batched_call_is_a_batch_and_one_of_a_single_call_is_not() -> None:
    part = only(
        copy(10, 20, number=1, call=("cudaMemcpyBatchAsync", 0, 5)),
        copy(20, 30, number=2, call=("cudaMemcpyAsync", 6, 8)),
    )
    assert part.is_batched == (True, False)


def test_copies_of_one_graph_are_single_copies_issued_ahead() -> None:
    graph = ("cudaGraphLaunch", 0, 5)
    part = only(copy(10, 20, number=1, call=graph), copy(21, 330, number=1, call=graph))
    assert part.is_batched == (False, False)
    assert part.queued


def test_copies_without_numbers_are_single_copies() -> None:
    assert [len(call) for call in only(copy(0, 10), copy(10, 20)).calls] == [1, 1]


def test_a_stream_held_until_the_host_was_ahead_is_queued_and_timed_from_its_first_copy() -> None:
    part = only(
        copy(500, 700, number=1, call=("cudaMemcpyAsync", 0, 4)),
        copy(705, 900, number=2, call=("cudaMemcpyAsync", 4, 8)),
    )
    assert part.queued
    assert part.elapsed_s == pytest.approx(400e-6)
    assert part.doubt is None


def test_a_stream_that_starts_with_its_call_is_as_issued_and_timed_from_the_call() -> None:
    part = only(
        copy(9, 15, number=1, call=("cudaMemcpyAsync", 0, 4)),
        copy(25, 30, number=2, call=("cudaMemcpyAsync", 20, 24)),
    )
    assert not part.queued
    assert part.elapsed_s == pytest.approx(30e-6)
    assert part.doubt is None


def test_a_stream_that_was_held_and_then_waited_for_the_host_is_not_compared() -> None:
    part = only(
        copy(500, 510, number=1, call=("cudaMemcpyAsync", 0, 4)),
        copy(530, 540, number=2, call=("cudaMemcpyAsync", 520, 524)),
    )
    assert part.doubt is not None
    assert "neither queued nor as issued" in part.doubt


@pytest.mark.parametrize(("end_us", "compared"), [(299, False), (300, True)])
def test_a_queued_burst_must_be_long_beside_the_fixed_part_that_a_trace_does_not_show(
    end_us: int, compared: bool
) -> None:
    assert (only(copy(0, end_us)).doubt is None) == compared


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400), st.integers(0, 1), st.integers(0, 2)), min_size=1),
    st.integers(1, 500),
)
def test_every_copy_is_in_one_burst_and_bursts_do_not_overlap(
    drawn: list[tuple[int, int, int, int]], gap_us: int
) -> None:
    copies = [copy(start, start + size, gpu=gpu, number=number) for start, size, gpu, number in drawn]
    bursts = find_bursts(copies, gap_us * 1e-6)
    assert Counter(c for burst in bursts for part in burst for c in part.copies) == Counter(copies)
    spans = [(min(p.start_ns for p in burst), max(p.end_ns for p in burst)) for burst in bursts]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
