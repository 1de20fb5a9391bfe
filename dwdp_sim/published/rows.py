"""Published figures of DWDP beside the predictions of this model. Nothing is fitted to any of these figures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.steps.compute import read_peaks
from dwdp_sim.steps.dep import dep_layer, dep_step
from dwdp_sim.steps.replications import run_replications
from dwdp_sim.steps.requests import Chunk, RequestLoad, draw_steps
from dwdp_sim.steps.roofline import Roofline
from dwdp_sim.steps.scenario import Scenario

_BLOG = "TensorRT-LLM blog 19 and arXiv 2604.01621"
_SGLANG = "sgl-project/sglang PR 29778"
PREFETCH_S = 4_756_342_272 / 900e9  # the paper's own: all bytes at the nominal rate of NVLink 5
STEP_S, STEP_TOKENS = 1.13158, 29_475  # published iteration at ISL 8K, ratio 0.8, 32,768 tokens; its mean tokens
LAYERS = 58
_ROOFLINE = {1024: (0.19, 0.10), 8192: (0.62, 0.73), 16384: (1.52, 1.27), 32768: (4.77, 1.17)}
_MITIGATION = {(0.5, 16384): 0.086, (0.5, 32768): -0.001, (0.8, 16384): 0.013, (0.8, 32768): 0.010}
_MEAN_TOKENS = {(0.5, 16384): 13_134, (0.5, 32768): 29_646, (0.8, 16384): 14_753, (0.8, 32768): 29_475}
_SGLANG_GAIN = {4096: 0.16, 8192: 0.37, 16384: 0.18}
_SEEDS = range(20)


@dataclass(frozen=True)
class PublishedRow:
    """One published figure.

    Attributes:
        what: The quantity and its inputs.
        unit: `x` (a ratio), `%` or `ms`.
        published: As published, in that unit.
        predicted: By this model.
        half_width: Half of the prediction's 95 % interval; None if nothing is random.
        assumed: What had to be assumed to predict it.
        source: Where it was published.
    """

    what: str
    unit: str
    published: float
    predicted: float
    half_width: float | None
    assumed: str
    source: str

    @property
    def difference(self) -> float:
        """Predicted ÷ published − 1; for gains, which may be zero, predicted − published in points."""
        return self.predicted - self.published if self.unit == "%" else self.predicted / self.published - 1.0


def published_rows(pool: Executor | None, done: Callable[[int, int], None] = lambda n, of: None) -> list[PublishedRow]:
    """Every published figure with its prediction.

    Args:
        pool: Where replications run; None for here.
        done: Called with the number of parts done, and of all.
    """
    parts: list[Callable[[], list[PublishedRow]]] = [
        roofline_rows,
        synchronization_rows,
        sglang_rows,
        partial(peer_copy_rows, pool),
        *(partial(mitigation_rows, ratio, tokens, pool) for ratio, tokens in _MITIGATION),
    ]
    rows: list[PublishedRow] = []
    for number, part in enumerate(parts, start=1):
        rows += part()
        done(number, len(parts))
    return rows


def roofline_rows() -> list[PublishedRow]:
    """One request a step: compute ÷ prefetch, and DEP ÷ DWDP, by input length."""
    config = preset(compute="roofline_gb200")
    times = Roofline(_scenario({}, compute="roofline_gb200").model, read_peaks(config.compute))
    rows = []
    for isl, (share, gain) in _ROOFLINE.items():
        step = (Chunk(isl),)
        compute_s = times.layer(step, LAYERS).total_s
        dep_s = dep_layer(times, [step] * 4, LAYERS).total_s
        note = "a pure roofline: 2.5 PFLOP/s attention, 10 PFLOP/s FP4, 8 TB/s, 900 GB/s"
        rows += [
            PublishedRow(f"compute ÷ prefetch, ISL {isl}", "x", share, compute_s / PREFETCH_S, None, note, _BLOG),
            PublishedRow(
                f"DEP ÷ DWDP, ISL {isl}", "x", gain, dep_s / max(compute_s, PREFETCH_S), None,
                f"{note}; BF16 both ways, expected remote ranks", _BLOG,
            ),
        ]  # fmt: skip
    return rows


def synchronization_rows() -> list[PublishedRow]:
    """Share of a DEP step that goes into waiting for the slowest rank at 20 % variation of the ranks' inputs."""
    config = preset(compute="roofline_gb200")
    times = Roofline(_scenario({}, compute="roofline_gb200").model, read_peaks(config.compute))
    shares = []
    for seed in _SEEDS:
        lengths = np.random.default_rng(seed).normal(8192, 0.2 * 8192, 4).clip(1).astype(int)
        found = dep_step(times, [(Chunk(int(length)),) for length in lengths])
        shares.append(found.synchronization_s / found.total_s)
    estimate = Estimate.of(shares)
    return [
        PublishedRow(
            "DEP: waiting for the slowest rank, inputs vary by 20 %", "%", 11.0, 100 * estimate.mean,
            100 * estimate.half_width, "one request of about 8K a rank, normal; published as 10–12 %", _BLOG,
        )
    ]  # fmt: skip


