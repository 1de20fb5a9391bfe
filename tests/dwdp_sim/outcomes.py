"""A dozen commands and what they said; `python -m tests.dwdp_sim.outcomes` writes it anew if a change is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.results.predict import summarize_run
from tests.dwdp_sim.composing import checked

STORED = Path(__file__).with_name("outcomes.json")
LAYER = ("model=deepseek_v3_lite_nvfp4", "workload.range=false", "workload.draws=2")
STEPS = (
    "workload=iteration", "model=deepseek_v3_lite_nvfp4", "model.num_layers=5", "model.num_moe_layers=4",
    "workload.iterations=2", "workload.replications=2", "workers=1", "workload.range=false",
)  # fmt: skip
CASES = {
    "default": (*LAYER, "strategy=default"),
    "default, VMM": (*LAYER, "strategy=default", "strategy.implementation=trtllm_vmm"),
    "default, sglang": (*LAYER, "strategy=default", "strategy.implementation=sglang"),
    "ring": (*LAYER, "strategy=ring"),
    "batched": (*LAYER, "strategy=batched"),
    "batched, as issued": (*LAYER, "strategy=batched", "issue_mode=as_issued"),
    "rounds": (*LAYER, "strategy=batched_per_round"),
    "paced rounds": (*LAYER, "strategy=paced_rounds"),
    "waves": (*LAYER, "strategy=waves"),
    "a window of bytes": (
        *LAYER, "cluster.constants.refill.value=bytes", "cluster.constants.in_flight_bytes.value=1MiB",
    ),
    "two engines": (*LAYER, "cluster.constants.in_flight_sources.value=1", "cluster.constants.batch_engines.value=2"),
    "offsets": (*LAYER, "workload.start=offsets", "workload.offsets_s=[0,1e-4,2e-4,3e-4]"),
    "forward steps": (*STEPS, "strategy=default"),
    "carry over": (*STEPS, "compute=constant", "compute.window_s=6e-4", "workload.carry_over=true"),
}  # fmt: skip


def outcome(case: str) -> dict[str, Any]:
    """The summary of a case, but for how long it took and what its configuration hashes to."""
    summary = json.loads(json.dumps(summarize_run(checked(*CASES[case])).to_dict()))
    return {name: value for name, value in summary.items() if name not in ("wall_s", "config_hash")}


if __name__ == "__main__":
    STORED.write_text(json_rows({case: outcome(case) for case in CASES}, levels=1), encoding="utf-8")
