"""What a row says of its streams is the program that ran."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.rows.streams_codec import fold_streams, unfold_streams
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.program import Program, program_from_plan
from dwdp_sim.plan.strategy import Strategy

R1 = MoEModel("r1", 7168, 2048, 256, 1, 1, 1, "nvfp4")


def program(strategy: Strategy, ranks: int, model: MoEModel = R1, **more: object) -> Program:
    return program_from_plan(build_plan(model, Placement.create(model.num_experts, ranks), strategy), **more)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(list(STRATEGIES)),
    st.sampled_from(("trtllm_ipc", "trtllm_vmm")),
    st.sampled_from(("none", "group")),
    st.integers(1000, 30000), st.integers(2, 6),
)  # fmt: skip
def test_any_strategy_s_program_survives_being_written_as_a_row(
    name: str, implementation: str, barrier: str, slice_bytes: int, ranks: int
) -> None:
    small = MoEModel("small", 128, 64, 4 * ranks + 1, 1, 1, 1, "nvfp4")
    starts = [1e-6 * 50 * rank for rank in range(ranks)]
    before = program(
        Strategy(STRATEGIES[name], implementation, slice_bytes, barrier=barrier), ranks, small, start_s=starts
    )
    after = unfold_streams(json.loads(json.dumps(fold_streams(before))), ranks, queued=True)
    for column in (field.name for field in fields(Program)):
        assert np.allclose(getattr(after, column), getattr(before, column), rtol=0, atol=1e-12), column


@pytest.mark.parametrize("implementation", ["trtllm_ipc", "trtllm_vmm"])
def test_a_whole_layer_of_2_mib_slices_takes_a_few_hundred_numbers(implementation: str) -> None:
    # 2,274 or 2,268 copies a rank: for each parameter (IPC) or in all (VMM) the three peers' whole slices repeat.
    text = json.dumps(fold_streams(program(Strategy(STRATEGIES["batched"], implementation), 4)))
    assert len(text) < 4 * 1200


def test_streams_that_contradict_themselves_are_refused() -> None:
    streams = fold_streams(program(Strategy(STRATEGIES["default"]), 4))
    streams[1]["calls"] = [[1, 1]]
    with pytest.raises(ConfigError, match=r"streams\[1\]: 18 pulls in calls of 1; equal counts"):
        unfold_streams(streams, 4, queued=True)
    streams = fold_streams(program(Strategy(STRATEGIES["default"]), 4))
    with pytest.raises(ConfigError, match="GPUs below 3"):
        unfold_streams(streams, 3, queued=True)
