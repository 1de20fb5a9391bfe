"""A profiler's times are given to the recorded copies, whether it saw each copy or whole batches, and calls or none."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from dwdp_hw.job.schema import register_hw_schemas
from dwdp_hw.record.device_times import device_traces, without_times
from dwdp_hw.record.reading import read_records
from dwdp_hw.record.record_job import build_record_job
from dwdp_hw.record.report import run_record
from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.program import program_from_plan
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.record.record_files import STEP_NS, lines_of_rank, write_record
from tests.dwdp_hw.traces.trace_files import records_of, write_torch

WALL_NS = 1_700_000_000_000_000_000
NAME = "trace-0123456789ab.json"
LAYERS, STEPS = 3, 2


def plan_of(strategy: Strategy) -> CopyPlan:
    return build_plan(MoEModel("m", 2560, 1536, 16, 1, 2, 2, "nvfp4"), Placement.create(16, 2), strategy)


def recorded_run(folder: Path, strategy: Strategy, *, merged: bool, named: bool) -> float:
    """Rank 0 of two runs a layer every few milliseconds, as the simulator says; seconds of a layer."""
    plan = plan_of(strategy)
    program = program_from_plan(plan, issue_mode="as_issued", ranks=1)
    program = type(program).build(2, program.streams)
    cluster = read_cluster("h200_x2")
    timeline = simulate(program, constants_for(cluster, program, FabricOptions()))
    lines = lines_of_rank(plan, 0, LAYERS, STEPS)
    per_layer, records = len(plan.call_rank[plan.call_rank == 0]), []
    calls = [line for line in lines if line["what"] == "call"]
    for layer in range(LAYERS * STEPS):
        own = records_of(timeline, origin_ns=WALL_NS + (1 + layer) * 50 * STEP_NS)
        for call in range(per_layer):
            line, group = calls[layer * per_layer + call], [one for one in own if one.correlation == call + 1]
            name, begin_ns, end_ns = group[0].call or ("", 0, 0)
            line["begin_ns"], line["end_ns"] = begin_ns - WALL_NS, end_ns - WALL_NS
            if merged:
                last, size = max(one.end_ns for one in group), sum(one.bytes for one in group)
                group = [replace(min(group, key=lambda one: one.start_ns), end_ns=last, bytes=size)]
            host = (name, begin_ns, end_ns) if named else None
            records += [replace(one, correlation=1 + layer * per_layer + call, call=host) for one in group]
    window = {"begin_ns": 0, "end_ns": 10**12, "wall_minus_monotonic_ns": WALL_NS, "file": NAME}
    write_record(folder, 0, [*lines[:-1], {"what": "profile", **window}, lines[-1]])
    write_torch(folder / NAME, records, base_ns=WALL_NS)
    return float(timeline.stream_elapsed_s[0])


def imported(folder: Path, *overrides: str) -> dict[str, Any]:
    register_hw_schemas()
    words = ["mode=import", f"trace={folder}", "cluster=h200_x2", *overrides]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        job = build_record_job(compose("hw", words), words)
    run_record(job, folder, TextConsole(file=io.StringIO()))
    found: dict[str, Any] = json.loads((folder / "import.json").read_text())
    return found


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    "strategy", [Strategy(DEFAULT, "trtllm_vmm"), Strategy(BATCHED, "trtllm_vmm")], ids=["default", "batched"]
)
def test_a_simulated_run_comes_back_as_measured_rows_with_its_calls_and_its_own_prediction(
    strategy: Strategy, merged: bool, named: bool, tmp_path: Path
) -> None:
    elapsed_s = recorded_run(tmp_path, strategy, merged=merged, named=named)
    found = imported(tmp_path)
    assert len(found["rows"]) == LAYERS * STEPS
    assert [row["measured_s"] for row in found["rows"]] == pytest.approx([elapsed_s] * LAYERS * STEPS, abs=2e-9)
    copies = int((plan_of(strategy).copy_rank == 0).sum())
    assert {row["copies"] for row in found["rows"]} == {copies}
    assert found["summary"]["max_abs_error"] < 1e-2
    said = any("fewer records than copies" in note for note in found["notes"])
    assert said == (merged and strategy.kind == BATCHED)


def test_equal_layers_are_repeats_of_one_row(tmp_path: Path) -> None:
    recorded_run(tmp_path, Strategy(BATCHED), merged=True, named=False)
    imported(tmp_path)
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["repeats"] == LAYERS * STEPS
    assert row["stable"]


def test_calls_that_the_profiler_did_not_see_have_no_times(tmp_path: Path) -> None:
    recorded_run(tmp_path, Strategy(BATCHED), merged=True, named=False)
    trace = json.loads((tmp_path / NAME).read_text())
    seen = [event for event in trace["traceEvents"] if event.get("cat") == "gpu_memcpy"]
    trace["traceEvents"].remove(seen[1])
    (tmp_path / NAME).write_text(json.dumps(trace))
    ((found,), _) = device_traces(read_records(str(tmp_path)))
    assert found.notes[0].startswith("1 recorded calls in the profiler's window are not in its trace")


def test_a_trace_that_is_gone_or_empty_leaves_the_record_readable_and_is_named(tmp_path: Path) -> None:
    recorded_run(tmp_path, Strategy(BATCHED), merged=True, named=False)
    (tmp_path / NAME).unlink()
    register_hw_schemas()
    words = ["mode=import", f"trace={tmp_path}", "cluster=h200_x2"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        job = build_record_job(compose("hw", words), words)
    assert job.device is None
    assert any(note.startswith("no device times: trace=") and NAME in note for note in job.notes)


def test_why_there_are_no_times_is_said(tmp_path: Path) -> None:
    lines = lines_of_rank(plan_of(Strategy(DEFAULT)), 0)
    write_record(tmp_path, 0, [*lines[:-1], {"what": "profile", "missing": "torch is not imported"}, lines[-1]])
    write_record(tmp_path, 1, lines)
    assert sorted(without_times(read_records(str(tmp_path)))) == [
        "no window for the profiler was asked for (--profile-for), or the process ended before",
        "torch is not imported",
    ]
