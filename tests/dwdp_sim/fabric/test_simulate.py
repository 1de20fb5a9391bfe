"""Laws that every simulated program obeys."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.fabric_constants import LinkTiming
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.programs import (
    Queue,
    batch,
    busy_bytes,
    constants,
    ends,
    links,
    program,
    queue,
    resources,
    run,
    single,
)
from tests.dwdp_sim.random_programs import ALL_KINDS, OPTIONS, SIZES, STARTS, machines, programs, queues

NO_LOSS = FabricOptions(incast="off", both_ways=False)
RATES = st.floats(1.0, 1e12)
GAPS = ((1.0, 0.5), (100.0, 1.0), (10_000.0, 3.0))


@given(programs(kinds=ALL_KINDS), machines(), OPTIONS)
def test_nothing_ends_before_the_busiest_resource_could_have_carried_its_bytes(
    of: Program, values: dict[str, Any], options: FabricOptions
) -> None:
    """max end ≥ max over resources of bytes / capacity, whatever the options."""
    rates = {"host_in": 50.0, "host_out": 25.0, "local": 200.0}
    rates |= {name: values[f"{name}_bytes_per_s"] for name in ("egress", "ingress", "pair")}
    bound = max((size / rates[resource[0]] for resource, size in busy_bytes(of).items()), default=0.0)
    assert max(ends(run(of, options, **values))) >= bound * (1 - 1e-9)


@given(programs(max_gpus=6), machines(losses=False))
def test_at_every_instant_each_flow_has_a_full_resource_where_it_is_fastest(
    of: Program, values: dict[str, Any]
) -> None:
    """Sharing is max-min and work-conserving over time, not only when a set is solved."""
    timeline = run(of, NO_LOSS, record_links=True, **values)
    for _, rates in timeline.links.samples:
        load: dict[tuple[str, int, int], float] = {}
        fastest: dict[tuple[str, int, int], float] = {}
        for flow, rate in zip(rates.flows, rates.rates, strict=True):
            for resource in resources(timeline.links.flows[flow].src, timeline.links.flows[flow].dst):
                load[resource] = load.get(resource, 0.0) + rate
                fastest[resource] = max(fastest.get(resource, 0.0), rate)
        for flow, rate in zip(rates.flows, rates.rates, strict=True):
            assert any(
                load[r] >= values[f"{r[0]}_bytes_per_s"] * (1 - 1e-9) and rate >= fastest[r] * (1 - 1e-9)
                for r in resources(timeline.links.flows[flow].src, timeline.links.flows[flow].dst)
            )


@given(st.lists(st.tuples(st.integers(1, 3), SIZES), min_size=1, max_size=20), RATES, st.sampled_from([0.0, 2.0]))
def test_a_stream_alone_takes_its_fixed_part_its_gaps_and_its_bytes(
    copies: list[tuple[int, int]], rate: float, fixed_s: float
) -> None:
    """elapsed = fixed + Σ gap(size of every copy but the first) + bytes / rate."""
    of = program(queue(0, *(single(src, 0, size) for src, size in copies)))
    gap = LinkTiming(0.0, GAPS).gap
    expected = fixed_s + sum(gap(size) for _, size in copies[1:]) + sum(size for _, size in copies) / rate
    assert ends(run(of, peer_fixed_s=fixed_s, peer_gap_s=GAPS, **links(rate))) == [pytest.approx(expected, rel=1e-9)]


@given(
    st.lists(st.tuples(st.integers(1, 3), SIZES), min_size=1, max_size=20),
    RATES,
    st.integers(1, 4),
    st.sampled_from(["oldest", "any"]),
)
def test_a_batch_alone_takes_its_fixed_part_and_its_bytes_however_many_are_in_flight(
    copies: list[tuple[int, int]], rate: float, places: int, refill: str
) -> None:
    """elapsed = fixed + bytes / rate: one reader's sources always fill its ingress."""
    of = program(queue(0, batch(*((src, 0, size) for src, size in copies))))
    expected = 2.0 + sum(size for _, size in copies) / rate
    timeline = run(of, peer_fixed_s=2.0, peer_gap_s=GAPS, in_flight_sources=places, refill=refill, **links(rate))
    assert ends(timeline) == [pytest.approx(expected, rel=1e-9)]
    assert timeline.contention_s[0] == pytest.approx(0.0, abs=expected * 1e-9)


