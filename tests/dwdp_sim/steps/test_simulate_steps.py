"""Forward steps: slots, bubbles and their causes, by worked examples and laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.copy_plan import NO_BARRIER
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim.programs import batch, cluster, constants, program, queue, single

PULL_OF_5S = program(queue(0, single(1, 0, 500)))  # 500 bytes at 100 bytes a second


def steps(of: Program, windows: StepWindows, pace: Pace | None = None, **values: Any) -> StepTimeline:
    used = constants_for(cluster(**values), of, FabricOptions(), in_steps=True)
    return simulate_steps(of, windows, used, pace=pace)


def windows(window_s: float, layers: int, ranks: int = 1, iterations: int = 1, before: float = 0.0) -> StepWindows:
    return constant_windows(window_s, before, (ranks, iterations, layers))


def test_where_copies_are_the_bottleneck_they_follow_each_other_and_the_last_layer_computes_after_them() -> None:
    # 4 layers of 5 s copies, 1 s windows: copies end at 5, 10, 15, 20; the prefetch of layer 2 may begin at 6, when
    # layer 0 has computed, but the engine is busy until 10. The step ends at 20 + 1.
    timeline = steps(PULL_OF_5S, windows(1.0, 4))
    assert timeline.prefetch_end_s[0, 0].tolist() == [5.0, 10.0, 15.0, 20.0]
    assert timeline.step_end_s[0, 0] == 21.0
    assert timeline.bubble_s[0, 0].tolist() == [5.0, 4.0, 4.0, 4.0]
    assert timeline.prefetch_begin_s[0, 0].tolist() == [0.0, 0.0, 6.0, 11.0]
    assert timeline.own_engine_s[0, 0].tolist() == [0.0, 5.0, 4.0, 4.0]


def test_where_compute_is_the_bottleneck_only_the_first_layer_waits() -> None:
    # 5 s for the first layer's experts, then 4 windows of 7 s without a gap.
    timeline = steps(PULL_OF_5S, windows(7.0, 4))
    assert timeline.bubble_s[0, 0].tolist() == [5.0, 0.0, 0.0, 0.0]
    assert timeline.step_end_s[0, 0] == 5.0 + 4 * 7.0


def test_dense_layers_and_attention_cover_the_first_prefetch() -> None:
    # The first layer needs its experts after 3 s of dense layers and 2 s of attention: just when they arrive.
    timeline = steps(PULL_OF_5S, constant_windows(4.0, 0.5, (1, 1, 3), lead_s=3.0))
    assert timeline.bubble_s[0, 0, 0] == 0.0
    # Layer 1 ends its attention at 7 + 2 and waits until 10 for the second 5 s of copies; layer 2 may begin at 12.
    assert timeline.ready_s[0, 0].tolist() == [3.0, 7.0, 12.0]


def test_one_slot_leaves_nothing_to_hide_behind() -> None:
    # One slot: the first prefetch at the start, each further one after the layer before it: every layer waits 5 s.
    timeline = steps(PULL_OF_5S, windows(7.0, 3), Pace(slots=1))
    assert timeline.bubble_s[0, 0].tolist() == [5.0, 5.0, 5.0]


def test_the_first_layers_of_the_next_step_are_prefetched_when_it_begins() -> None:
    timeline = steps(PULL_OF_5S, windows(7.0, 2, iterations=2))
    assert timeline.step_begin_s[0].tolist() == [0.0, 19.0]
    assert timeline.prefetch_begin_s[0, 1].tolist() == [19.0, 19.0]
    assert timeline.step_end_s[0].tolist() == [19.0, 38.0]


def test_a_rank_that_does_not_go_on_leaves_the_links_to_the_others_when_its_step_has_ended() -> None:
    # Both pull 500 bytes a layer from GPU 2 with 100 bytes a second: two layers of both are there at 20 s. Rank 0 has
    # 1 s windows, pulls its third layer until 25 and ends at 26. Rank 1 has 30 s windows from 10 s on and pulls its
    # third layer from 40 to 45, alone, unless rank 0 goes on; its step ends at 10 + 3 · 30.
    reading = program(queue(0, single(2, 0, 500)), queue(1, single(2, 1, 500)))
    unequal = constant_windows(1.0, 0.0, (2, 1, 3))
    unequal = replace(unequal, moe_s=unequal.moe_s * np.array([1.0, 30.0])[:, None, None])
    stopped = steps(reading, unequal, Pace(goes_on=False))
    assert stopped.step_end_s[1, 0] == pytest.approx(100.0)
    assert stopped.latency_s[1, 0, 2] == pytest.approx(5.0)
    assert steps(reading, unequal).latency_s[1, 0, 2] > 5.5


def test_carrying_over_the_step_boundary_hides_the_first_prefetch_of_every_step_but_the_first() -> None:
    # Two layers of 7 s, 5 s copies: layer 0 of the second step is prefetched at 12, when layer 0 of the first has
    # computed, and is there before the second step begins at 19.
    timeline = steps(PULL_OF_5S, windows(7.0, 2, iterations=2), Pace(carry_over=True))
    assert timeline.prefetch_begin_s[0, 1].tolist() == [12.0, 19.0]
    assert timeline.bubble_s[0].tolist() == [[5.0, 0.0], [0.0, 0.0]]
    assert timeline.step_end_s[0].tolist() == [19.0, 33.0]


def test_a_launch_bound_step_takes_its_launches_and_its_calls() -> None:
    # Each layer: one call of 0.5 s and one launch of 3 s; copies and windows are shorter. The last layer launches
    # after 4 calls and 4 launches, at 14 s, and computes for 1 s.
    of = program(queue(0, single(1, 0, 100), queued=False))
    timeline = steps(of, windows(1.0, 4), Pace(launch_s=3.0), issue_async_s=0.5)
    assert timeline.step_end_s[0, 0] == pytest.approx(4 * 3.0 + 4 * 0.5 + 1.0)
    assert timeline.bubble_s.sum() == 0.0
    # Layer 0 waits for two calls and a launch; the others for what a call and a launch take longer than a window.
    assert timeline.launch_wait_s[0, 0].tolist() == pytest.approx([4.0, 2.5, 2.5, 2.0])


def test_a_host_that_runs_ahead_hides_its_time_in_the_step_before() -> None:
    of = program(queue(0, single(1, 0, 1), queued=False))
    ahead = steps(of, windows(4.0, 3, iterations=3), Pace(launch_s=1.0, ahead=True))
    behind = steps(of, windows(4.0, 3, iterations=3), Pace(launch_s=1.0, ahead=False))
    assert np.diff(ahead.step_end_s[0]).tolist() == pytest.approx([12.01, 12.01])
    assert np.diff(behind.step_end_s[0]).tolist() == pytest.approx([13.0, 13.0])


def test_interference_stretches_compute_by_its_factor_while_bytes_arrive_and_not_after() -> None:
    # 20 s of compute before the first wait; bytes arrive for 10 s of it, during which half of the work is done.
    timeline = steps(PULL_OF_5S, constant_windows(20.0, 1.0, (1, 1, 2)), Pace(interference=2.0))
    assert timeline.wait_begin_s[0, 0, 0] == pytest.approx(25.0)


def test_a_part_of_a_layer_is_stretched_by_its_own_slowdown_beside_copies() -> None:
    # As above, but only the part before the MoE block is slowed down; then only the MoE block, which has no copies.
    whole = constant_windows(20.0, 1.0, (1, 1, 2))
    for slowdown, wait_begins_at in (({"before_slowdown": 2.0}, 25.0), ({"moe_slowdown": 2.0}, 20.0)):
        timeline = steps(PULL_OF_5S, replace(whole, **slowdown), Pace())
        assert timeline.wait_begin_s[0, 0, 0] == pytest.approx(wait_begins_at)


def test_a_barrier_of_the_group_holds_the_waves_of_every_rank_and_layer() -> None:
    waves = [queue(r, batch((1 - r, r, 100), barrier=0), batch((1 - r, r, 100), barrier=1)) for r in (0, 1)]
    late = StepWindows(np.zeros((2, 1)), np.array([[[0.0]], [[9.0]]]), np.zeros((2, 1, 1)), np.zeros((2, 1), int))
    timeline = simulate_steps(program(*waves), late, constants(program(*waves)), start_s=np.array([0.0, 4.0]))
    # Rank 1 begins at 4 and ends its first wave at 5: rank 0's second wave begins then.
    assert timeline.prefetch_end_s.ravel().tolist() == [6.0, 6.0]
    assert timeline.contention_s[0, 0, 0] == pytest.approx(4.0)


def test_bytes_taken_away_after_a_step_share_the_sources_egress() -> None:
    # GPU 2 takes 1000 bytes from GPU 1 when that has ended its first step of one second, while GPU 0 pulls from GPU 1.
    of = program(queue(0, single(1, 0, 500)), queue(1), queue(3), queue(2, single(1, 2, 1000)))
    unequal = StepWindows(np.zeros((2, 1)), np.zeros((2, 1, 1)), np.array([[[1.0]], [[1.0]]]), np.zeros((2, 1), int))
    alone = program(queue(0, single(1, 0, 500)), queue(1))
    assert simulate_steps(alone, unequal, constants(alone)).prefetch_end_s[0, 0, 0] == 5.0
    # One second alone, then half the rate for the other 400 bytes: 1 + 8 s.
    assert simulate_steps(of, unequal, constants(of)).prefetch_end_s[0, 0, 0] == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [("slots", 0), ("launch_s", -1.0), ("launch_s", np.nan), ("launch_s", 1e308), ("interference", 0.5)],
)
def test_a_pace_that_cannot_be_is_refused_in_one_line(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        Pace(**{key: value})
    assert "\n" not in str(caught.value)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Program, StepWindows, Pace]:
    """Two or three ranks, one to three calls each, unequal windows, several steps."""
    ranks, shape = draw(st.integers(2, 3)), (draw(st.integers(1, 2)), draw(st.integers(1, 5)))
    queues, queued = [], draw(st.booleans())
    for rank in range(ranks):
        calls = []
        for _ in range(draw(st.integers(1, 3))):
            peers = draw(st.lists(st.integers(1, ranks - 1), min_size=1, max_size=3))
            copies = tuple(((rank + p) % ranks, rank, draw(st.integers(1, 300))) for p in peers)
            calls.append(batch(*copies, barrier=NO_BARRIER))
        queues.append(queue(rank, *calls, queued=queued))
    seconds = st.floats(0.0, 6.0)
    columns = [
        np.array(draw(st.lists(seconds, min_size=ranks * n, max_size=ranks * n))).reshape(ranks, *size)
        for size, n in (((shape[0],), shape[0]), (shape, shape[0] * shape[1]), (shape, shape[0] * shape[1]))
    ]
    pace = Pace(
        slots=draw(st.integers(1, 3)),
        launch_s=draw(st.sampled_from([0.0, 0.3])),
        ahead=draw(st.booleans()),
        carry_over=draw(st.booleans()),
        interference=draw(st.sampled_from([1.0, 1.3])),
    )
    return program(*queues), StepWindows(*columns, tokens=np.zeros((ranks, shape[0]), dtype=np.int64)), pace


HOST_COSTS = {"issue_batch_s": 0.2, "issue_slice_s": 0.05, "peer_fixed_s": 0.1, "peer_gap_s": [[1, 0.05]]}


@settings(derandomize=True, max_examples=80, deadline=None)
@given(cases())
def test_laws_of_a_step(case: tuple[Program, StepWindows, Pace]) -> None:
    of, wanted, pace = case
    t = steps(of, wanted, pace, **HOST_COSTS)
    tiny = 1e-9
    # No layer computes before its experts are there, and no prefetch writes a slot that is being read.
    assert (t.moe_begin_s >= t.prefetch_end_s - tiny).all()
    assert (t.prefetch_begin_s[:, :, pace.slots :] >= t.moe_end_s[:, :, : -pace.slots or None] - tiny).all()
    # A prefetch's latency is the sum of its parts.
    parts = t.own_engine_s + t.host_s + t.gap_s + t.transfer_s + t.contention_s
    assert t.latency_s == pytest.approx(parts, abs=1e-6)
    assert min(t.own_engine_s.min(), t.host_s.min(), t.gap_s.min(), t.contention_s.min()) >= -tiny
    # A step is its compute, its bubbles and its waits for launches; interference can only lengthen it.
    work = wanted.lead_s + wanted.before_s.sum(axis=2) + wanted.moe_s.sum(axis=2)
    assert (t.ready_s + t.launch_wait_s <= t.wait_begin_s + tiny).all()
    idle = t.bubble_s.sum(axis=2) + t.launch_wait_s.sum(axis=2)
    spent = t.step_end_s - t.step_begin_s - idle
    assert (spent >= work - 1e-6).all()
    assert (spent <= work * pace.interference + 1e-6).all()


def test_one_layer_without_compute_is_the_prefetch_of_that_layer() -> None:
    of = program(*[queue(r, batch(*(((r + k) % 4, r, 70 * k) for k in (1, 2, 3)))) for r in range(4)])
    alone = simulate(of, constants(of, peer_fixed_s=0.25))
    together = steps(of, windows(0.0, 1, ranks=4), peer_fixed_s=0.25)
    assert together.latency_s.ravel() == pytest.approx(alone.stream_elapsed_s)


def test_ranks_that_have_finished_keep_the_links_busy_for_the_others() -> None:
    # Both pull from GPU 2. Rank 0 computes nothing and would be done early; its goes on, so that rank 1's last
    # prefetch has as much company as its first: two readers at 50 bytes a second each.
    of = program(queue(0, single(2, 0, 100)), queue(1, single(2, 1, 100)))
    unequal = StepWindows(
        np.zeros((2, 1)), np.zeros((2, 1, 6)), np.array([[[0.0] * 6], [[6.0] * 6]]), np.zeros((2, 1), int)
    )
    timeline = steps(of, unequal)
    assert timeline.contention_s[1, 0].tolist() == pytest.approx([1.0] * 6)


def test_compute_goes_on_an_event_s_latency_after_its_experts_and_a_prefetch_so_long_after_its_slot() -> None:
    # Copies of 5 s with a fixed part of 1 s, events of 0.25 s, windows of 7 s. Layer 0: event, fixed part, bytes from
    # 1.25 to 6.25, seen at 6.5, computed at 13.5. Layer 1's prefetch stands behind it: 6.25 + 0.25 + 1 = 7.5 to 12.5;
    # its compute looks at the event from 13.5 to 13.75 and ends at 20.75. Layer 2's slot is free at 13.5: 14.75 to
    # 19.75; compute from 21.
    timeline = steps(PULL_OF_5S, windows(7.0, 3), peer_fixed_s=1.0, event_s=0.25)
    assert timeline.prefetch_end_s[0, 0].tolist() == pytest.approx([6.25, 12.5, 19.75])
    assert timeline.moe_begin_s[0, 0].tolist() == pytest.approx([6.5, 13.75, 21.0])
    assert timeline.bubble_s[0, 0].tolist() == pytest.approx([6.25, 0.0, 0.0])
    parts = timeline.own_engine_s + timeline.host_s + timeline.gap_s + timeline.transfer_s + timeline.contention_s
    assert timeline.latency_s == pytest.approx(parts)
    assert timeline.gap_s[0, 0].tolist() == pytest.approx([1.25, 1.25, 1.25])


def test_prefetches_that_follow_each_other_pay_the_whole_fixed_part_as_an_event_lies_between() -> None:
    # Without compute the copies are the bottleneck: each takes 1 + 5 s, and no gap of 0.5 s hides the fixed part.
    timeline = steps(PULL_OF_5S, windows(0.0, 4), peer_fixed_s=1.0, peer_gap_s=[[1, 0.5]])
    assert timeline.prefetch_end_s[0, 0].tolist() == pytest.approx([6.0, 12.0, 18.0, 24.0])


@pytest.mark.parametrize(("returns", "computed"), [("issued", [11.0, 21.0, 31.0]), ("arrived", [21.0, 22.0, 32.0])])
def test_a_batch_from_host_memory_holds_up_the_host_until_it_has_arrived(returns: str, computed: list[float]) -> None:
    # 500 bytes from the host at 50 a second: 10 s a layer. If the call returns at once, layer l computes when its copy
    # is there. If it returns on arrival, both first calls have run when the host launches layer 0 at 20; the third
    # call finds its slot in use and returns at once: its copy runs from 21, when layer 0 has computed, to 31.
    of = program(queue(0, batch((HOST, 0, 200), (HOST, 0, 300)), queued=False))
    timeline = steps(of, windows(1.0, 3), host_batch_returns=returns)
    assert timeline.moe_end_s[0, 0].tolist() == pytest.approx(computed)


@pytest.mark.parametrize("issue", [single, lambda *copy: batch(copy)])
def test_the_host_does_not_wait_for_single_copies_or_for_batches_from_peers(issue: Any) -> None:
    of = program(queue(0, issue(HOST if issue is single else 1, 0, 500), queued=False))
    waits, returns = (steps(of, windows(1.0, 3), host_batch_returns=name) for name in ("arrived", "issued"))
    assert waits.moe_end_s.tolist() == returns.moe_end_s.tolist()
