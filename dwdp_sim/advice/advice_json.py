"""Turn an advice into the content of `advice.json`; docs/advice.md describes the keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dwdp_sim.advice.advice import Advice
from dwdp_sim.advice.engine_settings import engine_settings
from dwdp_sim.advice.findings import Findings, Row
from dwdp_sim.advice.gain_map import MapPoint
from dwdp_sim.advice.turns import what_would_change
from dwdp_sim.advice.verdict import verdict
from dwdp_sim.advice.window_ratio import Load
from dwdp_sim.base.estimate import Estimate
from dwdp_sim.job.job import StepsJob
from dwdp_sim.results.summary_head import layer_head, memory_bytes

ADVICE_SCHEMA_VERSION = 2


def advice_content(job: StepsJob, config_hash: str, advice: Advice, found: dict[str, list[str]]) -> dict[str, Any]:
    """Return the content of `advice.json`.

    Args:
        job: What the user runs.
        config_hash: Of the configuration that the job was made from.
        advice: What was found.
        found: What it rests on.
    """
    findings = advice.findings
    tokens = job.scenario.workload.load.max_num_tokens
    settings = engine_settings(findings.today.candidate, job.layer.placement, tokens)
    return {
        **_head(job, config_hash),
        "schema": ADVICE_SCHEMA_VERSION,
        "complete": not advice.missing,
        "missing": advice.missing,
        "looked_at": _looked_at(findings),
        "verdict": verdict(findings, advice.own),
        "would_change": what_would_change(advice, hides_host=job.issue_mode == "queued"),
        "today": findings.today.candidate.label,
        "best": findings.best.candidate.label,
        "settings": settings,
        "load": _load(advice.load),
        "candidates": [_row(row, advice) for row in findings.rows],
        "screened": [{"candidate": s.candidate.label, "gain": s.gain, "final": s.final} for s in findings.screened],
        "states": [state.name for state in findings.states],
        "layers": findings.layers,
        "turning": None
        if advice.break_evens is None
        else [
            {
                "state": turning.state.name,
                "ratio": list(turning.ratios),
                "gain": [_estimate(gain) for gain in turning.gains],
                "begins_at": turning.begins_at,
                "ends_at": _finite(turning.ends_at),
                "costs": turning.costs,
            }
            for turning in advice.break_evens
        ],
        "slices": None
        if advice.sizes is None
        else [
            {
                "slice_bytes": size.slice_bytes,
                "copies": size.cost.copies,
                "host_s": size.cost.seconds,
                "gain_over_2MiB": _estimate(size.gain),
            }
            for size in advice.sizes
        ],
        "host": None
        if advice.host is None
        else [
            {
                "slice_bytes": row.slice_bytes,
                "issue_slice_s": row.issue_slice_s,
                "host_s": row.host_s,
                "gain_ahead": _estimate(row.ahead),
                "gain_behind": _estimate(row.behind),
            }
            for row in advice.host
        ],
        "placements": None
        if advice.placements is None
        else [
            {
                "num_experts_per_worker": row.placement.num_experts_per_worker,
                "num_prefetch_experts": row.placement.num_prefetch_experts,
                "memory_bytes": row.memory_bytes,
                "fits": row.fits,
                "pulled_bytes": row.pulled_bytes,
                "gain": None if row.gain is None else _estimate(row.gain),
            }
            for row in advice.placements
        ],
        "rests_on": found,
        "wall_s": advice.wall_s,
    }


def _looked_at(findings: Findings) -> dict[str, int]:
    """How much the choice rests on."""
    states = len(findings.states)
    return {
        "hypotheses": states - len(findings.unseen),
        "of_hypotheses": states,
        "candidates": len(findings.screened) or len(findings.rows),
        "seeds": findings.rows[0].iteration.count,
        "layers": findings.layers,
        "of_layers": findings.of_layers,
    }


def map_content(job: StepsJob, config_hash: str, points: Sequence[MapPoint], load: Load) -> dict[str, Any]:
    """Return the content of `map.json`."""
    return {
        **_head(job, config_hash),
        "schema": ADVICE_SCHEMA_VERSION,
        "load": _load(load),
        "points": [
            {
                "ratio": point.ratio,
                "cv": point.cv,
                "gains": {state.name: _estimate(gain) for state, gain in point.gains.items()},
            }
            for point in points
        ],
    }


def _head(job: StepsJob, config_hash: str) -> dict[str, Any]:
    """What `summary.json` begins with."""
    layer, cluster = job.layer, job.cluster
    head = layer_head(
        layer, config_hash=config_hash, cluster=cluster.name, issue_mode=job.issue_mode, home=cluster.home
    )
    return asdict(head) | {"memory_bytes": asdict(memory_bytes(layer, job.scenario.workload.slots))}


def _load(load: Load) -> dict[str, float]:
    return {
        "window_s": load.window_s,
        "before_share": load.before_share,
        "prefetch_s": load.prefetch_s,
        "ratio": load.ratio,
        "cv": load.cv,
    }


def _row(row: Row, advice: Advice) -> dict[str, Any]:
    cost = advice.costs[row.candidate]
    return {
        "candidate": row.candidate.label,
        "iteration_s": _estimate(row.iteration),
        "gain": _estimate(row.gain),
        "gain_range": list(row.gain_range),
        "gains": {state.name: gain for state, gain in row.gains.items()},
        "host": {"copies": cost.copies, "calls": cost.calls, "seconds": cost.seconds},
        "changes": list(row.changes),
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    half = estimate.half_width
    return {"mean": estimate.mean, "half_width": None if math.isnan(half) else half}


def _finite(value: float | None) -> float | str | None:
    """JSON has no infinity."""
    return "beyond" if value is not None and math.isinf(value) else value
