"""The published cases: which model, machine, requests and copies were run."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.published.assumptions import AS_ASSUMED, Assumption
from dwdp_sim.steps.compute import compute_times
from dwdp_sim.steps.scenario import Scenario
from dwdp_sim.steps.silicon_times import SiliconTimes

# NVFP4 projections and an FP8 cache follow from bounds on published rows: BF16 projections would take longer at the
# GPU's peak than all published dense products, and BF16 attention would need a rate that no measured row reaches.
_R1: dict[str, Any] = {"compute.projections": "nvfp4", "compute.cache": "fp8"}
_GPT_OSS: dict[str, Any] = {"strategy.implementation": "sglang"}
# With host time hidden, steps with slices of 16 and 64 MiB differ by less than 0.1 %; 1 MB is published.
_SLICES = "64MiB"


@dataclass(frozen=True)
class Case:
    """One published setting.

    Attributes:
        isl: Longest input, tokens.
        ratio: Shortest input as a share of it.
        max_num_tokens: Most tokens of a step.
        strategy: How a layer's experts are pulled.
        model: DeepSeek-R1 NVFP4 on four GPUs of a GB200 NVL72, or `gpt_oss_120b_mxfp4` in sglang on four B200s.
    """

    isl: int
    ratio: float
    max_num_tokens: int
    strategy: str = DEFAULT.name
    model: str = "deepseek_r1_nvfp4"

    @property
    def batched(self) -> Case:
        """The same with batched copies."""
        return replace(self, strategy=BATCHED.name)


BREAKDOWN = Case(8192, 0.8, 32768)
"""The setting whose iteration was published by kind of kernel."""


@functools.cache
def scenario_of(case: Case, changed: Assumption = AS_ASSUMED) -> Scenario:
    """What runs in a case, with one assumption changed."""
    r1 = case.model == "deepseek_r1_nvfp4"
    values: dict[str, Any] = {
        "workload.isl": case.isl,
        "workload.ratio": case.ratio,
        "workload.max_num_tokens": case.max_num_tokens,
        **(_R1 if r1 else _GPT_OSS),
        **({"strategy.slice_bytes": _SLICES} if case.strategy == BATCHED.name else {}),
        **dict(changed.values),
    }
    groups = {"model": case.model, "cluster": "gb200_nvl72" if r1 else "dgx_b200", "strategy": case.strategy}
    job = build_steps_job(resolve(preset(values, workload="iteration", compute="silicon", **groups)))
    cluster, options = changed.hypothesis.machine(job.cluster, job.options)
    constants = constants_for(cluster, job.program, options, in_steps=True)
    return replace(job.scenario, constants=constants, options=options)


def times_of(scenario: Scenario) -> SiliconTimes:
    """The measured kernels of a scenario."""
    times = compute_times(scenario.workload.compute, scenario.model)
    assert isinstance(times, SiliconTimes)
    return times
