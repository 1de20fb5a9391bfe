"""Whole measurements on a fake driver: what it is asked for, in which order, and that everything is given back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Pipeline
from dwdp_hw.cases.shapes import model_case, pieces_case
from dwdp_hw.group.faults import RankFault
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.kinds import BATCHED, DEFAULT, WAVES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.executors.cuda.conftest import SMALL, Measure, small_layer
from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda


@pytest.mark.parametrize("mode", ["queued", "as_issued"])
@pytest.mark.parametrize("strategy", [Strategy(DEFAULT), Strategy(BATCHED, slice_bytes=700)])
def test_every_byte_arrives_and_everything_is_given_back(
    cuda: FakeCuda, measure: Measure, strategy: Strategy, mode: str
) -> None:
    case = small_layer(strategy, issue_mode=mode, detail=True)
    (result,) = measure(case)
    assert result.verified_runs == case.warmups + case.repeats + 1
    assert all(sample.elapsed_s > 0 and not sample.gate_late for sample in result.samples)
    assert result.detail is not None
    assert len(result.detail.arrival_s) == len(case.plan.copy_bytes[case.plan.copy_rank == 0])
    assert not any(np.isnan(result.detail.arrival_s))
    assert cuda.live == {}


@pytest.mark.parametrize("issue", ["arrays", "lists", "built_lists"])
def test_a_batch_reaches_the_driver_with_its_columns_one_attribute_and_stream_order(
    cuda: FakeCuda, measure: Measure, issue: str
) -> None:
    case = replace(small_layer(Strategy(BATCHED, slice_bytes=700), issue=issue), home="local")
    (result,) = measure(case)
    sizes = case.plan.copy_bytes[case.plan.copy_rank == 0].tolist()
    name = "cuMemcpyBatchAsync" if issue == "arrays" else "cudaMemcpyBatchAsync"
    assert result.path.startswith(name)
    assert {call for call, _ in cuda.log} == {name}
    for _, asked in cuda.log:
        assert asked["sizes"] == sizes
        assert np.diff(asked["dsts"]).min() > 0
        assert asked["first"] == [0]
        # CUmemcpyAttributes in C: order, source and destination location as type and number, flags.
        assert asked["attributes"] == ([1, 0, 0, 0, 0, 0] if issue == "arrays" else 1)
    assert cuda.live == {}


def test_the_cost_of_issuing_is_taken_for_every_way_and_the_copies_really_run(cuda: FakeCuda, measure: Measure) -> None:
    (result,) = measure(small_layer(Strategy(BATCHED), measure="issue_cost"))
    assert set(result.issue_cost_s) == {"arrays", "lists", "built_lists"}
    assert result.verified_runs == 4
    assert cuda.live == {}


def test_the_relative_cost_is_of_all_copies_and_they_really_run(cuda: FakeCuda, measure: Measure) -> None:
    case = small_layer(Strategy(BATCHED), measure="relative_cost", issue_mode="as_issued", lasting_s=0.05)
    (result,) = measure(case)
    assert result.relative is not None
    assert result.relative.pairs > 1
    assert 0.0 < result.relative.cost_s[0] <= result.relative.cost_s[-1]
    assert result.verified_runs == 1
    assert len(cuda.log) > result.relative.pairs  # and those that warm up
    assert cuda.live == {}


def test_no_more_calls_are_queued_behind_a_gate_than_a_stream_holds(cuda: FakeCuda, measure: Measure) -> None:
    case = replace(pieces_case("long", 1300, 64, ASYNC, 2, (0,)), home="local", warmups=0, repeats=1)
    (result,) = measure(case)
    assert [sample.queued_calls for sample in result.samples] == [QUEUE_LIMIT_CALLS]
    assert not result.samples[0].gate_late
    assert len(cuda.log) == 1300


def test_a_queued_run_is_gate_start_copies_end(cuda: FakeCuda, measure: Measure) -> None:
    measure(small_layer(Strategy(DEFAULT), warmups=0))
    (order,) = (stream.order for stream in cuda.streams.values() if "copy" in stream.order)
    for place, name in enumerate(order):
        if name == "copy" and order[place - 1] != "copy":
            assert order[place - 2 : place] == ["gate", "record"]
        if name == "copy" and order[place + 1] != "copy":
            assert order[place + 1] == "record"


def test_between_waves_a_rank_signals_and_waits_for_all_before_its_next_call(cuda: FakeCuda, measure: Measure) -> None:
    case = replace(
        model_case(SMALL, 4, 3, Strategy(WAVES, barrier="group", wave_copies=5)),
        name="waves",
        repeats=1,
        warmups=0,
    )
    results = measure(case, ranks=3)
    assert [result.verified_runs for result in results] == [1, 1, 1]
    barrier = case.plan.call_barrier[case.plan.call_rank == 0].tolist()
    wanted = ["copy"]
    for before, number in pairwise(barrier):
        wanted += ["signal", "gate", "copy"] if number > before else ["copy"]
    assert wanted.count("gate") >= 2
    for order in (stream.order for stream in cuda.streams.values() if "copy" in stream.order):
        first = order.index("copy")
        assert order[first : first + len(wanted) + 2] == [*wanted, "signal", "record"]
    assert cuda.live == {}


@pytest.mark.parametrize("mapping", ["ipc", "vmm_fd"])
def test_two_ranks_read_each_others_memory_and_give_it_back(cuda: FakeCuda, measure: Measure, mapping: str) -> None:
    cases = [
        replace(
            model_case(SMALL, pulled, 2, Strategy(BATCHED)),
            name=f"of{pulled}",
            mapping=mapping,
            repeats=1,
        )
        for pulled in (2, 3)
    ]
    results = measure(*cases, ranks=2)
    assert [result.verified_runs for result in results] == [3, 3]
    assert cuda.live == {}


def test_a_forward_step_waits_for_copies_before_computing_and_for_the_slot_before_copying(
    cuda: FakeCuda, measure: Measure
) -> None:
    case = small_layer(Strategy(BATCHED), measure="pipeline", layers=5, pipeline=Pipeline((2e-3,)), warmups=0)
    (result,) = measure(case)
    assert result.verified_runs == 1 + 2 * 2
    for layers in result.layers:
        for layer in layers:
            assert layer.copy_end_s <= layer.compute_begin_s
            if layer.layer >= 2:
                assert layers[layer.layer - 2].compute_end_s <= layer.copy_begin_s
    assert cuda.live == {}


def test_a_wrong_byte_is_found_and_its_slice_named(cuda: FakeCuda, measure: Measure) -> None:
    case = small_layer(Strategy(BATCHED))
    src = case.plan.copy_src_offset.copy()
    src[1] += 4
    with pytest.raises(RankFault, match=r"wrong bytes: slice 1 of rank 0 \(layer 0, peer 1, "):
        measure(replace(case, plan=replace(case.plan, copy_src_offset=src)))


@pytest.mark.parametrize(
    ("call", "issue", "said"),
    [
        ("cudaMemcpyAsync", "arrays", r"cudaMemcpyAsync \(call 0\) returned ERROR_LAUNCH_FAILURE \(719\)"),
        ("cuMemcpyBatchAsync", "arrays", r"cuMemcpyBatchAsync \(call 0 of \d+ copies\) returned ERROR_LAUNCH_FAILURE"),
        ("cudaMemcpyBatchAsync", "lists", r"cudaMemcpyBatchAsync \(call 0(, copy 3)?\) returned ERROR_LAUNCH_FAILURE"),
        ("cuLaunchKernel of gate", "arrays", "cuLaunchKernel of gate failed: CUDA_ERROR_LAUNCH_FAILURE"),
        ("cuEventQuery", "arrays", "cuEventQuery failed: CUDA_ERROR_LAUNCH_FAILURE"),
    ],
)
def test_a_call_that_fails_in_a_run_is_named_with_its_code(
    cuda: FakeCuda, measure: Measure, call: str, issue: str, said: str
) -> None:
    cuda.fails[call] = 4 if call == "cuEventQuery" else 1 if "gate" in call else 0
    strategy = Strategy(DEFAULT if call == "cudaMemcpyAsync" else BATCHED)
    with pytest.raises(RankFault, match=f"rank 0 on .*: {said}") as raised:
        measure(small_layer(strategy, issue=issue), gate_timeout_s=0.5)
    assert raised.value.rank == 0
    assert "Common causes" not in str(raised.value)
    if "BatchAsync" in call and issue == "lists":
        assert ("copy 3" in str(raised.value)) is (cuda.version < 13000)  # 13.x no longer says which copy


@pytest.mark.parametrize(
    ("call", "mapping", "well"),
    [
        ("cudaMalloc", "ipc", 7),
        ("cudaIpcGetMemHandle", "ipc", 0),
        ("cudaIpcOpenMemHandle", "ipc", 0),
        ("cuLaunchKernel of write_regions", "ipc", 2),
        ("cuMemCreate", "vmm_fd", 0),
        ("cuMemImportFromShareableHandle", "vmm_fd", 0),
        ("cuMemAddressReserve", "vmm_fd", 1),
        ("cuMemMap", "vmm_fd", 1),
        ("cuMemSetAccess", "vmm_fd", 1),
    ],
)
def test_a_rank_whose_buffers_fail_gives_back_what_it_had_taken_for_them(
    cuda: FakeCuda, measure: Measure, call: str, mapping: str, well: int
) -> None:
    case = replace(model_case(SMALL, 2, 2, Strategy(BATCHED)), name="failing", mapping=mapping)
    cuda.fails[call] = well
    with pytest.raises(RankFault, match=call):
        measure(case, ranks=2, wait_s=1.0)
    left = cuda.live
    assert left["ipc"] == left["handle"] == left["reserved"] == left["mapped"] == 0
    # Each rank that got so far keeps its kernels' word, its kernels' reports, its pinned words and the page.
    assert left["device"] <= 2 * 2
    assert left["host"] <= 2
