"""A trace of a run that the simulator made is imported: the prediction must be that run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console

from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.traces.importing import ImportJob, build_import
from dwdp_hw.traces.report import Comparison, run_import
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.groups import build_cluster
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program_file import program_from_dict, read_program
from tests.dwdp_hw.traces.trace_files import Record, records_of, write_nsys, write_torch

REPOSITORY = Path(__file__).parents[3]
MIB = 2**20


def pull(gpu: int, number: int, issue: str, size: int = 4 * MIB) -> list[dict[str, Any]]:
    copies = {"src": f"gpu{1 - gpu}", "dst": f"gpu{gpu}", "bytes": size, "count": number}
    return [{"issue": "batch", "copies": [copies]}] if issue == "batch" else [{"issue": "async", **copies}]


def both_ways(issue: str, queued: bool, second_start_s: float = 30e-6) -> dict[str, Any]:
    return {
        "streams": [
            {"gpu": 0, "queued": queued, "calls": pull(0, 60, issue)},
            {"gpu": 1, "queued": queued, "start_s": second_start_s, "calls": pull(1, 50, issue)},
        ]
    }


def composed(*overrides: str) -> Any:
    register_hw_schemas()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("hw", ["mode=import", *overrides])


def job(*overrides: str) -> ImportJob:
    return build_import(composed(*overrides))


def simulated(content: dict[str, Any]) -> Timeline:
    config = cast(HwConfig, OmegaConf.to_object(composed()))
    program = program_from_dict(content, 2)
    options = FabricOptions()
    return simulate(program, constants_for(build_cluster(config.cluster), program, options), options)


def imported(trace: Path, folder: Path, *overrides: str) -> list[Comparison]:
    with Path(os.devnull).open("w") as nowhere:
        return run_import(job(f"trace={trace}", *overrides), folder, Console(file=nowhere))


@pytest.mark.parametrize("writer", [write_nsys, write_torch])
@pytest.mark.parametrize("issue", ["async", "batch"])
@pytest.mark.parametrize("queued", [True, False])
def test_a_trace_of_a_simulated_run_is_predicted_as_that_run(
    writer: Any, issue: str, queued: bool, tmp_path: Path
) -> None:
    timeline = simulated(both_ways(issue, queued))
    compared = imported(writer(tmp_path / "run", records_of(timeline)), tmp_path)
    assert [(entry.gpu, entry.copies, entry.queued) for entry in compared] == [(0, 60, queued), (1, 50, queued)]
    wanted = timeline.stream_elapsed_s
    if queued:
        owner = timeline.program.call_stream[timeline.program.copy_call]
        wanted = np.array(
            [np.ptp(np.r_[timeline.copy_start_s, timeline.copy_end_s][np.r_[owner, owner] == s]) for s in (0, 1)]
        )
    assert [entry.measured_s for entry in compared] == pytest.approx(wanted, abs=2e-9)
    assert [entry.predicted_s for entry in compared] == pytest.approx(wanted, rel=1e-4)


def test_streams_that_overlap_are_predicted_together_with_their_contention(tmp_path: Path) -> None:
    timeline = simulated(both_ways("batch", True))
    together = imported(write_nsys(tmp_path / "both", records_of(timeline)), tmp_path)
    alone = imported(write_nsys(tmp_path / "one", [r for r in records_of(timeline) if r.gpu == 0]), tmp_path)
    assert together[0].measured_s == alone[0].measured_s
    assert together[0].predicted_s > 1.02 * alone[0].predicted_s


def test_a_machine_ten_percent_slower_than_the_cluster_shows_as_that_error(tmp_path: Path) -> None:
    slow = records_of(simulated(both_ways("batch", True)), slower=1.1)
    compared = imported(write_torch(tmp_path / "run.json", slow), tmp_path)
    assert [entry.error for entry in compared] == pytest.approx([1 / 1.1 - 1] * 2, abs=2e-3)


def test_layers_apart_in_time_are_bursts_of_their_own_and_equal_ones_share_a_row(tmp_path: Path) -> None:
    layer = simulated({"streams": [{"gpu": 0, "calls": pull(0, 60, "batch")}]})
    layers = [
        replace(record, correlation=n) for n in (1, 2, 3) for record in records_of(layer, origin_ns=n * 5_000_000)
    ]
    path = write_nsys(tmp_path / "run.sqlite", layers)
    assert [entry.burst for entry in imported(path, tmp_path)] == [0, 1, 2]
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["bursts"] == [0, 1, 2]
    assert row["stable"]


def test_a_trace_of_seconds_has_all_its_rows_and_a_replay_of_its_first_second(tmp_path: Path) -> None:
    layer = simulated({"streams": [{"gpu": 0, "calls": pull(0, 60, "batch")}]})
    begins_ns = (5_000_000, 900_000_000, 2_100_000_000)
    layers = [
        replace(record, correlation=n)
        for n, begin_ns in enumerate(begins_ns, 1)
        for record in records_of(layer, origin_ns=begin_ns)
    ]
    assert len(imported(write_nsys(tmp_path / "run.sqlite", layers), tmp_path)) == 3
    assert len(read_program(str(tmp_path / "program.json"), 2).stream_gpu) == 2
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["repeats"] == 3
    notes = json.loads((tmp_path / "import.json").read_text())["notes"]
    assert "program.json is of one second: 1 of 3 bursts begin later; rows.json has all" in notes


def test_the_program_has_a_stream_for_each_burst_and_gpu_and_is_a_replay_file(tmp_path: Path) -> None:
    timeline = simulated(both_ways("async", True))
    imported(write_nsys(tmp_path / "run.sqlite", records_of(timeline)), tmp_path)
    program = read_program(str(tmp_path / "program.json"), 2)
    assert program.stream_gpu.tolist() == [0, 1]
    assert program.stream_start_s == pytest.approx([0.0, np.diff(timeline.copy_start_s[[0, 60]])[0]], abs=2e-9)
    for name in ("copy_src", "copy_dst", "copy_bytes", "call_issue", "call_stream"):
        assert np.array_equal(getattr(program, name), getattr(timeline.program, name))


@pytest.mark.parametrize("queued", [True, False])
def test_the_rows_hold_the_program_s_calls_and_starts_and_the_measured_times(queued: bool, tmp_path: Path) -> None:
    timeline = simulated(both_ways("batch", queued, second_start_s=200e-6))
    compared = imported(write_nsys(tmp_path / "run.sqlite", records_of(timeline)), tmp_path)
    recording = read_recording(str(tmp_path / "rows.json"))
    (row,) = recording.rows
    program = read_program(str(tmp_path / "program.json"), 2)
    assert recording.machine["gpu"] == "NVIDIA H200"
    assert row.queued == queued
    assert row.unstable is None
    assert row.median_s == pytest.approx([entry.measured_s for entry in compared], abs=1e-9)
    assert row.program.stream_queued.tolist() == [queued, queued]
    assert row.program.stream_start_s == pytest.approx(program.stream_start_s, abs=1e-9)
    for name in ("stream_gpu", "copy_src", "copy_dst", "copy_bytes", "call_issue", "call_stream"):
        assert np.array_equal(getattr(row.program, name), getattr(program, name))


def test_a_batch_from_several_sources_stays_one_call_in_the_rows(tmp_path: Path) -> None:
    call = ("cudaMemcpyBatchAsync", 0, 1_000)
    batch = [
        Record(
            gpu=0,
            src=1 + n % 2,
            dst=0,
            bytes=64 * MIB,
            start_ns=n * 400_000,
            end_ns=n * 400_000 + 399_000,
            correlation=5,
            call=call,
        )
        for n in range(1, 7)
    ]
    imported(write_nsys(tmp_path / "run.sqlite", batch), tmp_path, "cluster=gb200_nvl72")
    (row,) = read_recording(str(tmp_path / "rows.json")).rows
    assert row.program.copy_src.tolist() == [2, 1] * 3
    assert len(row.program.call_stream) == 1


def test_the_rows_are_validated_on_the_command_line(tmp_path: Path) -> None:
    timeline = simulated(both_ways("batch", False))
    imported(write_nsys(tmp_path / "run.sqlite", records_of(timeline)), tmp_path)
    ended = dwdp_hw(tmp_path, "mode=validate", "source=recorded", "rows=rows.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as_issued rows: 2 figures out of sample: distance from the predicted range p95 0.0" in ended.stdout


def test_gpus_are_renumbered_for_the_cluster_and_shown_as_in_the_trace(tmp_path: Path) -> None:
    moved = [
        Record(gpu=6, src=3, dst=6, bytes=400 * MIB, start_ns=0, end_ns=1_000_000),
        Record(gpu=3, src=HOST, dst=3, bytes=64, start_ns=0, end_ns=1_000),
    ]
    compared = imported(write_nsys(tmp_path / "run.sqlite", moved), tmp_path)
    assert [entry.gpu for entry in compared] == [6]
    assert read_program(str(tmp_path / "program.json"), 2).stream_gpu.tolist() == [1]
    listed = (tmp_path / "copies.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in listed[1:]] == ["host", "peer"]


LONG = [Record(gpu=0, src=1, dst=0, bytes=400 * MIB, start_ns=0, end_ns=1_000_000)]
REFUSED = {
    "no trace": ([], "trace=missing: an Nsight Systems SQLite export or a torch.profiler JSON, as trace=FILE"),
    "no peer copies": (["cluster.home=host"], "has no host copies, which cluster.home=host asks for; it has: 1 peer"),
    "too few GPUs": (["cluster.num_gpus=1"], "cluster.num_gpus=1: the trace's copies are between 2 GPUs"),
    "no gap": (["check.burst_gap_s=0"], "check.burst_gap_s=0.0: seconds above 0 are wanted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_imported_is_refused_in_one_line_that_names_the_key(name: str, tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "run.sqlite", LONG)
    overrides, said = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        job(*([f"trace={path}"] if overrides else []), *overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def dwdp_hw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "dwdp_hw.app", *arguments, "hydra.run.dir=out"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_line_imports_a_trace_and_prints_its_streams(tmp_path: Path) -> None:
    write_nsys(tmp_path / "run.sqlite", records_of(simulated(both_ways("batch", True))))
    ended = dwdp_hw(tmp_path, "mode=import", "trace=run.sqlite")
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 streams compared on h200_x2: p95 0.0%" in ended.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"program.json", "rows.json", "copies.csv"}


def test_a_trace_that_lacks_something_ends_the_command_line_with_exit_code_two(tmp_path: Path) -> None:
    write_nsys(tmp_path / "run.sqlite", LONG, without=["CUPTI_ACTIVITY_KIND_MEMCPY"])
    ended = dwdp_hw(tmp_path, "mode=import", "trace=run.sqlite")
    assert ended.returncode == 2
    assert "trace=run.sqlite: has no table CUPTI_ACTIVITY_KIND_MEMCPY" in ended.stderr
    assert ended.stderr.count("\n") == 1