@given(programs(), machines(times=False), OPTIONS, st.integers(2, 1000))
def test_scaling_bytes_and_rates_together_changes_nothing(
    of: Program, values: dict[str, Any], options: FabricOptions, scale: int
) -> None:
    larger = dataclasses.replace(of, copy_bytes=of.copy_bytes * scale)
    in_bytes = ("bytes_per_s", "in_flight_bytes")
    faster = {name: value * scale if name.endswith(in_bytes) else value for name, value in values.items()}
    one, other = run(of, options, **values), run(larger, options, **faster)
    np.testing.assert_allclose(other.copy_end_s, one.copy_end_s, rtol=1e-9)
    np.testing.assert_allclose(other.transfer_s, one.transfer_s, rtol=1e-9)


@given(
    programs(kinds=ALL_KINDS, starts=STARTS, queued=st.booleans()),
    machines(),
    OPTIONS,
    st.randoms(use_true_random=False),
)
def test_renaming_the_gpus_of_a_program_leaves_every_time_as_it_is(
    of: Program, values: dict[str, Any], options: FabricOptions, random: Any
) -> None:
    names = list(range(of.num_gpus))
    random.shuffle(names)
    name = np.array([*names, -1])  # index −1 is the host and stays
    renamed = dataclasses.replace(
        of, stream_gpu=name[of.stream_gpu], copy_src=name[of.copy_src], copy_dst=name[of.copy_dst]
    )
    one, other = run(of, options, seed=3, **values), run(renamed, options, seed=3, **values)
    for column in ("copy_issue_s", "copy_start_s", "copy_end_s", "host_s", "gap_s", "transfer_s", "contention_s"):
        assert np.array_equal(getattr(one, column), getattr(other, column)), column


@given(
    queues(one_stream_a_gpu=True, starts=STARTS, queued=st.booleans()), machines(), st.randoms(use_true_random=False)
)
def test_the_order_in_which_ranks_are_listed_does_not_matter(
    drawn: list[Queue], values: dict[str, Any], random: Any
) -> None:
    order = list(range(len(drawn)))
    random.shuffle(order)
    one, other = ends(run(program(*drawn), **values)), ends(run(program(*(drawn[i] for i in order)), **values))
    assert other == pytest.approx([one[i] for i in order], rel=1e-9, abs=1e-9)


@given(programs(kinds=ALL_KINDS, starts=STARTS, queued=st.booleans()), machines(), OPTIONS)
def test_the_parts_of_a_stream_are_never_negative_and_add_up_to_its_time(
    of: Program, values: dict[str, Any], options: FabricOptions
) -> None:
    timeline = run(of, options, **values)
    parts = np.array([timeline.host_s, timeline.gap_s, timeline.transfer_s, timeline.contention_s])
    assert np.all(parts >= 0.0)
    np.testing.assert_allclose(parts.sum(axis=0), timeline.stream_elapsed_s, rtol=1e-9, atol=1e-9)


@given(
    st.integers(2, 4),
    st.lists(SIZES, min_size=2, max_size=5),
    machines(),
    OPTIONS,
    st.lists(STARTS, min_size=4, max_size=4),
)
def test_the_parts_add_up_with_barriers_and_slow_hosts_too(
    ranks: int, sizes: list[int], values: dict[str, Any], options: FabricOptions, starts: list[float]
) -> None:
    of = program(
        *(
            queue(
                rank,
                *(batch(((rank + 1) % ranks, rank, size + rank), barrier=b) for b, size in enumerate(sizes)),
                queued=False,
                start_s=starts[rank],
            )
            for rank in range(ranks)
        )
    )
    timeline = run(of, options, **values)
    parts = np.array([timeline.host_s, timeline.gap_s, timeline.transfer_s, timeline.contention_s])
    assert np.all(parts >= 0.0)
    np.testing.assert_allclose(parts.sum(axis=0), timeline.stream_elapsed_s, rtol=1e-9, atol=1e-9)
    end, begin = timeline.copy_end_s.reshape(ranks, -1), timeline.copy_start_s.reshape(ranks, -1)
    assert np.all(begin[:, 1:].min(axis=0) >= end[:, :-1].max(axis=0) + values["barrier_s"] - 1e-9)


@given(programs(kinds=ALL_KINDS, starts=STARTS, queued=st.booleans()), machines(), OPTIONS)
def test_no_byte_moves_before_its_call_is_made_and_the_fixed_part_has_passed(
    of: Program, values: dict[str, Any], options: FabricOptions
) -> None:
    timeline = run(of, options, **values)
    first = of.call_first_copy[:-1]
    fixed = np.full(len(of.copy_bytes), values["peer_fixed_s"])
    fixed[(of.copy_src < 0) | (of.copy_dst < 0)] = values["host_fixed_s"]
    fixed[of.copy_src == of.copy_dst] = values["local_fixed_s"]
    kept = options.batch_order == "kept"
    earliest = timeline.copy_issue_s + (fixed[first][of.copy_call] if kept else 0.0)
    assert np.all(timeline.copy_start_s >= earliest - 1e-9)
    assert np.all(timeline.copy_end_s > timeline.copy_start_s)
    assert np.all(timeline.copy_issue_s >= of.stream_start_s[of.call_stream[of.copy_call]])


