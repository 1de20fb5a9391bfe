"""Print which plan an engine's copies are, predict one layer of each rank, and write both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.record.groups import Issued
from dwdp_hw.record.recognition import Verdict
from dwdp_hw.record.record_job import RecordJob
from dwdp_hw.traces.report import run_import
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import say
from dwdp_sim.base.units import format_bytes, format_seconds
from dwdp_sim.results.predict import predict

_SCHEMA = 1


def run_record(job: RecordJob, folder: Path, console: Console) -> list[float]:
    """Write `layer.json` (a replay) and `record.json`, print them, and import what has device times.

    Returns:
        Predicted seconds of each prefetch's layer.
    """
    _, summary = predict(job.replay, with_range=False)
    predicted_s = [stream.elapsed_s for stream in summary.streams]
    content = _content(job, predicted_s)
    write_whole(folder / "layer.json", lambda t: t.write_text(json.dumps(job.content) + "\n", encoding="utf-8"))
    write_whole(folder / "record.json", lambda t: t.write_text(json_rows(content), encoding="utf-8"))
    _print(console, job, predicted_s)
    if job.device is not None:
        run_import(job.device, folder, console)
    else:
        say(console, f"written to {folder}", dim=True)
    return predicted_s


def _content(job: RecordJob, predicted_s: list[float]) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "cluster": job.replay.cluster.name,
        "structure": _said(job.groups, job.structure),
        "model": job.model_name if job.planned else None,
        "plan": _said(job.groups, job.planned) if job.planned else None,
        "notes": list(job.notes),
        "rows": [
            {
                "gpu": part.gpu,
                "process": job.records[part.record].process.process,
                "stream": part.stream,
                "layers": len(part.layers),
                "layers_a_step": part.layers_a_step,
                "calls": len(part.layer),
                "copies": sum(len(call.src) for call in part.layer),
                "bytes": part.bytes,
                "host_s": part.host_s,
                "predicted_s": seconds,
            }
            for part, seconds in zip(job.prefetches, predicted_s, strict=True)
        ],
    }


def _print(console: Console, job: RecordJob, predicted_s: list[float]) -> None:
    title = f"{len(job.records)} processes; one layer of each rank, predicted on {job.replay.cluster.name}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("GPU", "stream", "layers", "a step", "calls", "copies", "bytes", "host time", "predicted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part, seconds in zip(job.prefetches, predicted_s, strict=True):
        table.add_row(
            str(part.gpu),
            str(part.stream),
            str(len(part.layers)),
            "?" if part.layers_a_step is None else str(part.layers_a_step),
            str(len(part.layer)),
            str(sum(len(call.src) for call in part.layer)),
            format_bytes(part.bytes),
            format_seconds(part.host_s),
            format_seconds(seconds),
        )
    console.print(table)
    say(console, f"by structure: {_said(job.groups, job.structure)}")
    if job.planned is not None:
        say(console, f"with {job.model_name}: {_said(job.groups, job.planned)}")
    for note in job.notes:
        say(console, f"note: {note}")


def _said(groups: Sequence[Issued], verdicts: Sequence[Verdict]) -> str:
    """What is true of all groups, or each group's by its GPUs."""
    if len({str(verdict) for verdict in verdicts}) == 1:
        return str(verdicts[0])
    parts = zip(groups, verdicts, strict=True)
    return "; ".join(f"GPUs {', '.join(map(str, group.gpus))}: {verdict}" for group, verdict in parts)
