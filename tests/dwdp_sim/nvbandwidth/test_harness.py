"""What the harness prints follows from what it issues: closed forms, and one case by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.nvbandwidth.harness import TESTCASES, artefact_share, benchmark_program, copy_streams
from dwdp_sim.nvbandwidth.machine import WIRE_SHARE, Machine, predict_bytes_per_s

SWITCHED = Machine(
    name="switched",
    gpus=4,
    links="switched",
    nominal_bytes_per_s=900e9,
    buffer_bytes=512 << 20,
    read_bytes_per_s=760e9,
    write_bytes_per_s=770e9,
    lowest_read_bytes_per_s=750e9,
    lowest_write_bytes_per_s=765e9,
    both_ways_loss=0.01,
)
DIRECT = replace(SWITCHED, links="direct")


def predict(machine: Machine, name: str, loop_count: int = 16, **others: bool) -> float:
    return predict_bytes_per_s(machine, TESTCASES[name], loop_count, **others)


def test_three_readers_by_hand() -> None:
    """Stream 0: 16 timed copies. Streams 1 and 2: 4 warm-ups and 16 timed ones. 48 timed copies in the time of 56."""
    assert predict(SWITCHED, "all_to_one_read_ce") == pytest.approx(760e9 * 48 / 56, rel=1e-12)
    assert artefact_share(3, 16) == 48 / 56 == 4 * 3 / (5 * 3 - 1)


@given(
    st.integers(1, 8), st.integers(1, 64), st.integers(1 << 16, 1 << 30), st.floats(1e9, 800e9), st.floats(0.0, 12e-6)
)
def test_readers_of_one_source_print_the_closed_form_whatever_the_copies_and_the_gap(
    readers: int, loop_count: int, buffer_bytes: int, pair: float, gap_s: float
) -> None:
    gap_s = min(gap_s, 0.9 * buffer_bytes / pair)
    machine = replace(SWITCHED, gpus=readers + 1, buffer_bytes=buffer_bytes, read_bytes_per_s=pair)
    printed = predict_bytes_per_s(machine, TESTCASES["all_to_one_read_ce"], loop_count, gap_s=gap_s)
    assert printed == pytest.approx(pair * artefact_share(readers, loop_count), rel=1e-9)


@pytest.mark.parametrize("links", ["switched", "direct"])
@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_pair_comes_out_as_it_was_published(kind: str, links: str) -> None:
    expected = {"read": 760e9, "write": 770e9}[kind]
    assert predict(replace(SWITCHED, links=links), f"device_to_device_memcpy_{kind}_ce") == pytest.approx(expected)


@given(st.integers(2, 9), st.integers(1, 40))
def test_nothing_is_lost_where_the_other_streams_warm_up_first(gpus: int, loop_count: int) -> None:
    machine = replace(SWITCHED, gpus=gpus)
    printed = predict(machine, "all_to_one_read_ce", loop_count, clock_last=True)
    assert printed == pytest.approx(machine.read_bytes_per_s, rel=1e-9)


@pytest.mark.parametrize("name", ["all_to_one_write_ce", "one_to_all_read_ce"])
def test_engines_of_several_sources_fill_the_links_of_one_destination_but_for_a_gap_a_round(name: str) -> None:
    """Three copies of 512 MiB over 800 GB/s take 2013 µs; their gaps of 9 µs go by together."""
    copies_s = 3 * (512 << 20) / (WIRE_SHARE * 900e9)
    expected = WIRE_SHARE * 900e9 * copies_s / (copies_s + 9e-6)
    assert predict(SWITCHED, name) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "slowest"),
    [("all_to_one_write_ce", 765e9), ("one_to_all_read_ce", 750e9), ("one_to_all_write_ce", 765e9)],
)
def test_on_direct_links_all_pairs_run_at_once_and_the_slowest_ends_last(name: str, slowest: float) -> None:
    assert predict(DIRECT, name) == pytest.approx(3 * slowest, rel=1e-9)


def test_readers_over_direct_links_still_take_turns() -> None:
    assert predict(DIRECT, "all_to_one_read_ce") == pytest.approx(760e9 * 48 / 56, rel=1e-12)


@pytest.mark.parametrize("kind", ["read", "write"])
def test_each_direction_of_a_pair_loses_its_share_while_bytes_move(kind: str) -> None:
    """The gap of 9 µs loses nothing: 1 % of the remaining time, so a little less than 1 % of the figure."""
    alone = predict(SWITCHED, f"device_to_device_memcpy_{kind}_ce")
    total = predict(SWITCHED, f"device_to_device_bidirectional_memcpy_{kind}_ce_total")
    first = predict(SWITCHED, f"device_to_device_bidirectional_memcpy_{kind}_ce")
    assert total == pytest.approx(2 * first, rel=1e-9)
    assert 0.0098 < 1 - first / alone < 0.01


def test_every_stream_holds_four_warm_ups_and_its_timed_copies() -> None:
    streams = copy_streams(TESTCASES["all_to_one_read_ce"], 4, "switched")
    program = benchmark_program(streams, 4, 1 << 20, 16)
    assert program.call_stream.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    assert [(stream.src, stream.dst, stream.engine) for stream in streams] == [(0, 1, 0), (0, 2, 0), (0, 3, 0)]


def test_one_gpu_has_no_peer() -> None:
    with pytest.raises(ConfigError, match="gpus=1: at least 2"):
        copy_streams(TESTCASES["all_to_one_read_ce"], 1, "switched")
