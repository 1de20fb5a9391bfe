"""The files of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.job import LayerJob
from dwdp_sim.results.chrome_trace import chrome_trace, lanes
from dwdp_sim.results.job_files import write_prediction
from dwdp_sim.results.predict import predict
from dwdp_sim.results.rate_over_time import rate_over_time
from tests.dwdp_sim.composing import checked, job

BATCHED = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB", "workload.draws=1")


def write(folder: Path, *overrides: str) -> tuple[LayerJob, list[Path]]:
    run = checked(*BATCHED, *overrides)
    timeline, summary = predict(run.job, with_range=False, config_hash=run.config_hash)
    timeless = replace(summary, basis=replace(summary.basis, wall_s=0.0))
    return run.job, write_prediction(folder, run, run.job, timeline, timeless)


def test_a_run_s_files_hold_what_happened_copy_by_copy(tmp_path: Path) -> None:
    built, files = write(tmp_path)
    assert [file.name for file in files] == [
        "config.yaml", "copies.parquet", "timeline.png", "trace.json", "summary.json",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)
    table = pq.read_table(tmp_path / "copies.parquet")
    assert table.num_rows == len(built.program.copy_bytes)
    assert table.column_names == [
        "rank", "peer", "parameter", "src", "dst", "call", "bytes", "issue_s", "start_s", "end_s",
    ]  # fmt: skip
    frame = {name: np.array(table[name].to_pylist()) for name in ("rank", "peer", "bytes", "start_s", "end_s")}
    assert np.all(frame["end_s"] > frame["start_s"])
    assert np.all(frame["peer"] != frame["rank"])
    assert [int(frame["bytes"][frame["rank"] == r].sum()) for r in range(4)] == built.layer.plan.bytes_per_rank()
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, "fabric.batch_order=random", "seed=3")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_a_write_that_fails_leaves_nothing_and_does_not_touch_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("before")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]
    assert path.read_text() == "before"


def test_a_write_that_fails_names_the_file_that_was_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "summary.json", tmp_path):  # a file for a folder, a folder for a file
        with pytest.raises(OSError, match="cannot be written: ") as failed:
            write_whole(path, lambda temporary: temporary.write_text("text"))
        assert failed.value.filename == str(path)


def test_a_trace_has_a_process_a_gpu_and_copies_of_a_track_do_not_overlap() -> None:
    built = job(*BATCHED)
    timeline = simulate(built.program, built.constants, built.options)
    trace = json.loads(json.dumps(chrome_trace(timeline, {"cluster": "test"}, plan=built.layer.plan)))
    assert trace["otherData"] == {"cluster": "test"}
    events = trace["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names == {gpu: f"rank {gpu} · GPU {gpu}" for gpu in range(4)}
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == len(built.program.copy_bytes)
    tracks: dict[tuple[int, int], float] = {}
    for event in sorted(spans, key=lambda e: e["ts"]):
        track = (event["pid"], event["tid"])
        assert event["ts"] >= tracks.get(track, 0.0) - 1e-3
        tracks[track] = event["ts"] + event["dur"]
    assert {tid for _, tid in tracks} == {0, 1}  # two in flight
    counters = {e["name"] for e in events if e["ph"] == "C"}
    assert counters == {"egress GB/s", "ingress GB/s"}
    tracks_named = {e["args"]["name"]: e["tid"] for e in events if e["name"] == "thread_name"}
    assert tracks_named == {"prefetch: copies": 0, "prefetch: copies, in flight 2": 1}
    assert all(e["args"]["sort_index"] == e["tid"] for e in events if e["name"] == "thread_sort_index")


def test_a_trace_shows_the_calls_of_a_host_whose_time_counts_above_its_copies() -> None:
    built = job("strategy=default", "model=deepseek_v3_lite_nvfp4", "issue_mode=as_issued")
    timeline = simulate(built.program, built.constants, built.options)
    events = chrome_trace(timeline, {}, plan=built.layer.plan)["traceEvents"]
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert [tracks[2, track] for track in range(2)] == ["host: calls", "prefetch: copies"]
    calls = [e for e in events if e["ph"] == "X" and e["cat"] == "call" and e["pid"] == 2]
    assert len(calls) == built.layer.plan.calls_per_rank()[2]
    assert sum(e["args"]["bytes"] for e in calls) == built.layer.plan.bytes_per_rank()[2]
    assert calls[-1]["ts"] + calls[-1]["dur"] == pytest.approx(timeline.copy_issue_s.max() * 1e6, rel=0.01)


def test_every_event_of_a_trace_has_what_the_format_asks_of_its_kind() -> None:
    built = job(*BATCHED)
    timeline = simulate(built.program, built.constants, built.options)
    wanted = {
        "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
        "M": {"name", "pid", "tid", "args"},
        "C": {"name", "pid", "ts", "args"},
    }
    for event in chrome_trace(timeline, {}, plan=built.layer.plan)["traceEvents"]:
        assert set(event) == wanted[event["ph"]] | {"ph"}
        assert event.get("ts", 0.0) >= 0.0
        assert event.get("dur", 0.0) >= 0.0
        if event["ph"] == "X":
            assert event["name"] == f"pull from {event['args']['source']}"


def test_link_use_integrates_to_the_bytes_moved() -> None:
    built = job("strategy=default", "model=deepseek_v3_lite_nvfp4")
    timeline = simulate(built.program, built.constants, built.options)
    edges = np.linspace(0.0, timeline.copy_end_s.max(), 77)
    for source in range(4):
        chosen = built.program.copy_src == source
        moved = (rate_over_time(timeline, chosen, edges) * np.diff(edges)).sum()
        assert moved == pytest.approx(built.program.copy_bytes[chosen].sum(), rel=1e-9)


@pytest.mark.parametrize("strategy", ["default", "batched"])
def test_recorded_rates_integrate_to_the_bytes_moved_and_no_source_sends_more_than_its_egress(strategy: str) -> None:
    # A copy that shares its source first and then has it alone: drawn at its mean rate, the source would seem to send
    # more than it can.
    built = job(f"strategy={strategy}", "model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB")
    timeline = simulate(built.drawn(0), built.constants, built.options, record_links=True)
    edges = np.linspace(0.0, timeline.copy_end_s.max(), 501)
    for source in range(4):
        chosen = built.program.copy_src == source
        rates = rate_over_time(timeline, chosen, edges, timeline.links)
        assert (rates * np.diff(edges)).sum() == pytest.approx(built.program.copy_bytes[chosen].sum(), rel=1e-9)
        assert rates.max() <= built.constants.rates["egress"] * (1 + 1e-9)


def test_lanes_separate_what_overlaps_and_reuse_what_is_free() -> None:
    start, end = np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 4.0, 3.0, 5.0])
    assert lanes(start, end).tolist() == [0, 1, 0, 0]
