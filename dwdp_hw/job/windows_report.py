"""Write and print measured compute windows beside what the tables had said."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.job.windows import Layer, MeasuredWindows, WindowsJob
from dwdp_hw.kernels.expected import LOAD, ExpectedLayer
from dwdp_hw.kernels.timing import METHOD, Rounds
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.base.units import format_percent, format_seconds
from dwdp_sim.results.files import write_config, write_summary
from dwdp_sim.silicon.tables import BACKENDS, Tables

SCHEMA = 1
PARTS = ("before the MoE block", "MoE block")  # as wholes, not sums: these are the windows
Expected = Mapping[Layer, Mapping[str, ExpectedLayer]]
Row = dict[str, Any]


def write_expected(folder: Path, job: WindowsJob, expected: Expected) -> None:
    """Write `predictions.json`: what the tables say, before anything is measured."""
    rows = [row for layer in job.layers for row in _expected_rows(layer, expected[layer])]
    missing = _missing(expected)
    content = {**_about(job), "missing": missing, "rows": rows}
    _write_rows(folder / "predictions.json", content)


def write_windows(folder: Path, job: WindowsJob, expected: Expected, measured: MeasuredWindows) -> dict[str, Any]:
    """Write `windows.json`, `kernels.json`, `config.yaml` and last `summary.json`, whose content is returned."""
    rows = list(kernel_rows(job, expected, measured))
    about = {**_about(job), "machine": measured.machine, "method": METHOD}
    summary = {
        "schema": SCHEMA,
        "measured": True,
        "config_hash": job.config_hash,
        **about,
        "missing": _missing(expected),
        "steps": [list(lengths) for lengths in dict.fromkeys(layer.lengths for layer in job.layers)],
        "operations": _errors(row for row in rows if row["operation"] not in PARTS),
        "windows": [row for row in rows if row["operation"] in PARTS],
    }
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: write_config(path, job.config),
        "windows.json": partial(_write_text, text=json.dumps(measured.windows(job)) + "\n"),
        "kernels.json": partial(_write_text, text=json_rows({**about, "rows": rows})),
        "summary.json": lambda path: write_summary(path, summary),
    }
    for name, write in writers.items():
        write_whole(folder / name, write)
    return summary


def kernel_rows(job: WindowsJob, expected: Expected, measured: MeasuredWindows) -> Iterator[Row]:
    """Yield a row for each operation and each part of every distinct layer."""
    for layer in job.layers:
        timing, beforehand = (
            measured.timings[layer],
            {(r["operation"]): r for r in _expected_rows(layer, expected[layer])},
        )
        times: dict[str, Rounds] = dict(timing.operations) | {PARTS[0]: timing.before}
        if timing.moe is not None:
            times[PARTS[1]] = timing.moe
        for name, rounds in times.items():
            known = beforehand.get(name, {**_layer_fields(layer), "operation": name, "expected": {}})
            yield {**known, "measured": rounds.as_dict(), "error": _row_errors(known, rounds)}


def _expected_rows(layer: Layer, by_backend: Mapping[str, ExpectedLayer]) -> Iterator[Row]:
    names = dict.fromkeys(name for one in by_backend.values() for name in one.operations)
    for name in names:
        found = {b: one.operations[name].as_dict() for b, one in by_backend.items() if name in one.operations}
        yield {**_layer_fields(layer), "operation": name, "expected": found}
    for name, part in zip(PARTS, ("before_s", "moe_s"), strict=True):
        sums = {b: getattr(one, part) for b, one in by_backend.items() if getattr(one, part)}
        if sums:
            found = {b: {"us": round(seconds * 1e6, 2), "how": "sum", "kernels": []} for b, seconds in sums.items()}
            yield {**_layer_fields(layer), "operation": name, "expected": found}


def _layer_fields(layer: Layer) -> Row:
    return {"requests": list(layer.lengths), "layer": "dense" if layer.dense else "moe"}


def _row_errors(row: Row, rounds: Rounds) -> dict[str, float]:
    """Relative error of each engine's expectation: expected ÷ measured − 1."""
    return {b: round(found["us"] * 1e-6 / rounds.median_s - 1, 4) for b, found in row["expected"].items()}


def _errors(rows: Iterator[Row]) -> dict[str, dict[str, float]]:
    """Median and largest absolute error of each engine's expectations."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for backend, error in row["error"].items():
            found.setdefault(backend, []).append(abs(error))
    return {b: {"median_abs_error": statistics.median(e), "max_abs_error": max(e)} for b, e in found.items()}


def _missing(expected: Expected) -> dict[str, str]:
    return {b: one.missing for layers in expected.values() for b, one in layers.items() if one.missing is not None}


def _about(job: WindowsJob) -> dict[str, Any]:
    attention = job.model.attention
    return {
        "model": job.model.name,
        "formats": {"experts": job.model.weight_format, "projections": attention.weight_format if attention else None},
        "load": f"every expert has as many tokens, as the tables' load {LOAD}",
        "gpu_of_tables": job.gpu,
        "tables": Tables.presets().origin,
    }


def _write_rows(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, partial(_write_text, text=json_rows(content)))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def print_windows(
    console: Console,
    job: WindowsJob,
    expected: Expected,
    measured: MeasuredWindows,
    summary: Mapping[str, Any],
    folder: Path,
) -> None:
    """Print each operation's time beside what the tables had said."""
    console = plain_console(console)
    rows = list(kernel_rows(job, expected, measured))
    for layer in job.layers:
        fields = _layer_fields(layer)
        own = [row for row in rows if all(row[name] == value for name, value in fields.items())]
        console.print(_table(layer, own, job))
    for backend, errors in summary["operations"].items():
        said = f"{format_percent(errors['median_abs_error'])}, largest {format_percent(errors['max_abs_error'])}"
        say(console, f"operations against {backend}'s tables: median of the absolute error {said}")
    for backend, why in summary["missing"].items():
        say(console, f"not expected from {backend}'s tables: {why}")
    if job.gpu.split("_")[0].lower() not in str(measured.machine["gpu"]).lower():
        say(
            console,
            f"the tables are those of {job.gpu}, but this is a {measured.machine['gpu']}; choose with cluster=…",
        )
    say(console, f"all experts evenly loaded; use with compute=file compute.file={folder / 'windows.json'}")
    say(console, f"written to {folder}", dim=True)


def _table(layer: Layer, rows: list[Row], job: WindowsJob) -> Table:
    kind = "a layer without experts" if layer.dense else "a MoE layer"
    title = f"Measured: {kind} of {job.model.name}, requests of {', '.join(map(str, layer.lengths))} tokens"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("operation")
    for heading in ("measured", "rounds apart", *(word for b in BACKENDS for word in (b, "error"))):
        table.add_column(heading, justify="right")
    for row in rows:
        rounds = row["measured"]
        apart = (max(rounds["rounds_us"]) - min(rounds["rounds_us"])) / rounds["median_us"]
        cells = [format_seconds(rounds["median_us"] * 1e-6), format_percent(apart)]
        for backend in BACKENDS:
            known = row["expected"].get(backend)
            cells += (
                [format_seconds(known["us"] * 1e-6), format_percent(row["error"][backend], signed=True)]
                if known
                else ["—", "—"]
            )
        table.add_row(row["operation"], *cells)
    return table
