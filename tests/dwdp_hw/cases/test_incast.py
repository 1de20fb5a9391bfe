"""Cases of several readers and sources: what they pull, what they are expected to take, and that their bytes arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_hw.cases.case import Case, Pipeline
from dwdp_hw.cases.incast import incast_cases, telling_cases
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.shapes import SHRINK_ON_HOST, pulls_case
from dwdp_hw.cases.start_offsets import LATEST_S
from dwdp_hw.executors.expected import expected_regions
from dwdp_hw.executors.layout import Layout, rank_copies
from dwdp_hw.group.faults import RankFault
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.expectations import Expectation, expect, expected_s
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, FIFO, hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.plan.copy_plan import ASYNC, BATCH

HGX = read_cluster("hgx_h200")
PREDICTIONS = Path(__file__).parents[3] / "measurements" / "predictions"
MIB = 1 << 20
Run = Callable[..., Any]


def cases(gpus: int, shrink: int = SHRINK_ON_HOST) -> dict[str, Case]:
    return {case.name: case for block in incast_cases(gpus, shrink) for case in block}


@pytest.mark.parametrize("gpus", [3, 4, 5, 8])
def test_every_case_has_a_name_of_its_own_and_pulls_what_it_declares(gpus: int) -> None:
    found = [case for block in incast_cases(gpus, SHRINK_ON_HOST) for case in block]
    assert len({case.name for case in found}) == len(found) > 150
    for case in found:
        plan, placement = case.plan, case.plan.placement
        assert case.ranks == tuple(sorted(set(plan.copy_rank.tolist())))
        for rank in case.ranks if case.sources else ():
            own = plan.copy_rank == rank
            assert set(plan.copy_peer[own].tolist()) == set(case.sources_of(rank)), case.name
            total = plan.parameters[0].bytes
            for peer in case.sources_of(rank):  # each byte of the peer's piece once, in its place
                rows = own & (plan.copy_peer == peer)
                order = np.argsort(plan.copy_src_offset[rows])
                ends = np.cumsum(plan.copy_bytes[rows][order])
                assert ends[-1] == total
                assert (plan.copy_src_offset[rows][order] == np.r_[0, ends[:-1]]).all()
                place = placement.remote_index(rank, peer) * total
                assert (plan.copy_dst_offset[rows] == plan.copy_src_offset[rows] + place).all()


def under(name: str, found: Sequence[Expectation]) -> Expectation:
    return next(one for one in found if name in one.hypotheses)


def test_readers_take_as_long_as_the_source_needs_for_all_of_them() -> None:
    # Two readers, 64 MiB each in one batch, of a source of 397.653 GB/s: 11.2 µs + 134.2 MB ÷ 397.653 GB/s; who starts
    # later, by up to 1.6 µs, has had that much less of it.
    case = cases(4, 1)["readers_2_batch_16384K"]
    expected = 11.2385e-6 + 2 * 64 * MIB / 397.653e9
    times = expect(case, HGX, FabricOptions(), hypotheses(HGX, FabricOptions()))
    assert times[0].hypotheses[0] == AS_CONFIGURED.name
    assert ((times[0].draws_s > expected - LATEST_S) & (times[0].draws_s < expected + LATEST_S)).all()
    # and where two readers cost a source 4.15 %, the low end of what is plausible
    lossy = under("several readers cost a source", times).draws_s
    with_loss = 11.2385e-6 + 2 * 64 * MIB / (397.653e9 * 0.9585)
    assert ((lossy > with_loss - LATEST_S) & (lossy < with_loss + LATEST_S)).all()


def test_a_source_that_serves_first_in_first_out_favours_the_reader_with_large_pieces() -> None:
    case = cases(4, 1)["readers_2_uneven_2048K_16384K"]
    fair, fifo = expect(case, HGX, FabricOptions(), [AS_CONFIGURED, FIFO])
    odd, even = fair.mean_s
    assert odd == pytest.approx(even, rel=2e-3)
    odd, even = fifo.mean_s  # rank 1 pulls pieces of 16 MiB, rank 2 of 2 MiB
    assert odd < 0.65 * even


def test_a_single_source_is_served_one_slice_at_a_time_and_in_order_under_every_hypothesis_that_keeps_the_order() -> (
    None
):
    # 2 × 8 slices of 2 MiB of one source: the batch of one rank alone takes its bytes ÷ rate, whatever is in flight.
    case = cases(4, 1)["readers_1_batch_2048K"]
    (only,) = expect(case, HGX, FabricOptions(), hypotheses(HGX, FabricOptions()))
    assert len(only.hypotheses) == len(hypotheses(HGX, FabricOptions()))
    assert only.draws_s.tolist() == [[pytest.approx(11.2385e-6 + 64 * MIB / 397.653e9)]]


def test_a_rank_that_only_serves_has_no_calls_and_nothing_to_expect() -> None:
    case = cases(4)["readers_2_batch_2048K"]
    layout = Layout.of(case.plan, case.layers)
    for rank in (0, 3):
        copies = rank_copies(case.plan, layout, rank, 0)
        assert (len(copies.peer), len(copies.call_issue), copies.call_first.tolist()) == (0, 0, [0])
        assert expected_regions(case.plan, layout, rank, 0, case.sources_of(rank)) == []


def test_hypotheses_that_cannot_change_a_program_share_an_expectation() -> None:
    known = hypotheses(HGX, FabricOptions())
    names = ("readers_1_batch_2048K", "readers_2_batch_2048K", "busy_one_in_turns_2048K")
    counts = [len(expect(cases(4)[name], HGX, FabricOptions(), known)) for name in names]
    # alone; with a loss by several readers or without; all but `as configured` = `2 sources, oldest; fair` and
    # `1 source; fair` = `1 source; equal`
    assert counts == [1, 2, len(known) - 2]


@pytest.mark.parametrize("gpus", [3, 4, 8])
def test_a_busy_source_has_other_readers_and_rank_0_reads_everybody(gpus: int) -> None:
    telling = telling_cases(gpus)
    assert len(telling) == (4 if gpus == 3 else 7)
    for case in telling:
        assert case.sources_of(0) == tuple(range(1, gpus))
        read = [case.sources_of(rank) for rank in range(1, gpus)]
        assert all(len(sources) <= 1 and rank not in sources for rank, sources in enumerate(read, 1)), case.name
        assert len({source for sources in read for source in sources}) < gpus  # somebody is busier than somebody else


def test_a_rank_that_starts_later_is_expected_to_meet_less_contention() -> None:
    case = cases(4, 1)["v3lite_default"]
    together = expected_s(case, HGX, FabricOptions())
    apart = expected_s(replace(case, start_s=(0.0, 3e-3, 6e-3, 9e-3)), HGX, FabricOptions())
    assert max(apart) < 0.6 * max(together)
    assert apart == pytest.approx([apart[0]] * 4, rel=0.02)


def test_a_pipeline_is_expected_to_take_its_windows_and_the_first_prefetch() -> None:
    # 10 ms windows, prefetches of 0.2 ms: rank 1's windows are 10 ms, 5 ms and 10 ms, after the first pull of 64 MiB.
    pull = pulls_case("p", {0: (1,), 1: (0,)}, 64 * MIB, [2 * MIB] * 2, BATCH, 2)
    pipeline = Pipeline((10e-3,), factors=((1.0, 1.0, 1.0), (1.0, 0.5, 1.0)))
    case = replace(pull, measure="pipeline", layers=3, pipeline=pipeline)
    first_s = expected_s(pull, HGX, FabricOptions())[0]
    assert expected_s(case, HGX, FabricOptions()) == pytest.approx([30e-3 + first_s, 25e-3 + first_s], rel=2e-3)


@pytest.mark.parametrize("gpus", [4, 8])
def test_the_committed_predictions_are_of_these_cases_and_fit_into_the_time(gpus: int) -> None:
    rows = json.loads((PREDICTIONS / f"hgx_h200_x{gpus}_incast.json").read_text())["rows"]
    found = cases(gpus, 1)
    assert [row["case"] for row in rows] == list(found)
    named = {h.name for h in hypotheses(HGX, FabricOptions())}
    for row in rows:
        assert {name for one in row["under"] for name in one["hypotheses"]} == named
        assert row["under"][0]["mean_us"] == row["expected_us"]
        for one in row["under"]:
            assert len(one["mean_us"]) == len(found[row["case"]].ranks)
            ordered = zip(row["low_us"], one["low_us"], one["mean_us"], one["high_us"], row["high_us"], strict=True)
            for outer_low, low, mean, high, outer_high in ordered:
                assert outer_low <= low <= mean <= high <= outer_high, row["case"]
    runs = {name: case.warmups + case.repeats + case.detail for name, case in found.items()}
    slowest_s = sum(max(row["high_us"]) * 1e-6 * runs[row["case"]] for row in rows)
    assert slowest_s + 0.5 * len(rows) < 330 / 2  # set-up of half a second a case, and as much again to spare


def test_three_ranks_on_host_memory_pull_every_byte_and_their_rows_say_what_ran(
    run_on_host: Run, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    shipped = cases(3)
    names = (
        "readers_2_batch_256K", "readers_2_uneven_2048K_16384K", "sources_2_in_turns_batch_2048K", "pair_batch_256K",
        "all_rotated_in_turns_batch_2048K", "v3lite_paced", "v3lite_batched_vmm_skewed_500us",
        "v3lite_paced_pipeline_1_varied_0.2",
    )  # fmt: skip
    chosen = [replace(shipped[name], repeats=3, warmups=0) for name in names]
    rows = []
    for case, results in run_on_host(chosen, ranks=3):
        rows.append(measured_row(case, results))
        assert all(r.verified_runs for r in results if r.pulls), case.name
    path = tmp_path / "rows.json"
    path.write_text(measurement_file({"gpu": "X", "gpus": 3}, "", rows, []))
    read = {row.case: row for row in read_recording(str(path)).rows}
    assert set(read) == {case.name for case in chosen if case.measure == "layer"}
    for case in chosen[:-1]:
        for field, column in vars(case_program(case)).items():
            assert np.allclose(getattr(read[case.name].program, field), column, rtol=0, atol=1e-9), (case.name, field)
    pipeline = chosen[-1].pipeline
    assert pipeline is not None
    assert rows[-1]["window_factors"] == [list(factors) for factors in pipeline.factors]
    for rank, layers in enumerate(rows[-1]["layer_us"]):
        computed = [layer["compute"] * 1e-6 for layer in layers]
        assert (np.array(computed) >= pipeline.windows_s(rank, len(layers))).all()


def test_a_reader_of_the_wrong_source_is_found_out(run_on_host: Run) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    case = pulls_case("wrong", {1: (0,), 2: (0,)}, 4096, [1024] * 3, ASYNC, 3)
    peer = case.plan.copy_peer.copy()
    peer[2] = 2
    with pytest.raises(RankFault, match=r"rank 1 on .*wrong bytes: slice 2 of rank 1"):
        run_on_host([replace(case, plan=replace(case.plan, copy_peer=peer))], ranks=3)
