"""Make the measured row of a case from the results of its ranks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Case, Pipeline
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.result import LayerTimes, RankResult
from dwdp_hw.rows.schema import Arrivals, Clocks, LayerSpan, MeasuredRow, ProcessCost, Recorded, Skew, Spread
from dwdp_hw.rows.stability import over_nvlink, why_unstable
from dwdp_hw.rows.streams_codec import fold_pieces, fold_streams
from dwdp_sim.base.arrays import Floats
from dwdp_sim.plan.copy_plan import BATCH

METHOD = (
    "device time between two CUDA events around the issue calls; 'queued' runs are held by a gate kernel until every "
    f"call (at most {QUEUE_LIMIT_CALLS}, see queued_calls) of every rank has been issued and all gates are opened by "
    "one word in shared pinned memory; 'as_issued' runs start at a moment agreed on the host's clock and include host "
    "time; destinations are poisoned before and compared in full after every run"
)


_NOT_TIMED_ON_THE_DEVICE = ("issue_cost", "relative_cost")


def measured_row(case: Case, results: Sequence[RankResult], group: int = 0) -> MeasuredRow:
    """Return the row of one case, measured by the group of processes of that number."""
    pulling = [result for result in results if result.pulls]
    elapsed = [_elapsed_s(result) for result in pulling]
    unstable = why_unstable(results, elapsed) if case.measure not in _NOT_TIMED_ON_THE_DEVICE else []
    row: MeasuredRow = {
        "case": case.name,
        "measure": case.measure,
        "model": case.labels["model"],
        "strategy": case.labels["strategy"],
        "implementation": case.labels["implementation"],
        "slice_bytes": case.labels["slice_bytes"],
        "issue": "batch" if BATCH in case.plan.call_issue else "async",
        "issued_as": case.issue,
        "path": pulling[0].path,
        "copies_bytes": fold_pieces(case.plan, pulling[0].rank),
        "dwdp_size": case.plan.placement.dwdp_size,
        "held": case.plan.placement.num_experts_per_worker,
        "pulled": case.plan.placement.num_prefetch_experts,
        "mapping": case.mapping,
        "home": case.home,
        "issue_mode": case.issue_mode,
        "ranks_pulling": len(pulling),
        "repeats": case.repeats,
        "device_us": [_spread_us(runs) for runs in elapsed if runs],
        "host_us": [_median_us([s.host_s for s in r.samples]) for r in pulling if r.samples],
        "queued_behind_gate": case.issue_mode == "queued" and not any(s.gate_late for r in pulling for s in r.samples),
        "queued_calls": [min((s.queued_calls for s in r.samples), default=0) for r in pulling],
        "calls": [int((case.plan.call_rank == r.rank).sum()) for r in pulling],
        "start_skew_us": _skew_us(pulling),
        "start_us_runs": _starts_us(pulling),
        "clock_uncertainty_us": _rounded(max(r.clock_uncertainty_s for r in results) * 1e6),
        "over_nvlink": [_nvlink(case, r) for r in pulling],
        "verified_runs": [r.verified_runs for r in pulling],
        "stable": not unstable,
        "unstable_reason": "; ".join(unstable) or None,
        "device_us_runs": [[_rounded(run * 1e6) for run in runs] for runs in elapsed],
        "host_us_runs": [[_rounded(s.host_s * 1e6) for s in r.samples] for r in pulling],
        "clocks": [_clocks(r) for r in results],
    }
    if case.home == "peer" and case.plan.placement.dwdp_size > 2:
        row["streams"] = fold_streams(case_program(case))
    if case.pipeline is not None:
        _add_pipeline(row, case.pipeline, case.layers, pulling)
    if case.measure == "issue_cost":
        row["issue_cost_us_a_slice"] = [
            {way: _spread_us(runs, digits=4) for way, runs in r.issue_cost_s.items()} for r in pulling
        ]
    if case.measure == "relative_cost":
        row["relative_cost"] = [_process_cost(r, group) for r in pulling]
    if case.detail:
        row["arrival_us"] = [_arrivals_us(r) for r in pulling]
    if case.witness:
        row["cupti"] = [_witness(r) for r in pulling]
    return row


def _process_cost(result: RankResult, group: int) -> ProcessCost:
    relative = result.relative
    assert relative is not None
    return {
        "group": group,
        "rank": result.rank,
        "pairs": relative.pairs,
        "yardstick_us": [round(seconds * 1e6, 5) for seconds in relative.yardstick_s],
        "cost_us": [round(seconds * 1e6, 5) for seconds in relative.cost_s],
    }


def _elapsed_s(result: RankResult) -> list[float]:
    if result.layers:
        return [layers[-1].compute_end_s for layers in result.layers]
    return [sample.elapsed_s for sample in result.samples]


def _skew_us(pulling: Sequence[RankResult]) -> Skew | None:
    """How far apart the ranks started: the median and the largest over the runs."""
    if len(pulling) < 2 or not pulling[0].samples:
        return None
    skews = _later_us(pulling).max(axis=0)
    return {"median": _rounded(float(np.median(skews))), "max": _rounded(float(skews.max()))}


def _starts_us(pulling: Sequence[RankResult]) -> list[list[float]] | None:
    """When each rank started in each run, after the first of that run; None if no clock is common to all."""
    if len(pulling) < 2 or not pulling[0].samples or len({result.host for result in pulling}) > 1:
        return None
    return [[_rounded(later) for later in runs] for runs in _later_us(pulling).tolist()]


def _later_us(pulling: Sequence[RankResult]) -> Floats:
    """Shape (ranks, runs)."""
    starts = np.array([[sample.started_s for sample in result.samples] for result in pulling])
    later: Floats = (starts - starts.min(axis=0)) * 1e6
    return later


def _nvlink(case: Case, result: RankResult) -> str:
    if case.home != "peer":
        return f"not over NVLink: the experts are in {'pinned host memory' if case.home == 'host' else 'the same GPU'}"
    return over_nvlink(result.before, result.after, result.pulled_bytes)


def _clocks(result: RankResult) -> Clocks:
    reading = result.after
    return {
        "sm_hz": reading.sm_clock_hz,
        "memory_hz": reading.memory_clock_hz,
        "power_w": reading.power_w,
        "temperature_c": reading.temperature_c,
        "slowdowns": sorted({*result.before.slowdowns, *reading.slowdowns}),
    }


def _add_pipeline(row: MeasuredRow, pipeline: Pipeline, layers: int, pulling: Sequence[RankResult]) -> None:
    windows = pipeline.window_s
    row["layers"] = layers
    row["window"] = pipeline.window
    if windows:
        row["window_us"] = [_rounded(windows[min(r.rank, len(windows) - 1)] * 1e6) for r in pulling]
    if pipeline.compute is not None:
        row["requests"] = [list(pipeline.compute.lengths_of(r.rank)) for r in pulling]
    row["window_factors"] = [list(pipeline.factors[r.rank]) for r in pulling if pipeline.factors]
    row["layer_us"] = [[_layer_us(r.layers, layer) for layer in range(layers)] for r in pulling]


def _layer_us(runs: Sequence[Sequence[LayerTimes]], layer: int) -> LayerSpan:
    """Medians over the runs: how long the layer computed before its experts, waited for them, computed, and copied."""
    idle = [run[layer - 1].compute_end_s if layer else 0.0 for run in runs]
    ends = [run[layer].before_end_s for run in runs]
    ready = [at if end is None else end for at, end in zip(idle, ends, strict=True)]
    span: LayerSpan = {
        "wait": _median_us([run[layer].compute_begin_s - at for run, at in zip(runs, ready, strict=True)]),
        "compute": _median_us([r[layer].compute_end_s - r[layer].compute_begin_s for r in runs]),
        "copy": _median_us([r[layer].copy_end_s - r[layer].copy_begin_s for r in runs]),
        "copy_begin": _median_us([r[layer].copy_begin_s for r in runs]),
    }
    if any(end is not None for end in ends):
        span["before"] = _median_us([end - at for end, at in zip(ready, idle, strict=True)])
    return span


def _arrivals_us(result: RankResult) -> Arrivals:
    detail = result.detail
    assert detail is not None
    return {
        "copies": [_seen_us(t) for t in detail.arrival_s],
        "call_ends": [_seen_us(t) for t in detail.call_end_s],
    }


def _witness(result: RankResult) -> Recorded:
    """What CUPTI recorded, or why it did not."""
    witness = result.witness
    if witness is None or witness.missing:
        return {"missing": (witness and witness.missing) or "not run"}
    names = sorted({copy.name for copy in witness.copies})
    return {
        "records": len(witness.copies),
        "bytes": sum(copy.size for copy in witness.copies),
        "span_us": _rounded((max(copy.end_s for copy in witness.copies) - witness.copies[0].begin_s) * 1e6),
        "copying_us": _rounded(sum(copy.end_s - copy.begin_s for copy in witness.copies) * 1e6),
        "names": names,
    }


def _seen_us(seconds: float) -> float | None:
    return None if math.isnan(seconds) else _rounded(seconds * 1e6)


def _spread_us(runs: Sequence[float], digits: int = 2) -> Spread:
    values = [run * 1e6 for run in runs]
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def _median_us(runs: Sequence[float]) -> float:
    return _rounded(statistics.median(runs) * 1e6)


def _rounded(value: float) -> float:
    return round(value, 2)
