"""The plain SimPy script beside the engines: it is a fair comparison only where it simulates the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.cases import MIB, Case, first_slices, layer
from benchmarks.speed.engines import PLAIN, SIMPY, measure
from benchmarks.speed.plain_simpy import ends_s
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.program import Program, ProgramStream


def random_layer(seed: int) -> Program:
    """2 to 6 ranks that start at odd times, each with a batch of slices of odd sizes from any of the others."""
    draw = np.random.default_rng(seed)
    ranks = int(draw.integers(2, 7))
    streams = []
    for rank in range(ranks):
        count = int(draw.integers(1, 12))
        sources = (rank + draw.integers(1, ranks, count)) % ranks
        sizes, start_s = draw.integers(1, 4 * MIB, count), float(draw.uniform(0.0, 2e-5)) if rank else 0.0
        streams.append(ProgramStream(rank, sources, rank, sizes, np.array([count]), BATCH, start_s=start_s))
    return Program.build(ranks, streams)


@given(seed=st.integers(0, 10_000))
def test_random_batches_end_when_the_engine_says(seed: int) -> None:
    program = random_layer(seed)
    np.testing.assert_allclose(measure(PLAIN, program).ends_s, measure(SIMPY, program).ends_s, rtol=1e-9)


@pytest.mark.parametrize("in_step", [True, False])
@pytest.mark.parametrize("ranks", [2, 4, 16])
def test_the_first_slices_of_a_layer_end_when_the_engine_says(ranks: int, in_step: bool) -> None:
    program = first_slices(layer(Case(ranks, 2 * MIB, in_step)), 20)
    np.testing.assert_allclose(measure(PLAIN, program).ends_s, measure(SIMPY, program).ends_s, rtol=1e-9)


def test_two_readers_of_one_source_get_half_of_its_link_each() -> None:
    assert ends_s(100.0, [0.0, 0.0, 0.0], [[], [(0, 1000)], [(0, 500)]]) == pytest.approx([0.0, 15.0, 10.0])


def test_two_slices_of_one_source_move_one_after_another_and_of_two_sources_together() -> None:
    alone_s = ends_s(100.0, [0.0] * 3, [[], [], [(0, 1000), (0, 1000)]])
    beside_s = ends_s(100.0, [0.0] * 3, [[(1, 1000)], [], [(1, 1000), (0, 1000)]])
    assert alone_s == pytest.approx([0.0, 0.0, 20.0])
    assert beside_s == pytest.approx([20.0, 0.0, 20.0])
