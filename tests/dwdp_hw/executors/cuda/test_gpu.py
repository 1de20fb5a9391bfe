"""On one real GPU: kernels, both ways of copying, byte checks, arrivals, the cost of issuing, gates, deadlines."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Case, Pipeline, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.cases.shapes import GPT_OSS, V3_LITE, model_case, pieces_case
from dwdp_hw.executors.cuda.gpu import Gpu, count_gpus
from dwdp_hw.executors.cuda.kernels import Kernels, RegionTable
from dwdp_hw.executors.cuda.peer_memory import check_mapping
from dwdp_hw.executors.expected import Region
from dwdp_hw.executors.pattern import pattern_bytes
from dwdp_hw.group.faults import RankFault, Whereabouts
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu"), pytest.mark.filterwarnings("default")]
MIB = 1 << 20


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return Gpu(0, Whereabouts(0), wait_s=10.0)


@pytest.fixture(scope="module")
def kernels(gpu: Gpu) -> Kernels:
    return Kernels(gpu)


@pytest.fixture
def memory(gpu: Gpu) -> Iterator[int]:
    address = gpu.allocate(MIB)
    yield address
    gpu.free(address)


def measure(cases: list[Case], settings: Settings | None = None) -> list[tuple[dict[str, Any], list[RankResult]]]:
    found: list[tuple[dict[str, Any], list[RankResult]]] = []
    work = Work(tuple(cases), settings or Settings())
    run_group(work, 1, lambda case, results: found.append((measured_row(case, results), results)))
    return found


def from_host(shape: Any, pulled: int, strategy: Strategy, name: str, **changes: Any) -> Case:
    case = model_case(shape, pulled, 2, strategy)
    return replace(case, name=name, home="host", ranks=(0,), **changes)


@pytest.mark.parametrize("shift", range(5))
@pytest.mark.parametrize("size", [1, 3, 4, 1021, 262144])
def test_the_gpu_writes_the_same_pattern_as_numpy(
    gpu: Gpu, kernels: Kernels, memory: int, shift: int, size: int
) -> None:
    stream = gpu.stream()
    regions = [Region(64 + shift, size, 12345, shift * 3, 0)]
    kernels.write(RegionTable(gpu, memory, regions), stream)
    content = gpu.read(memory + 64 + shift, size, stream)
    assert content == pattern_bytes(12345, shift * 3, size).tobytes()
    assert kernels.compare(RegionTable(gpu, memory, regions), stream) is None


@pytest.mark.parametrize("wrong", [0, 1, 2049, 262142])
def test_the_first_wrong_byte_is_found(gpu: Gpu, kernels: Kernels, memory: int, wrong: int) -> None:
    stream = gpu.stream()
    table = RegionTable(gpu, memory, [Region(0, 64, 7, 0, 0), Region(4096, 262143, 8, 0, 0)])
    kernels.write(table, stream)
    for place in (wrong, 262142):
        byte = gpu.read(memory + 4096 + place, 1, stream)[0]
        gpu.write(memory + 4096 + place, bytes([byte ^ 0x10]))
        if wrong == 262142:
            break
    assert kernels.compare(table, stream) == (1, wrong)


def test_a_gate_that_nobody_opens_opens_by_itself(gpu: Gpu, kernels: Kernels, memory: int) -> None:
    stream = gpu.stream()
    gpu.write(memory, b"\0" * 64)
    kernels.gate(memory, 1, 1, 1, 50_000_000, memory + 64, stream)
    began = time.monotonic()
    gpu.finish(stream, "the gate")
    assert 0.04 < time.monotonic() - began < 2.0
    assert gpu.read(memory + 72, 8, stream) == (1).to_bytes(8, "little")


def test_default_and_batched_layers_from_host_memory_are_right_and_their_arrivals_seen() -> None:
    cases = [
        from_host(shape, 12, strategy, f"{shape[0]}_{strategy.name}_{mode}", detail=True, issue_mode=mode)
        for shape in (V3_LITE, GPT_OSS)
        for strategy in (
            Strategy(STRATEGIES["default"]),
            Strategy(STRATEGIES["batched"]),
            Strategy(STRATEGIES["waves"]),
        )
        for mode in ("queued", "as_issued")
    ]
    for (row, results), case in zip(measure(cases), cases, strict=True):
        assert row["verified_runs"] == [case.warmups + case.repeats + 1], case.name
        assert row["over_nvlink"][0].startswith("not over NVLink"), case.name
        arrivals = np.array(row["arrival_us"][0]["copies"])
        assert (arrivals > 0).all(), case.name
        bound_us = case.plan.bytes_per_rank()[0] / 130e9 * 1e6  # PCIe 6 ×16 is not faster
        assert arrivals.max() > bound_us, case.name
        assert row["device_us"][0]["min"] > bound_us, case.name
        assert results[0].path.startswith("cuMemcpyBatchAsync" if row["issue"] == "batch" else "cudaMemcpyAsync")


def test_lists_and_arrays_and_the_same_gpu_move_the_same_bytes() -> None:
    base = from_host(V3_LITE, 6, Strategy(STRATEGIES["batched"], slice_bytes=300_001), "x", repeats=3)
    cases = [replace(base, name=way, issue=way) for way in ("arrays", "lists", "built_lists")]
    cases.append(replace(base, name="local", home="local"))
    assert [row["verified_runs"] for row, _ in measure(cases)] == [[5]] * 4


def test_a_wrong_plan_is_caught_on_the_gpu_and_the_slice_named() -> None:
    case = from_host(V3_LITE, 6, Strategy(STRATEGIES["batched"]), "shifted")
    src = case.plan.copy_src_offset.copy()
    src[2] += 4
    wrong = replace(case, plan=replace(case.plan, copy_src_offset=src))
    with pytest.raises(RankFault, match=r"rank 0 on .*wrong bytes: slice 2 of rank 0 \(layer 0, peer 1, "):
        measure([wrong])


def test_issuing_from_arrays_costs_less_than_from_lists() -> None:
    case = from_host(V3_LITE, 36, Strategy(STRATEGIES["batched"]), "cost", measure="issue_cost", repeats=25)
    ((_row, results),) = measure([case])
    cost = {way: statistics.median(runs) for way, runs in results[0].issue_cost_s.items()}
    assert cost["arrays"] <= 0.8 * cost["lists"], cost
    assert cost["arrays"] <= 0.65 * cost["built_lists"], cost


def test_more_calls_than_a_stream_holds_do_not_deadlock_behind_a_gate() -> None:
    case = replace(pieces_case("long", 3000, 4096, ASYNC, 2, (0,)), home="local", repeats=3)
    ((row, _results),) = measure([case])
    assert row["queued_calls"] == [QUEUE_LIMIT_CALLS]
    assert row["queued_behind_gate"]


@pytest.mark.parametrize("window", ["spin", "matmul"])
def test_a_pipeline_computes_each_layer_after_its_experts_and_copies_after_its_slot_is_free(window: str) -> None:
    if window == "matmul":
        pytest.importorskip("torch")
    case = from_host(V3_LITE, 12, Strategy(STRATEGIES["batched"]), "steps", measure="pipeline", layers=6, repeats=3)
    prefetch_s = case.plan.bytes_per_rank()[0] / 50e9
    ((row, results),) = measure([replace(case, pipeline=Pipeline((1.5 * prefetch_s,), window=window))])
    assert row["verified_runs"] == [1 + 2 * 5]
    for layers in results[0].layers:
        for layer in layers:
            assert layer.copy_end_s <= layer.compute_begin_s + 2e-6
            if layer.layer >= 2:
                assert layers[layer.layer - 2].compute_end_s <= layer.copy_begin_s + 2e-6
    if window == "spin":
        assert row["layer_us"][0][4]["compute"] == pytest.approx(1.5e6 * prefetch_s, rel=0.05)


def test_a_kernel_that_does_not_end_stops_the_run_at_the_deadline_and_names_the_rank() -> None:
    case = from_host(V3_LITE, 6, Strategy(STRATEGIES["default"]), "hanging")
    began = time.monotonic()
    with pytest.raises(RankFault, match=r"rank 0 on .*case hanging, layer 0, in the end of the copies.*within 2 s"):
        measure([case], Settings(wait_s=2.0, hang_rank=0))
    assert time.monotonic() - began < 60.0


def test_more_ranks_than_gpus_is_an_error_that_says_why() -> None:
    case = model_case(V3_LITE, 6, count_gpus() + 1, Strategy(STRATEGIES["default"]))
    with pytest.raises(RankFault, match="two processes on one GPU take turns"):
        run_group(Work((replace(case, name="crowd"),), Settings()), count_gpus() + 1, lambda *_: None)


def test_fabric_handles_are_refused_with_what_to_do_where_the_machine_has_none(gpu: Gpu) -> None:
    channels = Path("/dev/nvidia-caps-imex-channels").glob("channel*")
    if gpu.device.properties.handle_type_fabric_supported and any(channels):
        pytest.skip("this machine offers fabric handles")
    with pytest.raises(ConfigError, match=r"backend\.mapping=vmm_fabric: .*(IMEX channel|use ipc)"):
        check_mapping(gpu, "vmm_fabric")


def _needs_two() -> None:
    if count_gpus() < 2:
        pytest.skip("needs two GPUs")


@pytest.mark.parametrize("mapping", ["ipc", "vmm_fd"])
def test_peers_memory_arrives_over_nvlink_under_every_mapping(mapping: str) -> None:
    _needs_two()
    cases = [
        replace(model_case(V3_LITE, 12, 2, strategy), name=f"{strategy.name}_{mode}", mapping=mapping, issue_mode=mode)
        for strategy in (
            Strategy(STRATEGIES["default"]),
            Strategy(STRATEGIES["batched"]),
            Strategy(STRATEGIES["waves"], barrier="group"),
        )
        for mode in ("queued", "as_issued")
    ]
    found: list[dict[str, Any]] = []
    run_group(Work(tuple(cases), Settings()), 2, lambda case, results: found.append(measured_row(case, results)))
    for row in found:
        assert row["verified_runs"] == [9, 9], row["case"]
        assert row["over_nvlink"] == ["yes", "yes"], row["case"]
        assert row["start_skew_us"]["median"] < 20, row["case"]
        assert row["queued_behind_gate"] == (row["issue_mode"] == "queued"), row["case"]


def test_a_rank_with_fewer_waves_holds_nobody_up() -> None:
    _needs_two()
    many, few = (
        model_case(V3_LITE, 12, 2, Strategy(STRATEGIES["waves"], slice_bytes=size, barrier="group")).plan
        for size in (MIB, 4 * MIB)
    )
    columns = {
        name: np.concatenate(
            [getattr(plan, name)[getattr(plan, prefix) == rank] for rank, plan in ((0, many), (1, few))]
        )
        for name, prefix in (
            *((f"copy_{c}", "copy_rank") for c in ("rank", "peer", "parameter", "src_offset", "dst_offset", "bytes")),
            *((f"call_{c}", "call_rank") for c in ("rank", "issue", "barrier")),
        )
    }
    first, second = (plan.copy_call[plan.copy_rank == rank] for rank, plan in ((0, many), (1, few)))
    call = np.concatenate([first, second - second[0] + first[-1] + 1])
    plan = replace(many, **columns, copy_call=call)
    assert plan.calls_per_rank()[0] > plan.calls_per_rank()[1] + 2
    case = replace(model_case(V3_LITE, 12, 2, Strategy(STRATEGIES["default"])), name="uneven", plan=plan)
    found: list[dict[str, Any]] = []
    run_group(Work((case,), Settings()), 2, lambda case, results: found.append(measured_row(case, results)))
    assert found[0]["verified_runs"] == [9, 9]
    assert max(spread["max"] for spread in found[0]["device_us"]) < 5000  # a gate's time-out would be seconds


def test_a_killed_rank_stops_the_other_and_leaves_no_gpu_memory_behind(gpu: Gpu) -> None:
    _needs_two()
    before, _total = gpu.call(gpu.runtime.cudaMemGetInfo)

    def strike(pids: list[int]) -> None:
        threading.Timer(12.0, lambda: os.kill(pids[1], signal.SIGKILL)).start()

    case = replace(model_case(V3_LITE, 12, 2, Strategy(STRATEGIES["batched"])), name="endless", repeats=10**7)
    with pytest.raises(RankFault, match=r"rank 1 on .*case endless.*ended by SIGKILL"):
        run_group(Work((case,), Settings(wait_s=5.0)), 2, lambda *_: None, strike)
    after, _total = gpu.call(gpu.runtime.cudaMemGetInfo)
    assert after >= before - 64 * MIB


def test_a_profiler_beside_the_run_counts_the_same_bytes() -> None:
    pytest.importorskip("torch")
    cases = [
        from_host(V3_LITE, 12, strategy, strategy.name, witness=True, repeats=3)
        for strategy in (Strategy(STRATEGIES["default"]), Strategy(STRATEGIES["batched"]))
    ]
    for (row, _results), case in zip(measure(cases), cases, strict=True):
        (said,) = row["cupti"]
        if "missing" in said:
            pytest.skip(said["missing"])
        assert said["bytes"] == case.plan.bytes_per_rank()[0], said
        assert 0.5 * row["device_us"][0]["min"] < said["span_us"] < 2 * row["device_us"][0]["max"], said
