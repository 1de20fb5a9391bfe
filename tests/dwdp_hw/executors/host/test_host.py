"""The host executor: every remote expert's bytes land in place, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_hw.executors.host import arena as host
from dwdp_hw.executors.layout import GUARD_BYTES, Layout
from dwdp_hw.executors.pattern import Bytes, pattern_bytes, seed_of
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

LAYERS = 3


@st.composite
def plans(draw: st.DrawFn) -> CopyPlan:
    size = draw(st.integers(2, 5))
    pulled = draw(st.integers(1, 4))
    held = pulled + draw(st.integers(0, 3))
    placement = Placement(held + (size - 1) * pulled, size, held, pulled)
    fmt = draw(st.sampled_from(("nvfp4", "fp8_block", "bf16")))
    model = MoEModel(
        "random", 16 * draw(st.integers(1, 4)), 16 * draw(st.integers(1, 4)), placement.num_experts, 1, 4, 4, fmt
    )
    implementation = draw(
        st.sampled_from(("trtllm_ipc", "trtllm_vmm") if placement.overlaps else ("trtllm_ipc", "sglang"))
    )
    name = draw(st.sampled_from(list(STRATEGIES)))
    slice_bytes = draw(st.one_of(st.none(), st.integers(1, 3000)))
    return build_plan(
        model, placement, Strategy(STRATEGIES[name], implementation, slice_bytes, draw(st.integers(1, 9)))
    )


def run(plan: CopyPlan, layer: int, executed: CopyPlan | None = None) -> list[tuple[Bytes, Bytes, str | None]]:
    """Run `executed` on every rank: slot arena before and after, and what the check against `plan` says."""
    layout = Layout.of(plan, LAYERS)
    ranks = range(plan.placement.dwdp_size)
    residents = {r: np.zeros(layout.resident_bytes, np.uint8) for r in ranks}
    for rank, arena in residents.items():
        host.write_sources(arena, layout, rank)
    results = []
    for rank in ranks:
        slots = np.full(layout.slots_bytes, 0xA5, np.uint8)
        host.poison(slots, plan, layout, rank, layer, ranks)
        before = slots.copy()
        host.run_layer(executed or plan, layout, rank, layer, residents, slots)
        results.append((before, slots, host.first_wrong(slots, executed or plan, layout, rank, layer, ranks)))
    return results


@settings(max_examples=60, deadline=None, derandomize=True)
@given(plans(), st.integers(0, LAYERS - 1))
def test_every_remote_experts_bytes_land_in_place_and_nothing_else_is_touched(plan: CopyPlan, layer: int) -> None:
    layout = Layout.of(plan, LAYERS)
    for rank, (before, after, wrong) in enumerate(run(plan, layer)):
        assert wrong is None
        placement = plan.placement
        touched = np.zeros(len(after), bool)
        for parameter, size in enumerate(layout.parameter_bytes):
            for expert in set(range(placement.num_experts)) - set(placement.resident(rank)):
                start = layout.slot_offset(layer % 2, parameter) + placement.remote_index(rank, expert) * size
                touched[start : start + size] = True
                candidates = [
                    pattern_bytes(
                        seed_of(peer, layer, parameter), (expert - placement.resident(peer).start) * size, size
                    ).tobytes()
                    for peer in range(placement.dwdp_size)
                    if expert in placement.resident(peer)
                ]
                assert after[start : start + size].tobytes() in candidates
        assert (after[~touched] == before[~touched]).all()
        assert (after[touched] != before[touched]).all()  # the poison differs in every byte


@settings(max_examples=40, deadline=None, derandomize=True)
@given(plans(), st.data())
def test_a_slice_read_from_a_shifted_place_is_caught_and_named(plan: CopyPlan, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(plan.copy_bytes) - 1))
    src = plan.copy_src_offset.copy()
    src[row] += 1 if src[row] == 0 else -1
    wrong = replace(plan, copy_src_offset=src)
    rank = int(plan.copy_rank[row])
    message = run(plan, 1, executed=wrong)[rank][2]
    within = row - int(np.flatnonzero(plan.copy_rank == rank)[0])
    assert message is not None
    assert message.startswith(f"slice {within} of rank {rank} (layer 1, peer {plan.copy_peer[row]}, ")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(plans(), st.data())
def test_a_slice_written_one_byte_off_is_caught(plan: CopyPlan, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(plan.copy_bytes) - 1))
    dst = plan.copy_dst_offset.copy()
    dst[row] += 1
    assert run(plan, 0, executed=replace(plan, copy_dst_offset=dst))[int(plan.copy_rank[row])][2] is not None


def test_a_missing_slice_is_named_as_a_place_that_no_slice_writes() -> None:
    placement = Placement.create(4, 2)
    model = MoEModel("small", 32, 32, 4, 1, 1, 1, "bf16")
    plan = build_plan(model, placement, Strategy(STRATEGIES["batched"], slice_bytes=1024))
    size = plan.copy_bytes.copy()
    size[1] -= 8
    message = run(plan, 0, executed=replace(plan, copy_bytes=size))[0][2]
    assert message == "w3_w1_weight, byte 2040 of the slot's buffer: no slice of the plan writes there"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 200), st.integers(1, 100))
def test_the_pattern_does_not_depend_on_where_reading_starts(seed: int, offset: int, size: int) -> None:
    whole = pattern_bytes(seed, 0, offset + size)
    assert (pattern_bytes(seed, offset, size) == whole[offset:]).all()


@pytest.mark.parametrize("field", range(3))
def test_the_pattern_differs_by_rank_layer_and_parameter(field: int) -> None:
    seeds = {seed_of(*(value if i == field else 7 for i in range(3))) for value in range(300)}
    assert len(seeds) == 300


@settings(max_examples=40, deadline=None, derandomize=True)
@given(plans())
def test_buffers_and_guards_tile_the_slot_arena(plan: CopyPlan) -> None:
    layout = Layout.of(plan, LAYERS)
    covered = np.zeros(layout.slots_bytes, np.int64)
    for offset, size in layout.guards():
        assert size >= GUARD_BYTES
        covered[offset : offset + size] += 1
    for slot in range(2):
        for parameter, size in enumerate(layout.parameter_bytes):
            start = layout.slot_offset(slot, parameter)
            covered[start : start + layout.remote * size] += 1
    assert (covered == 1).all()
