"""Small trials to ask for advice."""

from __future__ import annotations

from typing import Any

from dwdp_sim.advice.config import AdviseTree
from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.advice.trials import Trials
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve

# Three layers of 8 experts a rank: 8 × 6.6 MB from each peer, 0.1 ms windows.
SMALL = {
    "model.num_layers": 4,
    "model.num_moe_layers": 3,
    "model.num_experts": 16,
    "dwdp.dwdp_size": 2,
    "compute.window_s": 1e-4,
    "workload.iterations": 1,
    "workload.replications": 2,
}


def small_config(**values: Any) -> AdviseTree:
    """V3-Lite's experts; `values` with `__` for dots."""
    chosen = SMALL | {key.replace("__", "."): value for key, value in values.items()}
    groups = {"model": "deepseek_v3_lite_nvfp4", "compute": "constant", "strategy": "default"}
    return AdviseTree(**vars(preset(chosen, workload="iteration", **groups)))


def small_job(**values: Any) -> tuple[AdviseTree, StepsJob]:
    config = small_config(**values)
    return config, build_steps_job(resolve(config))


def small_baseline(**values: Any) -> Baseline:
    return Baseline.of(small_job(**values)[1])


def iteration_s(baseline: Baseline, trial: Trial, seed: int) -> float:
    """The time of a forward step of one trial and seed, simulated alone."""
    return Trials(baseline, None).times(trial, [seed])[0]


def free(rate: float = 1e9, **constants: Any) -> dict[str, Any]:
    """Values under which links of `rate` bytes a second are all there is, with some constants replaced."""
    names = {f"{kind}_bytes_per_s": rate for kind in ("egress", "ingress", "pair")}
    names |= {"peer_fixed_s": 0.0, "event_s": 0.0, "peer_gap_s": [[1, 0.0]], "both_ways_gap_factor": 1.0}
    names |= {kind: {"pull": 1.0, "push": 1.0} for kind in ("both_ways_egress", "both_ways_ingress")}
    names |= {f"incast_factor_{readers}": {"pull": 1.0, "push": 1.0} for readers in ("2", "3", "4_up")}
    names |= {f"issue_{part}_s": 0.0 for part in ("async", "batch", "slice")}
    return {f"cluster__constants__{name}__value": value for name, value in (names | constants).items()}
