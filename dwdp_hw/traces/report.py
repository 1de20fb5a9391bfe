"""Replay an imported trace, write its files and print measured against predicted."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.traces.bursts import Burst
from dwdp_hw.traces.importing import ImportJob
from dwdp_hw.traces.trace_rows import program_content, recorded_rows, rows_file
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import say
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.endpoints import endpoint_key
from dwdp_sim.plan.program_file import program_from_dict

_PRINTED = 16
_SCHEMA = 1


@dataclass(frozen=True)
class Comparison:
    """One stream of one burst.

    Attributes:
        burst: Its number, in order of time.
        gpu: As the trace numbers it.
        stream: CUDA stream.
        copies, bytes: What moved.
        queued: Whether host time is kept out of both figures.
        measured_s, predicted_s: Of a queued stream from the begin of its first copy to the end of its last; otherwise
            from the begin of its first call.
        error: predicted ÷ measured − 1.
        doubt: Why the two must not be compared; None if they may.
    """

    burst: int
    gpu: int
    stream: int
    copies: int
    bytes: int
    queued: bool
    measured_s: float
    predicted_s: float
    error: float
    doubt: str | None


def run_import(job: ImportJob, folder: Path, console: Console) -> list[Comparison]:
    """Replay every burst on the cluster, write program, rows and copies, and print a table."""
    program = program_content(job.bursts)
    machine = {"gpu": job.gpu_name, "gpus": len(job.gpus), "gpu_numbers": list(job.gpus)}
    source = ", ".join(f"{trace.path} ({trace.profiler})" for trace in job.traces)
    rows = rows_file(machine, source, recorded_rows(job.bursts))
    compared = [entry for number, burst in enumerate(job.bursts) for entry in _compare(job, number, burst)]
    content = {
        "schema": _SCHEMA,
        "source": source,
        "cluster": job.cluster.name,
        "summary": summarize(compared),
        "notes": list(job.notes),
        "rows": [asdict(entry) for entry in compared],
    }
    write_whole(folder / "program.json", lambda t: t.write_text(json.dumps(program) + "\n"))
    write_whole(folder / "rows.json", lambda t: t.write_text(rows, encoding="utf-8"))
    write_whole(folder / "copies.csv", lambda t: _write_copies(t, job))
    write_whole(folder / "import.json", lambda t: t.write_text(json_rows(content), encoding="utf-8"))
    _print(console, job, compared, folder)
    return compared


def summarize(compared: Iterable[Comparison]) -> dict[str, float | int | None]:
    """Return count, 95th percentile, median and maximum of the absolute error, and bias, of comparable streams."""
    errors = np.array([entry.error for entry in compared if entry.doubt is None])
    if not len(errors):
        return {"n": 0, "p95_abs_error": None, "median_abs_error": None, "max_abs_error": None, "bias": None}
    size = np.abs(errors)
    return {
        "n": len(errors),
        "p95_abs_error": float(np.percentile(size, 95)),
        "median_abs_error": float(np.median(size)),
        "max_abs_error": float(size.max()),
        "bias": float(errors.mean()),
    }


def _compare(job: ImportJob, number: int, burst: Burst) -> list[Comparison]:
    """Simulate one burst, all its streams together, and lay its times beside the trace's."""
    program = program_from_dict(program_content([burst]), len(job.gpus))
    timeline = simulate(program, constants_for(job.cluster, program, job.options), job.options, seed=job.seed)
    owner = program.call_stream[program.copy_call]
    found = []
    for index, part in enumerate(burst):
        own = owner == index
        predicted_s = float(timeline.stream_elapsed_s[index])
        if part.queued:  # the trace, too, begins with the first byte
            predicted_s = float(timeline.copy_end_s[own].max() - timeline.copy_start_s[own].min())
        found.append(
            Comparison(
                burst=number,
                gpu=job.gpus[part.gpu],
                stream=part.stream,
                copies=len(part.copies),
                bytes=part.bytes,
                queued=part.queued,
                measured_s=part.elapsed_s,
                predicted_s=predicted_s,
                error=predicted_s / part.elapsed_s - 1,
                doubt=part.doubt,
            )
        )
    return found


def _write_copies(path: Path, job: ImportJob) -> None:
    """Every copy of every kind, in order of time; seconds from the first."""
    zero_ns = min(copy.start_ns for copy in job.copies)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            ("kind", "process", "gpu", "stream", "src", "dst", "bytes", "start_s", "end_s", "call", "correlation")
        )
        for copy in sorted(job.copies, key=lambda copy: (copy.start_ns, copy.gpu)):
            ends = [endpoint_key(end) for end in (copy.src, copy.dst)]
            times = [f"{(time - zero_ns) * 1e-9:.9f}" for time in (copy.start_ns, copy.end_ns)]
            name = copy.call.name if copy.call else ""
            fields = (copy.kind, copy.process, copy.gpu, copy.stream, *ends, copy.bytes, *times, name, copy.correlation)
            table.writerow(fields)


def _print(console: Console, job: ImportJob, compared: Sequence[Comparison], folder: Path) -> None:
    title = f"{job.gpu_name}, {len(job.bursts)} bursts; times in µs"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("burst", "GPU", "stream", "copies", "MB", "issue", "time", "GB/s", "predicted", "error"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in compared[:_PRINTED]:
        table.add_row(*_cells(entry))
    console.print(table)
    if len(compared) > _PRINTED:
        console.print(f"and {len(compared) - _PRINTED} more streams in import.json", highlight=False)
    found: dict[str, Any] = summarize(compared)
    if found["n"]:
        console.print(
            f"{found['n']} of {len(compared)} streams compared on {job.cluster.name}: "
            f"p95 {found['p95_abs_error']:.1%}, median {found['median_abs_error']:.1%}, "
            f"largest {found['max_abs_error']:.1%}, bias {found['bias']:+.1%}",
            highlight=False,
            soft_wrap=True,
        )
    for doubt in dict.fromkeys(entry.doubt for entry in compared if entry.doubt):
        count = sum(entry.doubt == doubt for entry in compared)
        say(console, f"{count} streams not compared (*): {doubt}")
    for note in job.notes:
        say(console, f"note: {note}")
    say(console, f"written to {folder}", dim=True)


def _cells(entry: Comparison) -> tuple[str, ...]:
    return (
        str(entry.burst),
        str(entry.gpu),
        str(entry.stream),
        str(entry.copies),
        f"{entry.bytes / 1e6:.1f}",
        "queued" if entry.queued else "as_issued",
        f"{entry.measured_s * 1e6:.1f}",
        f"{entry.bytes / entry.measured_s / 1e9:.1f}",
        f"{entry.predicted_s * 1e6:.1f}",
        f"{entry.error:+.1%}{'' if entry.doubt is None else ' *'}",
    )
