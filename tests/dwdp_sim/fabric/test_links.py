"""Links over time: bytes are conserved, capacities hold, ties end together, sources serve in order under `fifo`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.links import Fabric
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.rates import RateModel
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.programs import batch, constants, ends, links, program, queue, resources, run, single
from tests.dwdp_sim.random_programs import ALL_KINDS, OPTIONS, incast_left, machines, programs

FIFO = FabricOptions(sharing="fifo")


def moved_bytes(timeline: SimulatedTimeline) -> dict[tuple[int, int, int], float]:
    """Integral of the sampled rates by (GPU of the engine, source, destination)."""
    moved: dict[tuple[int, int, int], float] = {}
    samples = timeline.links.samples
    for (begin, rates), (end, _) in pairwise(samples):
        for flow, rate in zip(rates.flows, rates.rates, strict=True):
            key = timeline.links.flows[flow][1:]
            moved[key] = moved.get(key, 0.0) + rate * (end - begin)
    return moved


def copied_bytes(of: Program) -> dict[tuple[int, int, int], int]:
    copied: dict[tuple[int, int, int], int] = {}
    for call, src, dst, size in zip(of.copy_call, of.copy_src, of.copy_dst, of.copy_bytes, strict=True):
        key = (int(of.stream_gpu[of.call_stream[call]]), int(src), int(dst))
        copied[key] = copied.get(key, 0) + int(size)
    return copied


@given(programs(kinds=ALL_KINDS), machines(), OPTIONS)
def test_every_flow_moves_exactly_the_bytes_of_its_copies(
    of: Program, values: dict[str, Any], options: FabricOptions
) -> None:
    timeline = run(of, options, record_links=True, **values)
    assert moved_bytes(timeline) == pytest.approx(copied_bytes(of), rel=1e-9, abs=1e-6)
    if timeline.links.samples:
        assert timeline.links.samples[-1][1].flows == ()


@given(programs(max_gpus=6), machines(), OPTIONS)
def test_no_resource_is_ever_over_what_its_losses_leave(
    of: Program, values: dict[str, Any], options: FabricOptions
) -> None:
    """egress · γ(readers) · both-ways, ingress · both-ways and pair caps hold between all events.

    Under `demand` a source may carry its full egress.
    """
    timeline = run(of, options, record_links=True, **values)
    for _, rates in timeline.links.samples:
        flows = [timeline.links.flows[number] for number in rates.flows]
        load: dict[tuple[str, int, int], float] = {}
        for flow, rate in zip(flows, rates.rates, strict=True):
            for resource in resources(flow.src, flow.dst):
                load[resource] = load.get(resource, 0.0) + rate
        for (name, gpu, other), total in load.items():
            capacity = values[f"{name}_bytes_per_s"]
            opposite = {flow.kind for flow in flows if gpu == (flow.dst if name == "egress" else flow.src)}
            if options.both_ways and name != "pair" and opposite:
                capacity *= min(values[f"both_ways_{name}"][kind] for kind in opposite)
            if name == "egress" and options.incast == "always":
                capacity *= incast_left(values, {(flow.dst, flow.kind) for flow in flows if flow.src == gpu})
            assert total <= capacity * (1 + 1e-9), (name, gpu, other)


@given(programs(max_gpus=6), machines())
def test_fifo_serves_one_copy_of_a_source_at_a_time_in_the_order_of_arrival(
    of: Program, values: dict[str, Any]
) -> None:
    timeline = run(of, FIFO, record_links=True, **values)
    for _, rates in timeline.links.samples:
        sources = [timeline.links.flows[flow].src for flow in rates.flows]
        assert len(sources) == len(set(sources))
    for source in set(of.copy_src.tolist()):
        own = np.flatnonzero(of.copy_src == source)
        own = own[np.argsort(timeline.copy_start_s[own], kind="stable")]
        begin, end = timeline.copy_start_s[own], timeline.copy_end_s[own]
        assert np.all(begin[1:] >= end[:-1] - 1e-9 * end[:-1])


def test_fifo_two_readers_one_after_the_other() -> None:
    # Readers 1 and 2 want 100 bytes each of source 0 at 100 B/s: seconds 0 to 1 and 1 to 2.
    timeline = run(program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 100))), FIFO)
    assert timeline.copy_start_s.tolist() == [0.0, 1.0]
    assert timeline.copy_end_s.tolist() == [1.0, 2.0]
    assert timeline.transfer_s.tolist() == [1.0, 1.0]
    assert timeline.contention_s.tolist() == [0.0, 1.0]


def test_fifo_takes_the_copies_of_two_readers_in_turns() -> None:
    # Each reader's next copy queues behind the other reader's: 0-1, 1-2, 2-3, 3-4 seconds.
    reader = [queue(rank, single(0, rank, 100), single(0, rank, 100)) for rank in (1, 2)]
    assert run(program(*reader), FIFO).copy_end_s.tolist() == [1.0, 3.0, 2.0, 4.0]


def test_fifo_blocks_no_other_source() -> None:
    of = program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 100)), queue(3, single(4, 3, 100)))
    assert ends(run(of, FIFO)) == [1.0, 2.0, 1.0]


@given(st.integers(2, 6), st.integers(1, 10**9), st.floats(1.0, 1e12), st.integers(1, 5))
def test_copies_that_tie_end_at_the_same_instant(readers: int, size: int, rate: float, count: int) -> None:
    """Equal readers of one source start and end every copy together, so no rounding splits a tie."""
    of = program(*(queue(rank, *[single(0, rank, size)] * count) for rank in range(1, readers + 1)))
    timeline = run(of, **links(rate))
    per_copy = timeline.copy_end_s.reshape(readers, count)
    assert np.all(per_copy == per_copy[0])
    assert per_copy[0] == pytest.approx(np.arange(1, count + 1) * size * readers / rate, rel=1e-9)


def test_ties_that_rounding_would_split_are_one_event() -> None:
    # Six copies of 1/3 s and one of 2 s end together although six times 1/3 is not 2 in binary; the copies after them
    # share source 4 from then on: 20 bytes at 3 B/s.
    of = program(
        queue(1, *[single(0, 1, 1)] * 6, single(4, 1, 10)),
        queue(2, single(3, 2, 6), single(4, 2, 10)),
    )
    timeline = run(of, record_links=True, **links(3.0))
    assert timeline.copy_end_s[6] == timeline.copy_end_s[8] == pytest.approx(2 + 20 / 3)
    assert timeline.copy_end_s[5] == timeline.copy_end_s[7]
    assert len({seconds for seconds, _ in timeline.links.samples}) == 8  # the start, six ends, the last end


def test_a_timer_of_an_older_set_ends_nothing() -> None:
    # Reader 1 alone would end at 1 s; reader 2 joins at 0.5 s, so 50 bytes take another second: 1.5 s.
    of = program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 100), start_s=0.5))
    timeline = run(of)
    assert timeline.copy_end_s.tolist() == [1.5, 2.0]


def test_a_copy_may_start_at_the_very_instant_at_which_another_ends() -> None:
    # Reader 2 starts when reader 1 ends: they never share.
    of = program(queue(1, single(0, 1, 100)), queue(2, single(0, 2, 100), start_s=1.0))
    timeline = run(of)
    assert timeline.copy_end_s.tolist() == [1.0, 2.0]
    assert timeline.contention_s.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [1, 2**40])
def test_sizes_from_one_byte_to_a_tebibyte_take_their_time(size: int) -> None:
    timeline = run(program(queue(0, single(1, 0, size))), **links(4e11))
    assert ends(timeline) == [pytest.approx(size / 4e11, rel=1e-12)]


def test_one_byte_beside_a_tebibyte_is_not_lost_to_rounding() -> None:
    # The one byte shares: 2 s / rate; the large copy moves one byte less meanwhile.
    of = program(queue(1, single(0, 1, 1)), queue(2, single(0, 2, 2**40)))
    assert ends(run(of)) == pytest.approx([0.02, (2**40 + 1) / 100], rel=1e-12)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), st.integers(1, 4))
def test_events_are_as_few_as_instants_at_which_something_finishes(sizes: list[int], places: int) -> None:
    """A batch of n copies costs two SimPy events a copy at most, so a speed-up cannot change meaning unseen."""
    of = program(queue(0, batch(*((1 + i % 3, 0, size) for i, size in enumerate(sizes)))))
    timeline = run(of, record_links=True, in_flight_sources=places)
    assert len(timeline.links.samples) <= 1 + len(sizes)
    assert [seconds for seconds, _ in timeline.links.samples[1:]] == sorted(set(timeline.copy_end_s.tolist()))


def test_the_fabric_alone_calls_back_with_the_token() -> None:
    env = simpy.Environment()
    of = program(queue(0, single(1, 0, 100)))
    model = RateModel(constants(of), FabricOptions())
    flow = model.number(Flow(0, 0, 1, 0))
    fabric = Fabric(env, model, 1, fifo=False)
    arrived: list[tuple[int, float]] = []
    fabric.start(flow, 100, lambda token: arrived.append((token, env.now)), 42)
    env.run()
    assert arrived == [(42, 1.0)]
    assert fabric.finished == 1
    assert fabric.spent_s(0) == (1.0, 0.0)
