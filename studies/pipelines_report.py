"""Lay forward steps and kernels that were measured on one GPU beside what was said of them (`studies/pipelines.py`).

python studies/pipelines_report.py h200      (reads measurements/, writes docs/data/pipelines_h200.json)
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pipelines import LINK, ROUNDS, TARGETS, alone_s, cases, compute_of, step_s, us, write

from dwdp_hw.cases.case import Case, LayerCompute
from dwdp_hw.kernels.expected import expected_layer
from dwdp_hw.rows.predict_steps import predict_steps
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.rows.steps import RecordedSteps
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.silicon.tables import BACKENDS
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.windows import StepWindows, constant_windows

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "measurements"
_RATE = {"host": "host_in_bytes_per_s", "local": "local_bytes_per_s"}
GIVEN_RATE = "measured windows, this run's prefetch"  # no prediction: it knows how fast the link was


def report(gpu: str) -> dict[str, Any]:
    """Every step and every operation of a GPU: measured, predicted, and the errors."""
    expected = {row["case"]: row for row in _read(MEASURED / f"predictions/{gpu}_pipelines.json")["rows"]}
    timed = _read(MEASURED / f"{gpu}_x1_pipeline_windows.json")
    windows = {(row["model"], tuple(row["requests"])): row for row in timed["rows"]}
    recording, cluster = read_recording(str(MEASURED / f"{gpu}_x1_pipelines.json")), read_cluster(LINK)
    steps = {one.case: one for one in recording.steps}
    layers = {one.case: one for one in recording.rows}
    rows = []
    for case in cases():
        rounds = [steps[name] for number in range(ROUNDS) if (name := f"{case.name}_round{number}") in steps]
        if rounds:
            compute = compute_of(case)
            own = windows[compute.model.name, compute.lengths_of(0)]
            alone = _median_s(layers, f"{case.labels['model']}_{case.home}_{case.labels['strategy']}_prefetch")
            rows.append(_row(case, rounds, own, alone, expected[case.name], cluster))
    kernels = [row for compute in dict.fromkeys(map(compute_of, cases())) for row in _kernels(compute, windows, gpu)]
    return {
        "machine": timed["machine"],
        "method": timed["method"],
        "targets": TARGETS,
        "kernels": kernels,
        "rows": rows,
    }


def _kernels(
    compute: LayerCompute, windows: Mapping[tuple[str, tuple[int, ...]], Any], gpu: str
) -> list[dict[str, Any]]:
    """Of one layer each operation and each part: measured, by both engines' tables, and the errors."""
    lengths = compute.lengths_of(0)
    own = windows[compute.model.name, lengths]
    tables = expected_layer(compute.model, gpu.upper(), tuple(map(Chunk, lengths)))
    rows = []
    for name, measured in own["operations"].items():
        found = {engine: layer.operations[name].seconds * 1e6 for engine, layer in tables.items()}
        rows.append(_beside(compute, name, measured["median_us"], found))
    for part, name in (("before", "before the MoE block"), ("moe", "MoE block")):
        found = {engine: (getattr(layer, f"{part}_s") or math.nan) * 1e6 for engine, layer in tables.items()}
        rows.append(_beside(compute, name, own[part]["median_us"], found))
    return rows


def _beside(compute: LayerCompute, name: str, measured_us: float, tables_us: Mapping[str, float]) -> dict[str, Any]:
    return {
        "model": compute.model.name,
        "requests": compute.lengths_of(0),
        "operation": name,
        "measured_us": measured_us,
        "tables_us": {engine: round(us, 1) for engine, us in tables_us.items()},
        "error": {engine: round(us / measured_us - 1, 4) for engine, us in tables_us.items()},
    }


def _row(
    case: Case,
    rounds: Sequence[RecordedSteps],
    own: Mapping[str, Any],
    alone: float,
    expected: Mapping[str, Any],
    cluster: Cluster,
) -> dict[str, Any]:
    """One case: measured, predicted, and the errors."""
    before_s, moe_s = (own[part]["median_us"] * 1e-6 for part in ("before", "moe"))
    whole_s = before_s + moe_s
    windows = constant_windows(whole_s, before_s / whole_s, (1, 1, case.layers))
    known = cluster.with_values({_RATE[case.home]: case.plan.bytes_per_rank()[0] / alone})
    predicted = {
        "measured windows": step_s(case, windows, cluster),
        GIVEN_RATE: step_s(case, windows, known),
        "windows in the step": statistics.median(_from_step_s(one, cluster) for one in rounds),
        **{backend: expected[backend]["step_us"] * 1e-6 for backend in BACKENDS},
    }
    step = statistics.median(one.step_s[0] for one in rounds)
    return {
        "case": case.name,
        "step_us": us(step),
        "rounds_us": [us(one.step_s[0]) for one in rounds],
        "unstable": [one.unstable for one in rounds if one.unstable],
        "window_us": us(whole_s),
        "window_in_step_us": us(statistics.median(_window_s(one.windows) for one in rounds)),
        "prefetch_us": us(alone),
        "prefetch_predicted_us": us(alone_s(replace(case, measure="layer", pipeline=None), cluster)),
        "window_over_prefetch": round(whole_s / alone, 3),
        "predicted_us": {name: us(seconds) for name, seconds in predicted.items()},
        "error": {name: round(seconds / step - 1, 4) for name, seconds in predicted.items()},
    }


def _from_step_s(steps: RecordedSteps, cluster: Cluster) -> float:
    """The step simulated from its windows as they were measured in it, copies beside them."""
    return float(predict_steps(steps, cluster, FabricOptions()).mean_s[0])


def _window_s(windows: StepWindows) -> float:
    """Mean compute of a layer."""
    return float(np.mean(windows.before_s + windows.moe_s))


def _median_s(rows: Mapping[str, RecordedRow], name: str) -> float:
    return statistics.median(row.median_s[0] for key, row in rows.items() if key.startswith(f"{name}_round"))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(gpu: str) -> None:
    """Write the report and print the steps."""
    found = report(gpu)
    write(ROOT / f"docs/data/pipelines_{gpu}.json", found)
    for row in found["rows"]:
        said = ", ".join(f"{name} {error:+.1%}" for name, error in row["error"].items())
        sys.stdout.write(f"{row['case']}: {row['step_us']:.0f} µs, {row['window_over_prefetch']} of prefetch; {said}\n")


if __name__ == "__main__":
    main(sys.argv[1])
