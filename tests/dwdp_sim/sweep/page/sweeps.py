"""Results folders as sweeps leave them, made in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from dwdp_sim.job.build import build_run
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.columns import SCHEMA
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, failure_rows, result_rows, write_pieces, write_rows
from tests.dwdp_sim.composing import config_object

# Two H200s and a layer of DeepSeek-V3-Lite with 36 experts a peer, as in measurements/h200_x2_live_validation.json.
LAYER = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2")
STEPS = (
    *LAYER, "workload=iteration", "workload.iterations=1", "workload.isl=1024", "workload.max_num_tokens=1024",
    "workload.replications=2", "compute=roofline_h200",
)  # fmt: skip
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write_sweep(path: Path, lines: Sequence[Sequence[str]]) -> Path:
    """Run the jobs of these command lines and write their rows; a job that cannot be built becomes a failure."""
    folder = Folder(path)
    for number, overrides in enumerate(lines):
        job = hashlib.sha256(repr(overrides).encode()).hexdigest()[:32]
        asked = Asked(job, job, tuple(overrides), config_object(*overrides))
        run = Run("sweep", BEGAN + timedelta(seconds=number), 0.25)
        try:
            built = build_run(config_object(*overrides), overrides)
            write_rows(folder.rows(job), result_rows(asked, built, summarize_run(built), run))
        except ValueError as error:
            write_rows(folder.failure(job), failure_rows(asked, str(error), run))
    return path


def write_many(path: Path, jobs: int) -> Path:
    """A merged file of `jobs` jobs of four ranks: one real job again and again, with other seeds and times."""
    overrides = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB")
    built = build_run(config_object(*overrides), overrides)
    summary = summarize_run(built)
    asked = Asked("", "", overrides, config_object(*overrides))
    rows = result_rows(asked, built, summary, Run("sweep", BEGAN, 0.25)).to_pylist()
    many = []
    for number in range(jobs):
        strategy, seed = ("batched", "waves")[number % 2], number // 2
        config = json.dumps(json.loads(rows[0]["config_json"]) | {"seed": seed}, sort_keys=True)
        changed = {"job": f"{number:032x}", "asked_hash": f"{number:032x}", "seed": seed, "strategy": strategy}
        longer = 1 + 0.1 * (number % 7)
        changed |= {"config_json": config, "prefetch_latency_mean_s": rows[0]["prefetch_latency_mean_s"] * longer}
        many += [{**row, **changed} for row in rows]
    write_pieces(path / "jobs" / "compact-many.parquet", [pa.Table.from_pylist(many, SCHEMA)])
    return path
