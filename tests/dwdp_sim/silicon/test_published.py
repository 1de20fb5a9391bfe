"""The published breakdown of an iteration, DeepSeek-R1 NVFP4 on four GB200s, against measured kernels.

Inputs uniform in 0.8 to 1 times 8,192 tokens, 32,768 tokens a step (TensorRT-LLM's blog 19 and arXiv 2604.01621), in
milliseconds. Two formats follow from bounds on the published rows: BF16 projections would take longer at the GPU's
peak rate than all published dense products, and attention in BF16 would need a rate that no row reaches.
"""

from __future__ import annotations

import functools
import math

import pytest

from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.layer import exchange_operations, layer_operations
from dwdp_sim.silicon.operation import seconds_of
from dwdp_sim.silicon.tables import Tables
from dwdp_sim.steps.requests import RequestLoad, count_tokens, draw_steps
from tests.dwdp_sim.silicon.models import shipped

RANKS, ITERATIONS = 4, 8
CHOICES = Choices(cache="fp8", projections="nvfp4")
PUBLISHED_MS = {"grouped": (342.40, 337.42), "attention and dense": (447.17, 509.84), "communication": (126.74,)}
NEAR = 0.15


@functools.cache
def predicted_ms() -> dict[str, float]:
    """Mean over ranks and iterations."""
    model, tables = shipped("deepseek_r1_nvfp4"), Tables.presets()
    steps = draw_steps(RequestLoad(8192, 0.8, 32768), RANKS, ITERATIONS, seed=0)
    count = RANKS * ITERATIONS
    dense = [layer_operations(model, tables, "gb200", CHOICES, step, 0) for rank in steps for step in rank]
    moe = [layer_operations(model, tables, "gb200", CHOICES, step) for rank in steps for step in rank]
    tokens = round(math.fsum(map(sum, count_tokens(steps))) / count)
    exchange = seconds_of(exchange_operations(model, tables, "gb200", CHOICES, tokens, RANKS))
    lead, layers = model.num_dense_layers, model.num_moe_layers
    both_s = [
        lead * seconds_of(a, "attention", "dense") + layers * seconds_of(b, "attention", "dense")
        for a, b in zip(dense, moe, strict=True)
    ]
    return {
        "grouped": 1e3 * layers * math.fsum(seconds_of(one, "grouped") for one in moe) / count,
        "attention and dense": 1e3 * math.fsum(both_s) / count,
        "communication": 1e3 * layers * exchange,
    }


@pytest.mark.parametrize("kind", PUBLISHED_MS)
def test_measured_kernels_lie_within_15_percent_of_the_published_breakdown(kind: str) -> None:
    for published in PUBLISHED_MS[kind]:
        assert predicted_ms()[kind] == pytest.approx(published, rel=NEAR)
