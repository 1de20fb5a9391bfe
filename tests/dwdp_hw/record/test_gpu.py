"""On one real GPU with real cuda-bindings: pointers, streams, times, plan, prediction, and what recording costs.

The experts of virtual peers are in pinned host memory. With two GPUs, memory opened by CUDA IPC as well.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.record.layers import find_prefetches
from dwdp_hw.record.reading import Record, read_records
from tests.dwdp_hw.record.conftest import ENGINE, REPOSITORY, python

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu"), pytest.mark.filterwarnings("default")]
MIB = 1 << 20
SHAPE = ("--hidden", "2560", "--inner", "1536")
MODEL = ("model.num_experts=32", "model.hidden_size=2560", "model.intermediate_size=1536")
LARGEST_ERROR = 0.03
LARGEST_COST = 0.01
PAIRS = 4
SHORTEST_LAYER_S = 0.0053  # DeepSeek-R1's 4.756 GB at 900 GB/s: no engine pulls more often

LINK = """
import json, statistics
from cuda.bindings import runtime as r
def ok(result):
    assert int(result[0]) == 0, result
    return result[-1]
size, copies = 64 << 20, 16
host, gpu = ok(r.cudaHostAlloc(size, 1)), ok(r.cudaMalloc(size))
stream, first, last = ok(r.cudaStreamCreateWithFlags(1)), ok(r.cudaEventCreate()), ok(r.cudaEventCreate())
rates = []
for _ in range(7):
    ok(r.cudaEventRecord(first, stream))
    for _ in range(copies):
        ok(r.cudaMemcpyAsync(gpu, host, size, r.cudaMemcpyKind.cudaMemcpyDefault, stream))
    ok(r.cudaEventRecord(last, stream))
    ok(r.cudaEventSynchronize(last))
    rates.append(size * copies / (ok(r.cudaEventElapsedTime(first, last)) * 1e-3))
print(json.dumps(statistics.median(rates)))
"""


@pytest.fixture
def real() -> dict[str, str]:
    """The environment, with the real library."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DWDP_RECORD")}
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONPATH": path}


