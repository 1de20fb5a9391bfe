"""The values that the explorer's controls have, and the set-ups for which its grid has answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dwdp_sim.advice.advice import possible_states
from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.api.steps import steps_job, workload_of
from dwdp_sim.base.units import format_bytes
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.job.job import StepsJob
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.results.summary_head import memory_bytes
from dwdp_sim.steps.requests import RequestLoad

MODELS: Mapping[str, str] = {
    "deepseek_r1_nvfp4": "DeepSeek-R1, NVFP4",
    "deepseek_r1_fp8": "DeepSeek-R1, FP8",
    "kimi_k2_nvfp4": "Kimi-K2, NVFP4",
    "qwen3_235b_nvfp4": "Qwen3-235B, NVFP4",
    "gpt_oss_120b_mxfp4": "gpt-oss-120b, MXFP4",
}
MACHINES: Mapping[str, str] = {
    "gb200_nvl72": "GB200 NVL72",
    "dgx_b200": "DGX B200",
    "hgx_h200": "HGX H200",
    "dgx_h100": "DGX H100",
}
RANKS = (4, 8)
TOKENS = (2048, 4096, 8192, 16384, 32768)
LONGEST_INPUT = 8192
SEEDS = (0, 1, 2)
SLICES: Mapping[int, str] = {2**20: "1 MiB", 2**21: "2 MiB", 2**23: "8 MiB", 2**25: "32 MiB"}
SMALLEST_OF_EIGHT = 2**21
"""Smallest slice in a group of eight, where smaller ones would double the time that the grid takes."""

HYPOTHESES: Mapping[str, str] = {
    "as configured": "two sources in flight, the oldest first (as the DWDP paper says)",
    "1 source; fair": "one source in flight",
    "all sources; fair": "all sources in flight",
    "1 MiB ahead; fair": "1 MiB requested ahead, in order",
    "2 sources, oldest; equal": "two in flight, equally fast: a busy source slows the other",
    "fastest kernels": "two in flight, and the fastest kernels run",
    "slowest kernels": "two in flight, and the slowest kernels run",
}
"""What may be true: names of `dwdp_sim.fabric.hypotheses` and of the kernels', with what they say."""

_ON_BLACKWELL = "the grid has the NVFP4 weights there"


@dataclass(frozen=True, order=True)
class Setup:
    """A model on so many GPUs of a machine."""

    model: str
    machine: str
    ranks: int

    def job(self, tokens: int) -> StepsJob:
        """The forward steps with default copies and at most so many tokens a step.

        Raises:
            ConfigError: Compute times cannot be had.
        """
        load = RequestLoad(isl=min(tokens, LONGEST_INPUT), ratio=0.8, max_num_tokens=tokens)
        return steps_job(
            model=self.model,
            cluster=self.machine,
            strategy=Strategy(DEFAULT),
            dwdp_size=self.ranks,
            placement=None,
            workload=workload_of("auto", load),
            options=None,
            issue_mode="queued",
            seed=SEEDS[0],
        )

    def strategies(self) -> list[Strategy]:
        """The default copies, then batches of every slice size that the grid has here."""
        least = SMALLEST_OF_EIGHT if self.ranks == max(RANKS) else 0
        return [Strategy(DEFAULT), *(Strategy(BATCHED, slice_bytes=size) for size in SLICES if size >= least)]

    def hypotheses(self, job: StepsJob) -> list[Hypothesis]:
        """The hypotheses of the grid, as they are for a job of this set-up, in their order."""
        step = job.first.steps[0][0]
        found = possible_states(Baseline.of(job), Candidate(Strategy(DEFAULT)), step=step)
        named = {hypothesis.name: hypothesis for hypothesis in found}
        return [named[name] for name in HYPOTHESES]

    def lacking(self) -> str:
        """Why the grid has no answer here, in a few words; empty if it has one."""
        job = self.job(TOKENS[0])
        if job.scenario.workload.compute.fallback:
            return job.scenario.workload.compute.fallback
        needed, there = memory_bytes(job.layer, slots=2).total, load_cluster(self.machine).memory_bytes or 0
        if needed > there:
            return f"experts and slots need {format_bytes(needed)} a GPU, of {format_bytes(there)}"
        blackwell = self.machine in ("gb200_nvl72", "dgx_b200")
        return _ON_BLACKWELL if self.model == "deepseek_r1_fp8" and blackwell else ""


def setups() -> list[Setup]:
    """Every model on every machine with every number of ranks, whether there is an answer or not."""
    return [Setup(model, machine, ranks) for model in MODELS for machine in MACHINES for ranks in RANKS]


def overrides(hypothesis: Hypothesis, job: StepsJob) -> str:
    """The hypothesis as overrides of a command line, without what is configured anyway."""
    constants = job.cluster.constants
    given = [
        f"cluster.constants.{name}.value={value}"
        for name, value in hypothesis.constants
        if constants[name].value != value
    ]
    given += [f"fabric.{name}={value}" for name, value in hypothesis.options if getattr(job.options, name) != value]
    return " ".join([*given, *(f"compute.{name}={value}" for name, value in hypothesis.compute)])
