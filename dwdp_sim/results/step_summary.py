"""What forward steps gave, as the content of `summary.json` and as rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.hypotheses import Variant
from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.results.step_figure import draw_steps
from dwdp_sim.results.step_trace import chrome_steps_trace
from dwdp_sim.results.summary import layer_head
from dwdp_sim.steps.bubbles import Bubble
from dwdp_sim.steps.contention import Blame
from dwdp_sim.steps.dep import DepTimes
from dwdp_sim.steps.scenario import Replication, Scenario

STEPS_SCHEMA_VERSION = 1
_COLUMNS = (
    "wait_begin_s",
    "moe_begin_s",
    "moe_end_s",
    "launch_wait_s",
    "prefetch_begin_s",
    "prefetch_end_s",
    "own_engine_s",
    "host_s",
    "gap_s",
    "transfer_s",
    "contention_s",
)


@dataclass(frozen=True)
class IterationResult:
    """Everything that was run for one job of forward steps.

    Attributes:
        replications: One a seed.
        under: The first seed again, in larger slices, on each machine that hypotheses allow, what is configured first;
            None where no range is wanted.
        dep: The same requests under DEP, one a seed; None without a roofline.
        blame: Where the contention of the first seed was met, and to whom it was lost.
        bubbles: The longest waits of the first seed.
        wall_s: How long it took.
    """

    replications: list[Replication]
    under: list[tuple[Variant, Replication]] | None
    dep: list[DepTimes] | None
    blame: Blame
    bubbles: list[Bubble]
    wall_s: float


def summarize_iteration(job: StepsJob, result: IterationResult, config_hash: str = "") -> dict[str, Any]:
    """The content of `summary.json` (docs/results.md describes each key)."""
    scenario = job.scenario
    columns = {name: [r.figures[name] for r in result.replications] for name in result.replications[0].figures}
    body: dict[str, Any] = {
        "replications": len(result.replications),
        "figures": {name: _as_dict(Estimate.of(values)) for name, values in columns.items()},
        "time_to_first_token_s": Estimate.of(columns["iteration_s"]).mean * _steps_a_request(result.replications[0]),
        "lower_bound_s": _lower_bound_s(scenario, result),
    }
    if result.under is not None:
        body["range_s"] = _ranges(result.replications, result.under)
    if result.dep is not None:
        body["dep"] = _dep(result.dep, columns["iteration_s"])
    return {
        **layer_head(job, config_hash, scenario.workload.slots),
        **body,
        "worst_bubbles": [asdict(bubble) for bubble in result.bubbles],
        "assumed_constants": [*scenario.constants.assumed, *_assumed_compute(scenario)],
        "compute": scenario.workload.compute.name,
        "wall_s": result.wall_s,
    }


def _assumed_compute(scenario: Scenario) -> list[str]:
    """Assumed constants of the compute windows; of the formats, only those that the model's weights have."""
    model = scenario.model
    formats = {model.weight_format, model.attention.weight_format if model.attention else model.weight_format}
    return [
        f"compute.{name}"
        for name, constant in scenario.workload.compute.constants.items()
        if constant.provenance == "assumed" and (not name.startswith("flops_") or name[len("flops_") :] in formats)
    ]


def _as_dict(estimate: Estimate) -> dict[str, float | None]:
    half = estimate.half_width
    return {"mean": estimate.mean, "half_width": None if math.isnan(half) else half}


def _ranges(replications: Sequence[Replication], under: Sequence[tuple[Variant, Replication]]) -> dict[str, Any]:
    """Lowest and highest of some figures over hypotheses: the mean, moved as the first seed is by each of them."""
    configured = under[0][1].figures
    ranges: dict[str, Any] = {}
    for name in ("iteration_s", "prefetch_latency_s", "bubble_s"):
        mean = float(np.mean([r.figures[name] for r in replications]))
        moved = [max(mean + found.figures[name] - configured[name], 0.0) for _, found in under]
        ranges[name] = [min(moved), max(moved)]
        if name == "iteration_s":
            ranges["lowest"], ranges["highest"] = (
                under[int(place(moved))][0].hypotheses[0] for place in (np.argmin, np.argmax)
            )
    return ranges


def _lower_bound_s(scenario: Scenario, result: IterationResult) -> float:
    """No step can be shorter than its compute, nor than all its layers' bytes over the busiest link."""
    bytes_s = scenario.model.num_moe_layers * lower_bound_s(scenario.program, scenario.constants)
    windows = [r.windows for r in result.replications]
    compute = [(w.lead_s + (w.before_s + w.moe_s).sum(axis=2))[:, scenario.workload.warmup :] for w in windows]
    return float(np.mean(np.maximum(np.array(compute), bytes_s)))


def _dep(dep: Sequence[DepTimes], iteration_s: Sequence[float]) -> dict[str, Any]:
    total = [times.total_s for times in dep]
    return {
        "iteration_s": _as_dict(Estimate.of(total)),
        "compute_s": float(np.mean([times.compute_s for times in dep])),
        "communication_s": float(np.mean([times.communication_s for times in dep])),
        "synchronization_s": float(np.mean([times.synchronization_s for times in dep])),
        "gain": _as_dict(paired_gain(iteration_s, total)),
    }


def _steps_a_request(first: Replication) -> float:
    """Mean number of forward steps that a request takes; more than one only where inputs are cut into chunks."""
    chunks = [chunk for rank in first.drawn.steps for step in rank for chunk in step]
    return len(chunks) / max(sum(chunk.context_tokens == 0 for chunk in chunks), 1)


def write_iteration(
    folder: Path, run: CheckedRun, title: str, result: IterationResult, summary: dict[str, Any]
) -> list[Path]:
    """Write configuration, rows, picture and trace of the first seed, and, last, `summary.json` into `folder`.

    Returns:
        The files, in the order of writing. `summary.json` is last: where it stands, the others are complete.
    """
    rows = steps_table(run.config_hash, result.replications)
    first = result.replications[0].timeline
    about = {"config_hash": run.config_hash, "seed": result.replications[0].seed}
    trace = chrome_steps_trace(first, result.blame, about)
    writers: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: path.write_text(yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)),
        "steps.parquet": lambda path: pq.write_table(rows, path, compression="zstd"),
        "steps.png": lambda path: draw_steps(path, first, result.blame, title),
        "trace.json": lambda path: path.write_text(json.dumps(trace, separators=(",", ":"))),
        "summary.json": lambda path: path.write_text(json.dumps(summary, indent=2) + "\n"),
    }
    return [write_whole(folder / name, write) for name, write in writers.items()]


def steps_table(config_hash: str, replications: Sequence[Replication]) -> pa.Table:
    """One row for each seed, rank, step and layer; docs/results.md describes the columns."""
    columns: dict[str, list[np.ndarray[Any, Any]]] = {}
    for replication in replications:
        shape = replication.timeline.moe_end_s.shape
        rank, step, layer = (index.ravel().astype(np.int32) for index in np.indices(shape))
        values: dict[str, np.ndarray[Any, Any]] = {"seed": np.full(rank.size, replication.seed, dtype=np.int64)}
        values |= {"rank": rank, "step": step, "layer": layer}
        values["tokens"] = replication.windows.tokens.ravel().repeat(shape[2])
        values |= {name: getattr(replication.timeline, name).ravel() for name in _COLUMNS}
        for name, column in values.items():
            columns.setdefault(name, []).append(column)
    table = pa.table({name: np.concatenate(parts) for name, parts in columns.items()})
    metadata = {"schema_version": str(STEPS_SCHEMA_VERSION), "config_hash": config_hash}
    return table.replace_schema_metadata(metadata)
