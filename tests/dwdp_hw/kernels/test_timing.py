"""How a layer is timed: every operation and both parts in each round."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwdp_hw.kernels.timing import Effort, Rounds, time_layer
from tests.dwdp_hw.kernels.cpu_torch import CpuTorch, cpu_layer
from tests.dwdp_hw.kernels.test_numerics import MODELS

EFFORT = Effort(warmups=0, repeats=2, rounds=3, chain=2)


def test_a_figure_is_the_median_of_the_rounds_medians_and_keeps_how_far_they_lie_apart() -> None:
    rounds = Rounds.of([[1e-3, 2e-3, 9e-3], [3e-3, 3e-3, 3e-3], [1e-3, 1e-3, 4e-3]])
    assert rounds.medians_s == (2e-3, 3e-3, 1e-3)
    assert (rounds.median_s, rounds.min_s, rounds.max_s) == (2e-3, 1e-3, 9e-3)
    assert rounds.spread == pytest.approx(1.0)
    assert rounds.as_dict() == {
        "median_us": 2000.0,
        "min_us": 1000.0,
        "max_us": 9000.0,
        "rounds_us": [2000.0, 3000.0, 1000.0],
    }


def test_every_operation_and_both_parts_are_timed_in_every_round() -> None:
    torch = CpuTorch()
    layer = cpu_layer(torch, MODELS["latent"], (8, 4))
    timing = time_layer(torch, layer, EFFORT)
    assert list(timing.operations) == list(layer.names)
    assert timing.moe is not None
    for rounds in (*timing.operations.values(), timing.before, timing.moe):
        assert len(rounds.medians_s) == EFFORT.rounds
        assert 0 < rounds.min_s <= rounds.median_s <= rounds.max_s


def test_a_layer_without_experts_is_one_part() -> None:
    torch, model = CpuTorch(), replace(MODELS["latent"], num_layers=3, dense_intermediate_size=80)
    timing = time_layer(torch, cpu_layer(torch, model, (8, 4), dense=True), EFFORT)
    assert timing.moe is None
    assert timing.before.median_s > 0
