"""How long a layer's measured kernels take beside its prefetch, by model, machine and tokens a step."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from wording import cells

from dwdp_sim.fabric.lower_bound import lower_bound_s
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.steps.compute import ComputeConfig, compute_times
from dwdp_sim.steps.compute_times import representatives
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.window_hypotheses import window_hypotheses, with_settings

_TOKENS = (4096, 8192, 16384, 32768)
_LONGEST = 8192  # tokens of a request
_CASES = {
    "r1_gb200": ("deepseek_r1_nvfp4", "gb200_nvl72", "trtllm_ipc"),
    "kimi_gb200": ("kimi_k2_nvfp4", "gb200_nvl72", "trtllm_ipc"),
    "qwen_gb200": ("qwen3_235b_nvfp4", "gb200_nvl72", "trtllm_ipc"),
    "r1_b200": ("deepseek_r1_nvfp4", "dgx_b200", "trtllm_ipc"),
    "gpt_oss_b200": ("gpt_oss_120b_mxfp4", "dgx_b200", "sglang"),
    "r1_fp8_h200": ("deepseek_r1_fp8", "hgx_h200", "trtllm_ipc"),
}


def figures() -> dict[str, str]:
    """Of each case a row of cells, and of DeepSeek-R1 on GB200 all cells but the first."""
    rows = {name: [_cell(*case, tokens) for tokens in _TOKENS] for name, case in _CASES.items()}
    single = {f"r1_gb200_{n // 1024}k": cell for n, cell in list(zip(_TOKENS, rows["r1_gb200"], strict=True))[1:]}
    return {name: cells(*row) for name, row in rows.items()} | single


def _cell(model: str, cluster: str, implementation: str, tokens: int) -> str:
    """The ratio as configured, and from the fastest to the slowest kernels."""
    as_configured, low, high = window_ratio(model, cluster, implementation, tokens)
    return f"{as_configured:.1f} ({low:.1f}–{high:.1f})"


def window_ratio(model: str, cluster: str, implementation: str, tokens: int) -> tuple[float, float, float]:
    """Return a MoE layer's compute window over its uncontended prefetch: as configured, lowest and highest.

    Args:
        model, cluster: Presets.
        implementation: Whose copies.
        tokens: Of a forward step.
    """
    values = {"strategy.implementation": implementation}
    config = preset(values, model=model, cluster=cluster, strategy="default", workload="iteration", compute="silicon")
    job = build_steps_job(resolve(config))
    step = tuple(Chunk(min(tokens, _LONGEST)) for _ in range(max(tokens // _LONGEST, 1)))
    prefetch_s = lower_bound_s(job.scenario.program, job.scenario.constants)
    as_configured, *ends = (window_s / prefetch_s for window_s in _windows_s(job, step))
    return as_configured, min(ends), max(ends)


def _windows_s(job: StepsJob, step: tuple[Chunk, ...]) -> Iterator[float]:
    """Mean time of a MoE layer, as configured, with the fastest and with the slowest kernels."""
    compute, model = job.scenario.workload.compute, job.layer.model
    ends = {one.name: one for one in window_hypotheses(compute, model, step)}
    for settings in ((), ends["fastest kernels"].compute, ends["slowest kernels"].compute):
        yield _window_s(job, with_settings(compute, settings), step)


def _window_s(job: StepsJob, compute: ComputeConfig, step: tuple[Chunk, ...]) -> float:
    times = compute_times(compute, job.layer.model)
    assert times is not None
    return mean(times.layer(step, layer).total_s for layer in representatives(job.layer.model))
