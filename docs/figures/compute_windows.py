"""Compute windows and DEP from the roofline, beside what was published: docs/compute.md."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from wording import cells, percent

from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.published.roofline import PREFETCH_S, roofline_rows
from dwdp_sim.steps.compute import read_peaks
from dwdp_sim.steps.dep import DepTimes, dep_layer, dep_step
from dwdp_sim.steps.requests import Chunk, RequestLoad, Step, draw_steps
from dwdp_sim.steps.roofline import Peaks, Roofline, causal_pairs

_LAYER = 3  # the first MoE layer; they are all alike
_RANKS, _STEPS, _SEEDS = 4, 25, 100
_SETTINGS = ((0.5, 16384), (0.5, 32768), (0.8, 16384), (0.8, 32768))
_ISL = 8192


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    model, peaks = _machine()
    ours = {row.what: f"{row.predicted:.3f}" for row in roofline_rows()}
    draws = [_variation(model, peaks, ratio, tokens) for ratio, tokens in _SETTINGS]
    tokens_vary = [f"{100 * tokens:.0f}" for _, tokens, _ in draws]
    return {
        "compute_over_prefetch": cells(*(text for what, text in ours.items() if what.startswith("roofline: compute"))),
        "dep_over_dwdp": cells(*(text for what, text in ours.items() if what.startswith("roofline: DEP"))),
        "hidden_from": f"{_hidden_from(model, peaks):,}",
        "steps_drawn": f"{_RANKS * _STEPS * _SEEDS:,}",
        "tokens_vary": f"{', '.join(tokens_vary[:-1])} and {tokens_vary[-1]} %",
        "windows_vary": cells(*(f"{mean:,.0f}, {percent(window)}" for mean, _, window in draws)),
        "waiting_lengths_vary": percent(_share_of_waiting(model, peaks, 0.2)),
        "waiting_times_vary": percent(_share_of_waiting(model, peaks, 0.136)),
        "dep_iteration": _dep_iteration(model, peaks),
    }


def _machine() -> tuple[MoEModel, Peaks]:
    config = preset(compute="roofline_gb200")
    return build_model(config.model), read_peaks(config.compute)


def _hidden_from(model: MoEModel, peaks: Peaks) -> int:
    """The shortest input whose layer computes as long as its prefetch takes."""

    def computes_s(tokens: int) -> float:
        return Roofline(model, peaks).layer((Chunk(tokens),), _LAYER).total_s

    lengths = range(1024, 32769)
    return lengths[bisect_left(lengths, PREFETCH_S, key=computes_s)]


def _drawn(ratio: float, max_num_tokens: int, seeds: int) -> Iterator[tuple[Step, ...]]:
    """Steps of all ranks, one after another."""
    for seed in range(seeds):
        yield from zip(*draw_steps(RequestLoad(_ISL, ratio, max_num_tokens), _RANKS, _STEPS, seed), strict=True)


def _variation(model: MoEModel, peaks: Peaks, ratio: float, max_num_tokens: int) -> tuple[float, float, float]:
    """Mean tokens of a step, their variation, and that of a MoE layer's compute time."""
    steps = [step for ranks in _drawn(ratio, max_num_tokens, _SEEDS) for step in ranks]
    tokens = np.array([sum(chunk.new_tokens for chunk in step) for step in steps])
    windows = np.array([Roofline(model, peaks).layer(step, _LAYER).total_s for step in steps])
    return float(tokens.mean()), float(tokens.std() / tokens.mean()), float(windows.std() / windows.mean())


def _share_of_waiting(model: MoEModel, peaks: Peaks, variation: float) -> float:
    """Of a DEP layer, one request of about 8K a rank, lengths normal.

    The time before the experts varies 1.44 times as much as the lengths, so 13.6 % of these are 20 % of that.
    """
    lengths = np.random.default_rng(0).normal(_ISL, variation * _ISL, (400, _RANKS)).clip(1).astype(int)
    layers = [dep_layer(Roofline(model, peaks), [(Chunk(int(n)),) for n in ranks], _LAYER) for ranks in lengths]
    return sum(layer.synchronization_s for layer in layers) / sum(layer.total_s for layer in layers)


def _dep_iteration(model: MoEModel, peaks: Peaks) -> str:
    """Milliseconds: scores, dense products, grouped products, others, communication, waiting, all."""
    parts = []
    for ranks in _drawn(0.8, 32768, 10):
        times: DepTimes = dep_step(Roofline(model, peaks), ranks)
        tokens = sum(chunk.new_tokens for step in ranks for chunk in step) / _RANKS
        grouped_s = model.num_moe_layers * Roofline(model, peaks).feed_forward_s(
            tokens * model.top_k, model.intermediate_size, model.num_experts / _RANKS
        )
        scores_s = model.num_layers * _scores_s(model, peaks, ranks)
        dense_s = times.compute_s - scores_s - grouped_s
        parts.append((scores_s, dense_s, grouped_s, times.communication_s, times.synchronization_s, times.total_s))
    scores, dense, grouped, *others = (f"{1e3 * mean:.0f}" for mean in np.mean(parts, axis=0))
    return cells(scores, dense, grouped, "–", *others)


def _scores_s(model: MoEModel, peaks: Peaks, ranks: tuple[Step, ...]) -> float:
    """Scoring keys and weighing values in one layer, mean over ranks."""
    assert model.attention is not None
    pairs = sum(causal_pairs(chunk, 0) for step in ranks for chunk in step) / len(ranks)
    return pairs * model.attention.flops_per_pair / peaks.attention_flops