MIXED = """
import hashlib, sys
from dwdp_sim.fabric.options import FabricOptions
from tests.dwdp_sim.programs import batch, program, queue, run, single
ranks = [queue(r, batch(*(((r + 1 + i % 3) % 4, r, 1000 + 7 * i + r) for i in range(40))), single((r + 1) % 4, r, 9),
         queued=r % 2 == 0, start_s=0.1 * r) for r in range(4)]
out = hashlib.sha256()
for order in ("kept", "swapped", "random"):
    for sharing, incast in (("fair", "always"), ("fair", "demand"), ("fifo", "off")):
        options = FabricOptions(sharing=sharing, incast=incast, batch_order=order)
        t = run(program(*ranks), options, seed=int(sys.argv[1]), record_links=True,
                incast_factor_2=0.9, incast_factor_3=0.8, pair_bytes_per_s=77.7, issue_slice_s=0.01)
        for column in (t.copy_issue_s, t.copy_start_s, t.copy_end_s, t.host_s, t.gap_s, t.transfer_s, t.contention_s):
            out.update(column.tobytes())
        out.update(repr(t.links.samples).encode())
print(out.hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    def digest(seed: int, hash_seed: str) -> str:
        root = Path(__file__).parents[3]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", MIXED, str(seed)]
        return subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True).stdout

    first = digest(1, "0")
    assert first == digest(1, "4242") == digest(1, "random")
    assert first != digest(2, "0")


def started(timeline_start: np.ndarray[Any, Any]) -> list[int]:
    return [int(index) for index in np.argsort(timeline_start, kind="stable")]


@pytest.mark.parametrize(
    ("probability", "order"), [(0.0, [0, 1, 2, 3, 4]), (1.0, [1, 0, 3, 2, 4])], ids=["never", "always"]
)
def test_swapped_batches_exchange_neighbours_once(probability: float, order: list[int]) -> None:
    of = program(queue(0, batch(*((1, 0, 100 + i) for i in range(5)))))
    timeline = run(of, FabricOptions(batch_order="swapped"), swap_probability=probability)
    assert started(timeline.copy_start_s) == order
    # The columns are those of the listed copies: copy i has 100 + i bytes.
    assert timeline.copy_end_s - timeline.copy_start_s == pytest.approx([1.0, 1.01, 1.02, 1.03, 1.04])


def test_random_batches_are_shuffled_by_the_seed_inside_their_call_only() -> None:
    of = program(queue(0, batch(*((1, 0, 100 + i) for i in range(30))), *[single(1, 0, 1)] * 5))
    orders = [started(run(of, FabricOptions(batch_order="random"), seed=seed).copy_start_s) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert sorted(order[:30]) == list(range(30)) != order[:30]
        assert order[30:] == list(range(30, 35))


def test_progress_counts_every_copy() -> None:
    of = program(queue(0, batch(*[(1, 0, 1), (2, 0, 1)] * 5000)))
    seen: list[int] = []
    simulate(of, constants(of), progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert seen[-1] == 10_000


def test_links_are_recorded_only_if_asked_for() -> None:
    of = program(queue(0, single(1, 0, 100)))
    assert run(of).links is None
    assert [seconds for seconds, _ in run(of, record_links=True).links.samples] == [0.0, 1.0]


@given(programs(kinds=("pull",), max_batch=8), machines(losses=False))
def test_a_window_of_all_bytes_is_all_sources_at_once_and_a_tiny_one_is_one(
    of: Program, values: dict[str, Any]
) -> None:
    values = {name: value for name, value in values.items() if name not in ("in_flight_bytes", "batch_engines")}
    large = dataclasses.replace(of, copy_bytes=of.copy_bytes * 1_000_000)
    for limit, places in ((10**15, "all"), (1, 1)):
        by_bytes = run(large, **values | {"refill": "bytes", "in_flight_bytes": limit})
        by_places = run(large, **values | {"refill": "any", "in_flight_sources": places})
        np.testing.assert_allclose(by_bytes.copy_end_s, by_places.copy_end_s, rtol=1e-4)