def peer_copy_rows(pool: Executor | None) -> list[PublishedRow]:
    """Time that a layer's copies take, default strategy, 32,768 tokens."""
    scenario = gain_scenario(DEFAULT.name, 0.8, 32768, STEP_S / LAYERS)
    copy = _estimates(scenario, pool)["copy_s"]
    note = "window: the published iteration ÷ 58 layers, half of it before the wait, in proportion to tokens"
    return [
        PublishedRow(
            "peer copy a layer, ISL 8K, ratio 0.8, 32,768 tokens", "ms", 7.40, 1e3 * copy.mean, 1e3 * copy.half_width,
            f"{note}; the blog's µs read as ms an iteration", _BLOG,
        )
    ]  # fmt: skip


def mitigation_rows(ratio: float, max_num_tokens: int, pool: Executor | None) -> list[PublishedRow]:
    """Gain of batched over default in tokens a second."""
    window_s = STEP_S / LAYERS * _MEAN_TOKENS[ratio, max_num_tokens] / STEP_TOKENS
    scenarios = [gain_scenario(name, ratio, max_num_tokens, window_s) for name in (DEFAULT.name, BATCHED.name)]
    runs = run_replications([(scenario, seed) for scenario in scenarios for seed in _SEEDS], pool)
    times = [run.figures["iteration_s"] for run in runs]
    gain = paired_gain(times[len(_SEEDS) :], times[: len(_SEEDS)])
    note = f"window {window_s * 1e3:.2f} ms: the published one of 32,768 tokens, in proportion to tokens"
    return [
        PublishedRow(
            f"batched over default, ratio {ratio}, {max_num_tokens} tokens", "%",
            100 * _MITIGATION[ratio, max_num_tokens], 100 * gain.mean, 100 * gain.half_width,
            f"{note}; two sources in flight", _BLOG,
        )
    ]  # fmt: skip


def gain_scenario(
    strategy: str, ratio: float, max_num_tokens: int, window_s: float, values: dict[str, Any] | None = None
) -> Scenario:
    """DeepSeek-R1 on four GPUs of a GB200 NVL72 at ISL 8K, with a window in proportion to each step's tokens.

    Slices of 16 MiB stand for the published 1 MB: with host time hidden, 4 and 16 MiB differ by less than 0.1 %.
    """
    chosen: dict[str, Any] = {
        "compute.window_s": window_s,
        "compute.by_tokens": True,
        "workload.ratio": ratio,
        "workload.max_num_tokens": max_num_tokens,
        "workload.iterations": 2,
        "workload.warmup": 1,
    }
    if strategy == BATCHED.name:
        chosen["strategy.slice_bytes"] = "16MiB"
    return _scenario(chosen | (values or {}), strategy=strategy, compute="constant")


def sglang_rows() -> list[PublishedRow]:
    """DWDP over DEP in sglang on four B200, gpt-oss-120b."""
    config = preset(model="gpt_oss_120b_mxfp4", cluster="dgx_b200", compute="roofline_b200")
    rows = []
    for isl, published in _SGLANG_GAIN.items():
        values = {"workload.isl": isl, "workload.ratio": 1.0, "strategy.implementation": "sglang"}
        scenario = _scenario(
            values, model="gpt_oss_120b_mxfp4", cluster="dgx_b200", compute="roofline_b200", strategy=DEFAULT.name
        )
        step_s = run_replications([(scenario, 0)], None)[0].figures["iteration_s"]
        steps = draw_steps(RequestLoad(isl, 1.0, 16384), 4, 2, 0)
        times = Roofline(scenario.model, read_peaks(config.compute))
        dep_s = dep_step(times, [rank[1] for rank in steps]).total_s
        rows.append(
            PublishedRow(
                f"gpt-oss-120b, 4 × B200, DWDP over DEP, ISL {isl}", "%", 100 * published, 100 * (dep_s / step_s - 1),
                None, "a pure roofline at 16,384 tokens a step; equal inputs, so no waiting under DEP", _SGLANG,
            )
        )  # fmt: skip
    return rows


def _estimates(scenario: Scenario, pool: Executor | None) -> dict[str, Estimate]:
    runs = run_replications([(scenario, seed) for seed in _SEEDS], pool)
    return {name: Estimate.of([run.figures[name] for run in runs]) for name in runs[0].figures}


def _scenario(values: dict[str, Any], **groups: str) -> Scenario:
    return build_steps_job(resolve(preset(values, workload="iteration", **groups))).scenario
