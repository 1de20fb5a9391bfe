"""Calibration and validation on rows from a machine whose constants are known: a simulated one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_hw.check.calibrate import calibrate, write_cluster
from dwdp_hw.check.design import calibration_rows
from dwdp_hw.check.gate import moved
from dwdp_hw.check.report import Subject, html_report, markdown_report
from dwdp_hw.check.run import fitted_cases
from dwdp_hw.check.suspects import find_suspects
from dwdp_hw.check.validate import Bars, Validation, summarize, validate
from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.fabric_constants import constants_for
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import Recording, read_recording
from dwdp_sim.replay import program_from_dict
from dwdp_sim.simulate import simulate

OPTIONS = FabricOptions()
KIB, MIB = 1 << 10, 1 << 20
PULL, PUSH = {"gpu": 0, "kind": "pull", "peer": 1}, {"gpu": 1, "kind": "push", "peer": 0}
BACK = {"gpu": 1, "kind": "pull", "peer": 0}


def job(who: dict[str, Any], issue: str, count: int, size: int) -> dict[str, Any]:
    return {**who, "issue": issue, "copies_bytes": [{"n": count, "each": size, "last": size}]}


CASES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    **{f"size_{size}": ([job(PULL, "async", 1, size)], True) for size in (64 * KIB, 16 * MIB, 64 * MIB, 256 * MIB)},
    **{f"train_{size}": ([job(PULL, "async", 64, size)], True) for size in (64 * KIB, MIB, 8 * MIB)},
    "both": ([job(PULL, "batch", 128, 8 * MIB), job(BACK, "batch", 128, 8 * MIB)], True),
    "trains both": ([job(PULL, "async", 64, MIB), job(BACK, "async", 64, MIB)], True),
    "shared": ([job(PULL, "batch", 64, 32 * MIB), job(PUSH, "batch", 256, 2 * MIB)], True),
    "host 64": ([job(PULL, "batch", 64, 256 * KIB)], False),
    "host 512": ([job(PULL, "batch", 512, 256 * KIB)], False),
    # the rest is for validation
    "batch alone": ([job(PULL, "batch", 100, 2 * MIB)], True),
    "layer both, default": ([job(PULL, "async", 6, 40 * MIB), job(BACK, "async", 6, 40 * MIB)], True),
    "layer both, batched": ([job(PULL, "batch", 120, 2 * MIB), job(BACK, "batch", 120, 2 * MIB)], True),
    "uneven, shared": ([job(PULL, "batch", 20, 32 * MIB), job(PUSH, "batch", 40, 4 * MIB)], True),
    "short train": ([job(PULL, "async", 20, 2 * MIB)], True),
}


def record(path: Path, cluster: Cluster, options: FabricOptions = OPTIONS, noise: float = 0.002) -> Recording:
    """Rows as a machine with these constants and rules would give them."""
    random = np.random.default_rng(5)
    rows = []
    for name, (jobs, queued) in CASES.items():
        base = {"case": name, "jobs": jobs, "queued_behind_gate": queued}
        program = _program(jobs, queued)
        elapsed = simulate(program, constants_for(cluster, program, options), options).stream_elapsed_s
        times = []
        for seconds in elapsed:
            runs = np.sort(1e6 * seconds * (1 + noise * random.standard_normal(7)))
            times.append({"median": float(runs[3]), "min": float(runs[0]), "max": float(runs[-1])})
        rows.append({**base, "device_us": times, "start_skew_us": {"median": 0.0, "max": 0.0}})
    machine = {"gpu": "simulated", "gpus": 2, "driver": "none"}
    path.write_text(json.dumps({"format": 2, "machine": machine, "rows": rows}))
    return read_recording(str(path))


def _program(jobs: Sequence[dict[str, Any]], queued: bool) -> Any:
    streams = []
    for one in jobs:
        own, peer = f"gpu{one['gpu']}", f"gpu{one['peer']}"
        src, dst = (peer, own) if one["kind"] == "pull" else (own, peer)
        part = one["copies_bytes"][0]
        copy = {"src": src, "dst": dst, "bytes": part["each"], "count": part["n"]}
        call = {"issue": "async", **copy} if one["issue"] == "async" else {"issue": "batch", "copies": [copy]}
        streams.append({"gpu": one["gpu"], "queued": queued, "calls": [call]})
    return program_from_dict({"streams": streams}, 2)


def changed(cluster: Cluster, **values: Any) -> Cluster:
    constants = dict(cluster.constants)
    for name, value in values.items():
        constants[name] = replace(constants[name], value=value)
    return replace(cluster, constants=constants)


def rates(value: float) -> dict[str, float]:
    return {f"{name}_bytes_per_s": value for name in ("egress", "ingress", "pair")}


@pytest.fixture(scope="module")
def base() -> Cluster:
    return changed(read_cluster("h200_x2"), both_ways_gap_factor=1.0)


@pytest.fixture(scope="module")
def machine(base: Cluster) -> Cluster:
    """Another machine: every constant that rows can tell differs."""
    loss = {"pull": 0.9, "push": 0.989}
    return changed(
        base, **rates(500e9), peer_fixed_s=7e-6, peer_gap_s=[[65536, 2e-6], [1048576, 3e-6], [8388608, 5e-6]],
        both_ways_egress=loss, both_ways_ingress=loss, issue_batch_s=6e-5, issue_slice_s=9e-7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recording(machine: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("rows") / "rows.json", machine)


def test_the_design_takes_what_identifies_constants_and_leaves_the_layers(recording: Recording) -> None:
    wanted = {name for name in CASES if name.startswith(("size", "train", "both"))}
    chosen = {row.case for row in calibration_rows(recording.rows)}
    assert chosen == wanted | {"shared", "host 512", "trains both", "short train"}


def test_a_calibration_finds_a_machine_s_constants_and_predicts_the_rows_it_left_out(
    base: Cluster, machine: Cluster, recording: Recording, tmp_path: Path
) -> None:
    found = calibrate([recording], base, OPTIONS, name="found")
    truth = {
        "peer rate": 500e9, "peer_fixed_s": 7e-6, "peer_gap_s at 1048576 B": 3e-6, "both ways, pull": 0.9,
        "issue_slice_s": 9e-7,
    }  # fmt: skip
    estimates = {e.parameter.name: e for e in found.fit.estimates}
    for name, value in truth.items():
        estimate = estimates[name]
        slack = 0.25 * (estimate.high - estimate.low)  # 95 %, and seven runs
        assert estimate.low - slack <= value <= estimate.high + slack, (name, estimate)
        assert estimate.value == pytest.approx(value, rel=0.25 if "issue" in name else 0.03), name
    assert "both ways, push" in found.fit.undetermined
    result = validate(recording.rows, found.cluster, OPTIONS, {row.case for row in found.rows}, Bars())
    assert result.passed, result.failures
    assert summarize(result.rows)["median_abs_error"] < 0.006
    # what was written is a cluster that knows which rows it must not be judged by
    path = write_cluster(tmp_path / "found.yaml", found)
    again = read_cluster_file(path)
    assert again.rate("pair_bytes_per_s") == pytest.approx(found.cluster.rate("pair_bytes_per_s"), rel=1e-5)
    assert again.constants["pair_bytes_per_s"].provenance == "measured"
    assert again.constants["pair_bytes_per_s"].interval[0] < again.rate("pair_bytes_per_s")
    assert fitted_cases([recording], again) == {row.case for row in found.rows}


def read_cluster_file(path: Path) -> Cluster:
    import yaml  # noqa: PLC0415

    from dwdp_sim.constant import Constant  # noqa: PLC0415

    content = yaml.safe_load(path.read_text())
    constants = {key: Constant(**value) for key, value in content.pop("constants").items()}
    return Cluster(**content, constants=constants)


FAULTS: dict[str, tuple[dict[str, Any], FabricOptions, str]] = {
    "gaps doubled": ({"peer_gap_s": [[65536, 6.3e-6], [1048576, 7.1e-6], [8388608, 9.1e-6]]}, OPTIONS, "peer_gap_s"),
    "a slower link": (rates(360e9), OPTIONS, "peer rate"),
    "more loss both ways": (
        {"both_ways_egress": {"pull": 0.8, "push": 0.989}, "both_ways_ingress": {"pull": 0.8, "push": 0.989}},
        OPTIONS,
        "both ways, pull",
    ),
    "sources first in, first out": ({}, FabricOptions(sharing="fifo"), "fabric.sharing"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_the_validation_and_is_named(name: str, base: Cluster, tmp_path: Path) -> None:
    constants, rules, culprit = FAULTS[name]
    recording = record(tmp_path / "rows.json", changed(base, **constants), rules)
    result = validate(recording.rows, base, OPTIONS, set(), Bars())
    assert not result.passed
    suspects = find_suspects(recording.rows, base, OPTIONS)
    assert suspects[0].name.startswith(culprit), [s.name for s in suspects]
    subject = Subject(base, [recording.path], recording.machine, {}, suspects)
    for report in (html_report(result, subject), markdown_report(result, subject)):
        assert "What no longer fits" in report
        assert culprit in report


def test_without_a_fault_nothing_is_suspected_and_the_report_passes(base: Cluster, tmp_path: Path) -> None:
    recording = record(tmp_path / "rows.json", base)
    result = validate(recording.rows, base, OPTIONS, set(), Bars())
    assert result.passed, result.failures
    assert [s.name for s in find_suspects(recording.rows, base, OPTIONS)] == []


def test_fitted_rows_are_shown_and_do_not_count_unless_all_are_fitted(base: Cluster, recording: Recording) -> None:
    everything = {row.case for row in recording.rows}
    some = validate(recording.rows, base, OPTIONS, everything - {"batch alone"}, Bars())
    assert {row.case for row in some.rows} == everything
    assert {row.case for row in some.rows if row.counts} == {"batch alone"}
    assert not some.in_sample
    result = validate(recording.rows, base, OPTIONS, everything, Bars())
    assert result.in_sample
    assert all(row.counts == row.stable and row.fitted for row in result.rows)
    subject = Subject(base, [recording.path], recording.machine, {})
    assert "in sample" in markdown_report(result, subject)
    assert "in sample" not in markdown_report(some, subject)


def test_an_unstable_row_is_shown_and_never_counts(base: Cluster, recording: Recording) -> None:
    shaky = [replace(row, unstable="the gate opened late") for row in recording.rows]
    result: Validation = validate(shaky, base, OPTIONS, set(), Bars())
    assert result.failures == ["no row is stable"]
    assert summarize(result.rows)["n"] == 0
    assert "no: the gate opened late" in markdown_report(result, Subject(base, ["rows"], {}, {}))


def test_validation_json_has_the_documented_keys(base: Cluster, recording: Recording) -> None:
    content = json.loads(json.dumps(validate(recording.rows, base, OPTIONS, set(), Bars()).as_dict()))
    assert {"case", "rank", "measured_s", "predicted_s", "error", "stable", "fitted"} <= set(content["rows"][0])
    assert {"n", "median_abs_error", "p95_abs_error", "max_abs_error", "bias"} == set(content["summary"])
    row = content["rows"][0]
    assert row["error"] == pytest.approx(row["predicted_s"] / row["measured_s"] - 1)


def test_the_gate_names_what_left_its_band_and_nothing_else() -> None:
    before = {"a#0": 0.01, "b#0": -0.02, "c#0": 0.0}
    assert moved(before, dict(before)) == []
    now = {"a#0": 0.0149, "b#0": -0.026, "d#0": 0.0}
    assert moved(before, now) == [
        "b#0: error -2.00% is now -2.60%",
        "c#0: is no longer predicted",
        "d#0: has no band; accept it",
    ]


def dwdp_hw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from dwdp_hw.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def test_recorded_rows_are_calibrated_and_validated_from_the_command_line(recording: Recording, tmp_path: Path) -> None:
    common = ("source=recorded", f"rows={recording.path}")
    out = tmp_path / "cluster" / "mine.yaml"
    done = dwdp_hw(tmp_path, "mode=calibrate", *common, "check.name=mine", f"check.out={out}", "hydra.run.dir=cal")
    assert done.returncode == 0, done.stderr
    assert "peer rate" in done.stdout
    done = dwdp_hw(tmp_path, f"--config-dir={tmp_path}", "mode=validate", *common, "cluster=mine", "hydra.run.dir=val")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert {"report.html", "report.md", "validation.json"} <= {path.name for path in (tmp_path / "val").iterdir()}
    page = (tmp_path / "val" / "report.html").read_text()
    assert not re.search(r"(src|href)=.?https?:|@import|<script", page)  # needs no network
    # another machine's constants do not pass, and say why in the exit code
    done = dwdp_hw(tmp_path, "mode=validate", *common, "cluster=h200_x2", "hydra.run.dir=bad")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "no longer fits: peer rate" in done.stdout


def test_a_browser_shows_the_report_without_complaint(base: Cluster, recording: Recording, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        assert os.environ.get("DWDP_REQUIRE_CHROMIUM") != "1", "chromium is wanted and not installed"
        pytest.skip("chromium is not installed")
    result = validate(recording.rows, base, OPTIONS, set(), Bars())
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(html_report(result, Subject(base, ["rows.json"], recording.machine, {})), encoding="utf-8")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--window-size=1100,2000", f"--screenshot={picture}", page.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mode=validate", "source=recorded"], "rows=missing: recorded rows are wanted"),
        (["mode=validate", "source=recorded", "rows=none.json"], "rows=none.json: not a file of recorded rows"),
        (["mode=calibrate", "source=recorded", "rows=ROWS", "check.use=some"], "check.use=some: allowed: design, all"),
        (
            ["mode=calibrate", "source=recorded", "rows=ROWS", "check.p95=3"],
            "check.p95=3.0: a fraction between 0 and 1",
        ),
    ],
)
def test_bad_input_to_a_check_is_one_line_and_exit_code_two(
    arguments: list[str], message: str, recording: Recording, tmp_path: Path
) -> None:
    done = dwdp_hw(tmp_path, *(argument.replace("ROWS", recording.path) for argument in arguments))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_future_format_is_refused(recording: Recording, tmp_path: Path) -> None:
    content = json.loads(Path(recording.path).read_text()) | {"format": 3}
    (tmp_path / "rows.json").write_text(json.dumps(content))
    done = dwdp_hw(tmp_path, "mode=validate", "source=recorded", "rows=rows.json")
    assert done.returncode == 2
    assert "has format 3; this version reads 1 to 2" in done.stderr