@pytest.fixture
def recorded(tmp_path: Path, real: dict[str, str]) -> Callable[..., tuple[Record, ...]]:
    """Run Python under the recorder and read what it wrote."""

    def run(*words: object, options: tuple[str, ...] = ()) -> tuple[Record, ...]:
        command = ["-m", "dwdp_hw.record", "--out", "records", *options, "--", sys.executable, *map(str, words)]
        ended = python(tmp_path, real, *command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return read_records(str(tmp_path / "records"))

    return run


def imported(folder: Path, environment: dict[str, str], *overrides: str) -> dict[str, Any]:
    words = ["mode=import", "trace=records", "hydra.run.dir=imported", *overrides]
    ended = python(folder, environment, "-m", "dwdp_hw.app", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    print(ended.stdout)
    found: dict[str, Any] = json.loads((folder / "imported" / "record.json").read_text())
    return found


@pytest.mark.parametrize(
    ("order", "cut", "plan"),
    [
        ("ipc", 0, "trtllm_ipc, default, peer-major"),
        ("vmm", 2 * MIB, "trtllm_vmm, batched, 2 MiB slices, no rotation"),
    ],
)
def test_the_plan_is_recognised_and_its_device_times_are_predicted(
    order: str,
    cut: int,
    plan: str,
    recorded: Callable[..., tuple[Record, ...]],
    real: dict[str, str],
    tmp_path: Path,
) -> None:
    rate = float(python(tmp_path, real, "-c", LINK).stdout)  # other copies than those that are predicted
    print(f"host to GPU: {rate / 1e9:.2f} GB/s")
    size = (*SHAPE, "--home", "host", "--pulled", 8, "--layers", 4, "--window", 0.004, "--seconds", 6, "--torch")
    window = ("--profile-after", "1", "--profile-for", "2")
    (record,) = recorded(ENGINE, "--order", order, "--slice", cut, *size, options=window)
    assert [profile.missing for profile in record.profiles] == [None]
    link = f"cluster.constants.host_in_bytes_per_s.value={rate}"
    found = imported(tmp_path, real, *MODEL, "cluster=h100_x1_host", link, "dwdp.dwdp_size=4")
    assert plan in found["plan"]
    assert plan in found["structure"]
    report = json.loads((tmp_path / "imported" / "import.json").read_text())
    summary = report["summary"]
    print(f"{plan}: {summary}")
    assert summary["n"] >= 100
    assert summary["median_abs_error"] <= LARGEST_ERROR
    rows = json.loads((tmp_path / "imported" / "rows.json").read_text())["rows"]
    assert sum(row["repeats"] for row in rows) == len(report["rows"])


def test_pointers_streams_and_times_are_those_of_the_driver(recorded: Callable[..., tuple[Record, ...]]) -> None:
    size = (*SHAPE, "--home", "host", "--pulled", 2, "--layers", 2)
    (record,) = recorded(ENGINE, "--slice", 2 * MIB, *size)
    (part,) = find_prefetches([record], "host")
    expert = 6_635_528
    pinned = [one for one in record.allocations.values() if one.kind == "pinned"]
    slots = [one for one in record.allocations.values() if one.kind == "device"]
    print([(one.kind, one.device, one.bytes) for one in record.allocations.values()])
    assert len(pinned) == 3
    assert all(one.bytes >= 2 * 2 * expert for one in pinned)
    assert [one.device for one in slots] == [0, 0]
    assert all(one.bytes >= 6 * expert for one in slots)
    assert part.bytes == 6 * expert
    assert (part.stream > 0, len(part.sources), part.layers_a_step, part.rest) == (True, 3, 2, 0)
    assert all(call.code == 0 and call.begin_ns < call.end_ns for call in record.calls)
    assert all(one.end_ns <= two.begin_ns for one, two in zip(record.calls, record.calls[1:], strict=False))
    assert record.end is not None
    assert (record.end.lost, record.end.unread, record.end.left_out) == (0, 0, 0)


def test_torch_s_copies_are_recorded_with_their_memory(recorded: Callable[..., tuple[Record, ...]]) -> None:
    script = (
        "import torch; from cuda.bindings import runtime\n"
        "pinned = torch.zeros(1 << 20, dtype=torch.uint8, pin_memory=True)\n"
        "gpu = pinned.to('cuda', non_blocking=True); other = torch.empty_like(gpu); other.copy_(gpu)\n"
        "torch.zeros(64)[::2].to('cuda'); torch.cuda.synchronize(); import time; time.sleep(1)"
    )
    (record,) = recorded("-c", script)
    ends = {number: (one.kind, one.device) for number, one in record.allocations.items()}
    found = [
        (call.name, ends[copies.src[0]], ends[copies.dst[0]], copies.bytes)
        for call in record.calls
        for copies in [record.copies[call.copies]]
    ]
    host, gpu = ("pinned", -1), ("device", 0)
    assert found == [("Tensor.to", host, gpu, [1 << 20]), ("Tensor.copy_", gpu, gpu, [1 << 20])]
    assert record.end is not None
    assert record.end.converted == 1


def test_this_project_s_own_runner_is_recognised(
    recorded: Callable[..., tuple[Record, ...]], real: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("cuda.core")
    model = ("model.num_experts=16", "dwdp.dwdp_size=4", "cluster=h100_x1_host")
    long = "backend.repeats=300"  # memory is looked up a tenth of a second after a call, when it must still be there
    recorded("-m", "dwdp_hw.app", *model, "strategy=batched", "backend.issue=lists", long, "hydra.run.dir=run")
    found = imported(tmp_path, real, *model)
    assert "trtllm_ipc, batched, 2 MiB slices, rotated" in found["plan"]


@pytest.mark.parametrize("cut", [0, 64 << 10])
def test_recording_costs_at_most_one_per_cent_of_a_run(cut: int, tmp_path: Path, real: dict[str, str]) -> None:
    loop = [ENGINE, "--slice", cut, *SHAPE, "--home", "host", "--pulled", 4, "--layers", 2]
    words = [str(word) for word in (*loop, "--window", SHORTEST_LAYER_S, "--steps", 150)]
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * PAIRS):
        with_it = number % 4 in (1, 2)  # neither is always the first of a pair
        recorder = ["-m", "dwdp_hw.record", "--out", f"records{number}", "--", sys.executable]
        ended = python(tmp_path, real, *(recorder if with_it else []), *words)
        assert ended.returncode == 0, ended.stderr
        times[with_it].append(json.loads(ended.stdout.splitlines()[-1])["elapsed_s"])
    without, recorded = (statistics.median(times[with_it]) for with_it in (False, True))
    spread = max(max(one) - min(one) for one in times.values()) / without
    cost = recorded / without - 1
    print(f"slices of {cut} bytes: {without:.4f} s without, {recorded:.4f} s with: {cost:+.2%}, spread {spread:.2%}")
    print({("with" if with_it else "without"): one for with_it, one in times.items()})
    assert cost <= LARGEST_COST


def test_memory_that_a_peer_shares_by_cuda_ipc_is_the_peer_s(
    recorded: Callable[..., tuple[Record, ...]], real: dict[str, str], tmp_path: Path
) -> None:
    if count_gpus() < 2:
        pytest.skip("two GPUs are needed: memory of one process is opened in another")
    recorded(ENGINE, *SHAPE, "--slice", 2 * MIB, "--ranks", 2, "--steps", 20)
    model = ("model.num_experts=8", *MODEL[1:])
    found = imported(tmp_path, real, *model, "cluster=h200_x2")
    assert [row["gpu"] for row in found["rows"]] == [0, 1]
    assert "trtllm_ipc, batched, 2 MiB slices, rotated" in found["plan"]


@pytest.mark.parametrize("mapping", ["ipc", "vmm_fd"])
def test_this_project_s_own_runner_is_recognised_over_nvlink(
    mapping: str, recorded: Callable[..., tuple[Record, ...]], real: dict[str, str], tmp_path: Path
) -> None:
    if count_gpus() < 2:
        pytest.skip("two GPUs are needed")
    pytest.importorskip("cuda.core")
    model = ("model.num_experts=8", "dwdp.dwdp_size=2", "cluster=h200_x2")
    more = ("strategy=batched", "backend.issue=lists", f"backend.mapping={mapping}", "backend.repeats=300")
    recorded("-m", "dwdp_hw.app", *model, *more, "hydra.run.dir=run")
    found = imported(tmp_path, real, *model)
    assert [row["gpu"] for row in found["rows"]] == [0, 1]
    assert "trtllm_ipc, batched, 2 MiB slices, rotated" in found["plan"]
