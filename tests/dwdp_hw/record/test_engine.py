"""An engine that pulls as TensorRT-LLM does is recorded, recognised and replayed; the library stands in for CUDA."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dwdp_sim as dwdp
from dwdp_sim.plan.kinds import BATCHED
from tests.dwdp_hw.record.conftest import ENGINE, Run, lines_of

Import = Callable[..., tuple[str, dict[str, Any]]]
MODEL = ("model.num_experts=16", "model.hidden_size=64", "model.intermediate_size=48", "cluster=gb200_nvl72")
OVERLAPPING = ("model.num_experts=14", *MODEL[1:], "dwdp.num_experts_per_worker=6")
KNOWN = {
    "default, IPC": ("ipc", 0, "trtllm_ipc, default, peer-major"),
    "default, VMM": ("vmm", 0, "trtllm_vmm, default, parameter-major"),
    "batched, IPC": ("ipc", 4096, "trtllm_ipc, batched, 4 KiB slices, rotated"),
    "batched, VMM": ("vmm", 2048, "trtllm_vmm, batched, 2 KiB slices, no rotation"),
}


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("name", KNOWN)
def test_four_processes_are_recognised_by_structure_and_by_the_model_s_plan(
    name: str, start: str, record: Run, import_records: Import
) -> None:
    order, cut, plan = KNOWN[name]
    assert record(ENGINE, "--order", order, "--slice", cut, "--start", start).returncode == 0
    printed, found = import_records(*MODEL)
    assert found["structure"] == plan
    assert found["plan"] == plan
    assert f"by structure: {plan}" in printed.splitlines()
    assert [(row["gpu"], row["layers"], row["layers_a_step"]) for row in found["rows"]] == [(g, 9, 3) for g in range(4)]


@pytest.mark.parametrize("order", ["ipc", "vmm"])
def test_experts_that_two_ranks_hold_are_served_as_the_implementation_does(
    order: str, record: Run, import_records: Import
) -> None:
    assert record(ENGINE, "--order", order, "--slice", 4096, "--ranks", 3, "--held", 6).returncode == 0
    _, found = import_records(*OVERLAPPING)
    rotation = "rotated" if order == "ipc" else "no rotation"
    assert found["plan"] == f"trtllm_{order}, batched, 4 KiB slices, {rotation}"


def test_what_no_engine_does_is_said_with_its_first_wrong_copy(record: Run, import_records: Import) -> None:
    assert record(ENGINE, "--order", "wrong", "--slice", 4096).returncode == 0
    _, found = import_records(*MODEL)
    nearest = "no known plan; nearest: trtllm_ipc, batched, 4 KiB slices, rotated; first difference: rank 0, copy 3: "
    assert found["plan"].startswith(nearest)
    assert found["plan"].endswith("at another place of its pull")
    assert found["structure"].startswith(nearest)


def test_without_a_model_nothing_is_said_of_one(record: Run, import_records: Import) -> None:
    assert record(ENGINE, "--slice", 4096).returncode == 0
    printed, found = import_records("cluster=gb200_nvl72")
    assert found["plan"] is None
    assert found["structure"] == KNOWN["batched, IPC"][2]
    assert "with " not in printed


def test_ranks_and_calls_that_were_not_seen_are_named(record: Run, import_records: Import, tmp_path: Path) -> None:
    assert record(ENGINE, "--slice", 4096).returncode == 0
    for path, lines in zip(sorted((tmp_path / "records").iterdir()), lines_of(tmp_path / "records"), strict=True):
        written = {line["dst"][0] for line in lines if line["what"] == "copies"}
        if any(line["what"] == "allocation" and line["id"] in written and line["device"] in (1, 3) for line in lines):
            kept = [line for line in lines if line["what"] in ("process", "watched", "shared")]
            path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    _, found = import_records("cluster=gb200_nvl72")
    assert [row["gpu"] for row in found["rows"]] == [0, 2]
    assert found["structure"] == KNOWN["batched, IPC"][2]
    assert "2 of 4 ranks recorded" in found["notes"]
    assert "no cudaMemcpyAsync call was seen" in found["notes"]
    assert "no copy of a torch tensor to, from or within a GPU was seen" in found["notes"]
    assert any(note.startswith("no device times: no window") for note in found["notes"])


def test_memory_of_a_process_that_was_not_recorded_is_nobody_s(
    record: Run, import_records: Import, tmp_path: Path
) -> None:
    """The driver says of memory opened by CUDA IPC that it is of the GPU that opened it, which would be local."""
    assert record(ENGINE, "--slice", 4096).returncode == 0
    ranks = [path for path in (tmp_path / "records").glob("record-*") if '"handle"' in path.read_text()]
    assert len(ranks) == 4
    for path in ranks[1:]:
        path.unlink()
    with pytest.raises(AssertionError, match="of memory of a process that was not recorded"):
        import_records("cluster=gb200_nvl72")


def test_the_layer_is_a_replay_that_the_simulator_predicts_as_its_own_plan(
    record: Run, import_records: Import, tmp_path: Path
) -> None:
    assert record(ENGINE, "--order", "vmm", "--slice", 4096).returncode == 0
    _, found = import_records("cluster=gb200_nvl72")
    layer = tmp_path / "imported" / "layer.json"
    replayed = dwdp.replay(layer, cluster="gb200_nvl72", starts=dwdp.Starts(), with_range=False)
    mean_s = sum(row["predicted_s"] for row in found["rows"]) / len(found["rows"])
    assert mean_s == pytest.approx(replayed.latency_s, rel=1e-9)
    shape = dwdp.MoEModel("shape", 64, 48, 16, 1, 4, 4, "nvfp4")
    strategy = dwdp.Strategy(BATCHED, "trtllm_vmm", 4096)
    own = dwdp.predict(model=shape, cluster="gb200_nvl72", strategy=strategy, dwdp_size=4, with_range=False)
    program = own.job.program
    content = json.loads((tmp_path / "imported" / "layer.json").read_text())
    copies = [[copy["src"], copy["bytes"]] for stream in content["streams"] for copy in _unrolled(stream)]
    assert copies == [[f"gpu{src}", size] for src, size in zip(program.copy_src, program.copy_bytes, strict=True)]


def _unrolled(stream: dict[str, Any]) -> list[dict[str, Any]]:
    return [copy for call in stream["calls"] for copy in call["copies"] for _ in range(copy.get("count", 1))]


def test_virtual_peers_in_pinned_host_memory_are_told_apart(record: Run, import_records: Import) -> None:
    assert record(ENGINE, "--home", "host", "--order", "vmm").returncode == 0
    _, found = import_records(*MODEL[:3], "cluster=h100_x1_host")
    assert found["plan"] == KNOWN["default, VMM"][2]
    assert found["rows"][0]["copies"] == 12


def test_a_folder_without_copies_of_the_kind_is_refused_and_says_what_it_has(
    record: Run, import_records: Import
) -> None:
    assert record(ENGINE, "--home", "host").returncode == 0
    with pytest.raises(AssertionError, match=r"trace=records: has no peer copies .* it has: calls 162 host"):
        import_records("cluster=gb200_nvl72")


def test_a_folder_without_any_call_is_refused(record: Run, import_records: Import) -> None:
    assert record("-c", "import cuda.bindings.runtime").returncode == 0
    with pytest.raises(AssertionError, match="it has: no call at all"):
        import_records("cluster=gb200_nvl72")


def test_a_folder_without_records_is_refused(import_records: Import, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    with pytest.raises(AssertionError, match=r"trace=records: a folder .* has no records: no process was recorded"):
        import_records()


def test_copies_that_load_an_engine_are_no_part_of_its_plan(
    record: Run, import_records: Import, tmp_path: Path
) -> None:
    loading = tmp_path / "loading.py"
    engine = f"import runpy; runpy.run_path({str(ENGINE)!r}, run_name='__main__')"
    load = (
        "from cuda.bindings import runtime as r\n"
        "kind = r.cudaMemcpyKind.cudaMemcpyDefault\n"
        "host, gpu = r.cudaHostAlloc(9000, 1)[1], r.cudaMalloc(9000)[1]\n"
        "for size in range(1, 9): r.cudaMemcpyAsync(gpu, host, 1000 * size, kind, 0)\n"
    )
    loading.write_text(load + engine)
    assert record(loading, "--home", "host", "--order", "vmm").returncode == 0
    _, found = import_records(*MODEL[:3], "cluster=h100_x1_host")
    assert found["plan"] == KNOWN["default, VMM"][2]
    assert len(found["rows"]) == 1
    assert "8 calls on streams on which nothing comes again are left out" in found["notes"]
