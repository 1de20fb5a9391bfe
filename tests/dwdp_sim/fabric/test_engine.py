"""Hosts, streams, copy engines and barriers: who waits for whom, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.plan.endpoints import HOST
from tests.dwdp_sim.programs import batch, ends, program, queue, run, single

GAPS = [[1, 0.5], [100, 1.0], [10_000, 3.0]]


def test_a_queued_train_costs_one_fixed_part_the_gaps_between_and_its_bytes() -> None:
    # fixed 2 + 3 copies of 1 s + 2 gaps of 1 s = 7; the fixed part is a latency and hides behind nothing here.
    of = program(queue(0, *[single(1, 0, 100)] * 3))
    timeline = run(of, peer_fixed_s=2.0, peer_gap_s=GAPS)
    assert timeline.copy_start_s.tolist() == [2.0, 4.0, 6.0]
    assert ends(timeline) == [7.0]
    assert (timeline.gap_s[0], timeline.transfer_s[0]) == (4.0, 3.0)


def test_a_gap_follows_the_size_of_the_copy_that_it_precedes() -> None:
    # Gap before 1 byte 0.5; before 1,000 bytes half-way in log(bytes) from 1.0 to 3.0: 2.0; flat above 10,000: 3.0.
    of = program(queue(0, single(1, 0, 100), single(1, 0, 1), single(1, 0, 1000), single(1, 0, 20_000)))
    timeline = run(of, peer_gap_s=GAPS)
    gaps = timeline.copy_start_s[1:] - timeline.copy_end_s[:-1]
    assert gaps == pytest.approx([0.5, 2.0, 3.0])


def test_the_copies_of_a_batch_have_no_gaps() -> None:
    # fixed 2 + 300 bytes at 100 B/s.
    of = program(queue(0, batch((1, 0, 100), (1, 0, 50), (1, 0, 150))))
    assert run(of, peer_fixed_s=2.0, peer_gap_s=GAPS).copy_end_s.tolist() == [3.0, 3.5, 5.0]


def test_two_batches_have_one_gap_between_them() -> None:
    # fixed 2 + 1 s + gap(100) 1 + 1 s
    of = program(queue(0, batch((1, 0, 100)), batch((1, 0, 100))))
    assert ends(run(of, peer_fixed_s=2.0, peer_gap_s=GAPS)) == [5.0]


@pytest.mark.parametrize("issue", [single, lambda *copy: batch(copy)], ids=["single", "batch"])
def test_a_gap_before_a_single_copy_or_a_batch_is_longer_while_the_opposite_direction_moves(issue: Any) -> None:
    # 1 s of bytes, then a gap of 0.5 s. GPU 1 pulls from GPU 0 from 1.2 s on, so 0.3 s of the gap make it
    # (3 − 1) · 0.3 = 0.6 s longer: the second copy moves from 2.1 s.
    of = program(queue(0, issue(1, 0, 100), issue(1, 0, 100)), queue(1, issue(0, 1, 1000), start_s=1.2))
    timeline = run(of, peer_gap_s=[[1, 0.5]], both_ways_gap_factor=3.0)
    assert timeline.copy_start_s == pytest.approx([0.0, 2.1, 1.2])
    assert timeline.gap_s == pytest.approx([1.1, 0.0])


@pytest.mark.parametrize(("issue_s", "begins_s"), [(2.0, 7.0), (2.5, 7.5), (3.5, 9.0)])
def test_a_longer_gap_and_a_fixed_part_pass_at_the_same_time(issue_s: float, begins_s: float) -> None:
    # Issued at 2, 2.5, 3.5 s the first call moves 2 s later, for 1 s; then a gap of 1 s ends at 6, 6.5, 7.5 s. GPU 0's
    # egress moves all the while, which makes the gap 1 s longer, or 0.5 s where the second call is issued in the midst
    # of it, at 7 s: until 7, 7.5, 8 s. The second call's fixed part ends at 6, 7, 9 s. The later one counts.
    of = program(queue(0, single(1, 0, 100), single(1, 0, 100), queued=False), queue(1, single(0, 1, 1000)))
    timeline = run(of, peer_fixed_s=2.0, peer_gap_s=[[1, 1.0]], both_ways_gap_factor=2.0, issue_async_s=issue_s)
    assert timeline.copy_start_s[1] == pytest.approx(begins_s)
    assert timeline.host_s[0] + timeline.gap_s[0] + timeline.transfer_s[0] == pytest.approx(ends(timeline)[0])


def test_batches_of_local_copies_are_not_pipelined() -> None:
    # Local 200 B/s: fixed 1 + 0.5 + gap 1 + 0.5.
    of = program(queue(0, batch((0, 0, 100), (0, 0, 100))))
    assert ends(run(of, local_fixed_s=1.0, local_gap_s=GAPS)) == [3.0]


def test_a_batch_that_mixes_links_runs_in_order_with_gaps() -> None:
    # A pull of 1 s, 0.75 s to turn, a local copy of 0.5 s, gap 0.5, another, 0.75 s to turn, a pull of 1 s.
    of = program(queue(0, batch((1, 0, 100), (0, 0, 100), (0, 0, 100), (2, 0, 100))))
    timeline = run(of, local_gap_s=[[1, 0.5]], peer_gap_s=GAPS, turn_gap_s=[[1, 0.75]])
    assert timeline.copy_start_s.tolist() == [0.0, 1.75, 2.75, 4.0]
    assert ends(timeline) == [5.0]


def test_a_batch_that_changes_direction_drains_at_every_change() -> None:
    # Two pulls from two GPUs share the reader's 100 B/s: 2 s. Then 0.25 s to turn, and two pushes to two GPUs share
    # its egress: 2 s. Then 0.25 s and a pull of 1 s.
    copies = ((1, 0, 100), (2, 0, 100), (0, 1, 100), (0, 2, 100), (1, 0, 100))
    timeline = run(program(queue(0, batch(*copies))), turn_gap_s=[[1, 0.25]])
    assert timeline.copy_start_s.tolist() == [0.0, 0.0, 2.25, 2.25, 4.5]
    assert timeline.copy_end_s.tolist() == [2.0, 2.0, 4.25, 4.25, 5.5]
    assert timeline.gap_s.tolist() == [0.5]


def test_a_batch_that_mixes_links_does_not_disturb_the_engine_of_its_other_link() -> None:
    # Stream 0: a pull of 1 s, then 100 bytes from the host, in one batch. Stream 1: 200 bytes from the host, on the
    # engine for that. From 1 s on they share 50 B/s: stream 1 has 150 bytes left, stream 0 ends first: 100 bytes at
    # 25 B/s = 4 s, at 5 s; stream 1 has 50 left at 50 B/s: 6 s.
    of = program(queue(0, batch((1, 0, 100), (HOST, 0, 100))), queue(0, single(HOST, 0, 200)))
    timeline = run(of)
    assert timeline.copy_end_s.tolist() == [1.0, 5.0, 6.0]
    assert timeline.transfer_s.tolist() == [3.0, 4.0]  # 1 s + half of 4 s; 1 s + half of 4 s + 1 s
    assert timeline.contention_s.tolist() == [2.0, 2.0]


def test_streams_of_one_engine_drain_one_after_the_other() -> None:
    # Two streams of GPU 0, three copies of 1 s each: the first one's whole queue, then the second's.
    of = program(queue(0, *[single(1, 0, 100)] * 3), queue(0, *[single(2, 0, 100)] * 3))
    timeline = run(of)
    assert timeline.copy_end_s.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert timeline.transfer_s.tolist() == [3.0, 3.0]
    assert timeline.contention_s.tolist() == [0.0, 3.0]  # the second stream waits for the engine


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.booleans())
def test_no_stream_of_an_engine_starts_before_an_earlier_one_has_drained(counts: list[int], batched: bool) -> None:
    of = program(
        *(queue(0, *[batch((1, 0, 100), (2, 0, 50)) if batched else single(1, 0, 150)] * count) for count in counts)
    )
    timeline = run(of, peer_gap_s=GAPS, peer_fixed_s=1.0)
    stream = of.call_stream[of.copy_call]
    for number in range(1, len(counts)):
        assert timeline.copy_start_s[stream == number].min() >= timeline.copy_end_s[stream == number - 1].max()


def test_an_engine_takes_next_the_stream_whose_head_was_ready_first() -> None:
    # Stream 0 runs 0 … 3 s. Stream 1 is ready at 2 s, stream 2 at 1 s: 2 goes before 1.
    of = program(
        queue(0, single(1, 0, 300)),
        queue(0, single(1, 0, 100), start_s=2.0),
        queue(0, single(1, 0, 100), start_s=1.0),
    )
    assert run(of).copy_end_s.tolist() == [3.0, 5.0, 4.0]


def test_an_idle_engine_charges_each_stream_only_its_own_time() -> None:
    # Stream 1 starts long after stream 0 has ended: neither has waited for anything.
    of = program(queue(0, single(1, 0, 100)), queue(0, single(1, 0, 100), start_s=50.0))
    timeline = run(of, peer_fixed_s=2.0, peer_gap_s=GAPS)
    assert ends(timeline) == [3.0, 3.0]
    assert timeline.host_s.tolist() == timeline.contention_s.tolist() == [0.0, 0.0]
    assert timeline.gap_s.tolist() == [2.0, 2.0]


def test_a_stream_that_uses_two_engines_pays_no_gap_for_its_own_transfers() -> None:
    # 1 s over the peer engine, then 100 bytes from the host at 50 B/s: 3 s of pure transfer.
    timeline = run(program(queue(0, single(1, 0, 100), single(HOST, 0, 100))))
    assert ends(timeline) == [3.0]
    assert timeline.transfer_s.tolist() == [3.0]
    assert timeline.gap_s.tolist() == [0.0]


def test_peer_and_host_engines_of_a_gpu_run_side_by_side() -> None:
    # A pull 1 s, host to device 2 s, device to host 4 s, each on its own engine; a local copy queues behind the pull.
    of = program(
        queue(0, single(1, 0, 100)),
        queue(0, single(HOST, 0, 100)),
        queue(0, single(0, HOST, 100)),
        queue(0, single(0, 0, 100)),
    )
    assert ends(run(of)) == [1.0, 2.0, 4.0, 1.5]


def test_as_issued_single_calls_wait_for_the_host_one_by_one() -> None:
    # Host 3 s a call, fixed part 1 s, bytes 1 s, gap 1 s: calls complete at 3, 6, 9; bytes start at 4, 7, 10.
    of = program(queue(0, *[single(1, 0, 100)] * 3, queued=False))
    timeline = run(of, issue_async_s=3.0, peer_fixed_s=1.0, peer_gap_s=[[1, 1.0]])
    assert timeline.copy_issue_s.tolist() == [3.0, 6.0, 9.0]
    assert timeline.copy_start_s.tolist() == [4.0, 7.0, 10.0]
    # Waiting for the host: 3, then 6 − 5 and 9 − 8.
    assert (timeline.host_s[0], timeline.gap_s[0], timeline.transfer_s[0]) == (5.0, 3.0, 3.0)


def test_as_issued_a_batch_starts_when_its_whole_call_is_made() -> None:
    # 2 s a call + 0.5 s for each of 4 copies, then 4 s of bytes.
    of = program(queue(0, batch(*[(1, 0, 100)] * 4), queued=False, start_s=10.0))
    timeline = run(of, issue_batch_s=2.0, issue_slice_s=0.5)
    assert timeline.copy_issue_s.tolist() == [14.0] * 4
    assert ends(timeline) == [8.0]
    assert timeline.host_s.tolist() == [4.0]


def test_a_host_that_runs_ahead_costs_only_its_first_call() -> None:
    # Host 0.25 s a call, bytes 1 s each: 0.25 + 3.
    of = program(queue(0, *[single(1, 0, 100)] * 3, queued=False))
    timeline = run(of, issue_async_s=0.25)
    assert ends(timeline) == [3.25]
    assert timeline.host_s.tolist() == [0.25]


def test_streams_of_a_gpu_share_one_host_thread_and_gpus_do_not() -> None:
    # GPU 0: two streams, calls alternate on one thread, 1 s each: 1, 3 and 2, 4. GPU 1 has its own thread: 1, 2.
    calls = [single(2, 0, 1)] * 2
    of = program(
        queue(0, *calls, queued=False), queue(0, *calls, queued=False), queue(1, *[single(2, 1, 1)] * 2, queued=False)
    )
    assert run(of, issue_async_s=1.0).copy_issue_s.tolist() == [1.0, 3.0, 2.0, 4.0, 1.0, 2.0]


def test_a_barrier_opens_when_every_rank_is_done_with_the_round_before() -> None:
    # Round 0: rank 0 takes 1 s, rank 1 takes 3 s. Round 1 opens at 3 s, moves 0.5 s later, takes 1 s: 4.5 s each.
    of = program(
        queue(0, batch((2, 0, 100), barrier=0), batch((2, 0, 100), barrier=1)),
        queue(1, batch((3, 1, 300), barrier=0), batch((3, 1, 100), barrier=1)),
    )
    timeline = run(of, barrier_s=0.5)
    assert ends(timeline) == [4.5, 4.5]
    assert timeline.contention_s.tolist() == [2.0, 0.0]  # rank 0 waits for rank 1
    assert timeline.gap_s.tolist() == [0.5, 0.5]


def test_a_barrier_and_a_gap_pass_at_the_same_time() -> None:
    # After 1 s: gap 2 s and barrier 0.5 s side by side.
    of = program(queue(0, batch((1, 0, 100), barrier=0), batch((1, 0, 100), barrier=1)))
    assert ends(run(of, barrier_s=0.5, peer_gap_s=[[1, 2.0]])) == [4.0]


def test_a_rank_without_a_round_holds_nobody_up() -> None:
    # Rank 1 has round 0 only; rank 0 has three.
    of = program(
        queue(0, *(batch((2, 0, 100), barrier=number) for number in range(3))),
        queue(1, batch((3, 1, 50), barrier=0)),
    )
    assert ends(run(of)) == [3.0, 0.5]


def test_as_issued_rounds_wait_for_the_slowest_host() -> None:
    # Rank 1 starts 5 s late: its call is complete at 6 s, its bytes at 7 s. Rank 0: issued at 1 and 2 s, round 0 from
    # 1 to 2 s, round 1 from 7 to 8 s. Host: 1 s before round 0; the wait from 2 s to 7 s is for the barrier.
    of = program(
        queue(0, *(batch((2, 0, 100), barrier=number) for number in range(2)), queued=False),
        queue(1, batch((3, 1, 100), barrier=0), queued=False, start_s=5.0),
    )
    timeline = run(of, issue_batch_s=1.0)
    assert ends(timeline) == [8.0, 2.0]
    assert timeline.host_s.tolist() == [1.0, 1.0]
    assert timeline.contention_s.tolist() == [5.0, 0.0]


def test_a_blocked_stream_lets_another_stream_of_its_engine_pass() -> None:
    # Stream 0 is behind a barrier until 3 s; stream 1 of the same GPU has 1 s of work and takes the engine.
    of = program(
        queue(0, batch((2, 0, 100), barrier=0), batch((2, 0, 100), barrier=1)),
        queue(0, single(2, 0, 100)),
        queue(1, batch((3, 1, 300), barrier=0)),
    )
    assert run(of).copy_end_s.tolist() == [1.0, 4.0, 2.0, 3.0]


def test_a_barrier_opens_a_stream_behind_those_that_were_ready_before() -> None:
    # GPU 0's engine is busy until 3 s. Its first stream is issued at 0 s but its barrier opens at 2 s; the third is
    # ready at 1 s and goes first.
    of = program(
        queue(0, batch((2, 0, 100), barrier=1)),
        queue(0, single(2, 0, 300)),
        queue(0, single(2, 0, 100), start_s=1.0),
        queue(1, batch((3, 1, 200), barrier=0)),
    )
    assert run(of).copy_end_s.tolist() == [5.0, 3.0, 4.0, 2.0]


@pytest.mark.parametrize(("way", "second_s"), [((HOST, 0), 3.0), ((0, HOST), 1.0)], ids=["from", "to"])
def test_only_a_batch_from_host_memory_holds_up_its_host_until_it_has_arrived(
    way: tuple[int, int], second_s: float
) -> None:
    # Two seconds of bytes in either direction of the host link. The other stream's call costs its host 0.5 s more.
    of = program(queue(0, batch((*way, 100)), queued=False), queue(0, single(HOST, 0, 1), queued=False))
    costs: dict[str, Any] = {"issue_async_s": 0.5, "issue_batch_s": 0.5}
    timeline = run(of, host_batch_returns="arrived", host_out_bytes_per_s=50.0, **costs)
    assert timeline.copy_issue_s.tolist() == [0.5, second_s]


def test_a_barrier_that_cannot_open_is_an_error_not_a_result() -> None:
    of = program(queue(0, batch((1, 0, 100), barrier=2)))
    with pytest.raises(RuntimeError, match="0 of 1 copies"):
        run(of)


def test_in_flight_sources_and_refill_decide_what_a_batch_reads_together() -> None:
    # Copies from 1, 1, 2 of 100 bytes, two places, ingress 100 B/s.
    # oldest: 1 alone (the second copy from 1 holds the other place): 1 s; then 1 and 2 share: 3 s both.
    # any: 1 and 2 share from the start: 2 s both; then the second from 1: 3 s.
    of = program(queue(0, batch((1, 0, 100), (1, 0, 100), (2, 0, 100))))
    assert run(of, refill="oldest").copy_end_s.tolist() == [1.0, 3.0, 3.0]
    assert run(of, refill="any").copy_end_s.tolist() == [2.0, 3.0, 2.0]
    assert run(of, refill="any", in_flight_sources=1).copy_end_s.tolist() == [1.0, 2.0, 3.0]
    assert run(of, refill="oldest", in_flight_sources=3).copy_end_s.tolist() == [2.0, 3.0, 2.0]


def test_streams_without_calls_take_no_time() -> None:
    timeline = run(program(queue(0, start_s=3.0), queue(0, single(1, 0, 100)), queue(5, queued=False)))
    assert ends(timeline) == [0.0, 1.0, 0.0]
    assert ends(run(program(queue(0)))) == [0.0]
