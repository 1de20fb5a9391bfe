"""Every plan is recognised in the calls of ranks that run it, and a change of any copy is found where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dwdp_hw.record.groups import Issued, groups_of
from dwdp_hw.record.layers import find_prefetches, repeated
from dwdp_hw.record.reading import read_records
from dwdp_hw.record.recognition import by_model, by_structure, describe
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import BATCHED, BATCHED_PER_ROUND, DEFAULT, RING, offered_by
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.record.record_files import lines_of_rank, write_record


def model_of(experts: int) -> MoEModel:
    return MoEModel("shape", 64, 48, experts, 1, 4, 4, "nvfp4")


def issued_by(plan: CopyPlan, folder: Path, ranks: Any = None) -> Issued:
    for rank in range(plan.placement.dwdp_size) if ranks is None else ranks:
        write_record(folder, rank, lines_of_rank(plan, rank))
    (group,) = groups_of(find_prefetches(read_records(str(folder)), "peer"), "peer")
    return group


@given(
    size=st.integers(2, 5),
    pulled=st.integers(1, 4),
    more=st.integers(0, 2),
    cut=st.sampled_from([700, 1024, 3072]),
    implementation=st.sampled_from(tuple(IMPLEMENTATIONS)),
    choice=st.integers(0, 1),
)
def test_every_plan_that_an_engine_offers_is_recognised_with_and_without_its_model(
    size: int, pulled: int, more: int, cut: int, implementation: str, choice: int, tmp_path_factory: Any
) -> None:
    held = pulled + (more if IMPLEMENTATIONS[implementation].allows_overlap else 0)
    placement = Placement(held + (size - 1) * pulled, size, held, pulled)
    model = model_of(placement.num_experts)
    strategies = offered_by(implementation)
    assume(choice < len(strategies))
    strategy = Strategy(strategies[choice].kind, implementation, cut)
    issued = issued_by(build_plan(model, placement, strategy), tmp_path_factory.mktemp("records"))
    assert describe(strategy) in by_structure(issued).fits
    assert describe(strategy) in by_model(issued, model, placement).fits


def test_with_four_ranks_the_plans_of_an_engine_are_told_apart(tmp_path: Path) -> None:
    placement = Placement.create(16, 4)
    for name in ("trtllm_ipc", "trtllm_vmm"):
        for strategy in (Strategy(DEFAULT, name), Strategy(BATCHED, name, 1024)):
            issued = issued_by(build_plan(model_of(16), placement, strategy), tmp_path / f"{name}_{strategy.name}")
            assert by_model(issued, model_of(16), placement).fits == (describe(strategy),)
            assert by_structure(issued).fits == (describe(strategy),)


def test_one_rank_with_the_lowest_number_cannot_tell_whether_peers_are_rotated(tmp_path: Path) -> None:
    plan = build_plan(model_of(16), Placement.create(16, 4), Strategy(BATCHED, "trtllm_ipc", 1024))
    said = str(by_structure(issued_by(plan, tmp_path / "one", ranks=[0])))
    assert said == (
        "trtllm_ipc, batched, 1 KiB slices, rotated (so does, with the same copies: "
        "trtllm_vmm, batched, 1 KiB slices, no rotation)"
    )
    assert by_structure(issued_by(plan, tmp_path / "other", ranks=[1])).fits == (
        "trtllm_ipc, batched, 1 KiB slices, rotated",
    )


@pytest.mark.parametrize("kind", [RING, BATCHED_PER_ROUND])
def test_what_no_engine_offers_is_named_if_nothing_offered_fits(kind: Any, tmp_path: Path) -> None:
    strategy = Strategy(kind, "trtllm_ipc", 1024)
    issued = issued_by(build_plan(model_of(16), Placement.create(16, 4), strategy), tmp_path / "records")
    assert by_model(issued, model_of(16), Placement.create(16, 4)).fits[0] == describe(strategy)


@given(data=st.data())
def test_the_first_copy_that_differs_is_named(data: st.DataObject, tmp_path_factory: Any) -> None:
    placement, strategy = Placement.create(12, 3), Strategy(BATCHED, "trtllm_vmm", 1024)
    plan = build_plan(model_of(12), placement, strategy)
    folder = tmp_path_factory.mktemp("records")
    for rank in (0, 1):
        write_record(folder, rank, lines_of_rank(plan, rank))
    lines = lines_of_rank(plan, 2)
    copies = [line for line in lines if line["what"] == "copies"]
    place = data.draw(st.integers(0, len(copies[0]["bytes"]) - 1))
    column = data.draw(st.sampled_from(["src", "bytes"]))
    for line in copies:
        line[column][place] = 1 - line["src"][place] if column == "src" else line["bytes"][place] + 1
    write_record(folder, 2, lines)
    (group,) = groups_of(find_prefetches(read_records(str(folder)), "peer"), "peer")
    verdict = by_model(group, model_of(12), placement)
    assert verdict.fits == ()
    assert verdict.nearest == describe(strategy)
    assert verdict.difference is not None
    assert (verdict.difference.rank, verdict.difference.copy) == (2, place)


def test_a_slice_size_that_a_configuration_does_not_promise_is_read_from_the_copies(tmp_path: Path) -> None:
    plan = build_plan(model_of(16), Placement.create(16, 4), Strategy(BATCHED, "trtllm_ipc", 3000))
    issued = issued_by(plan, tmp_path / "records")
    assert by_model(issued, model_of(16), Placement.create(16, 4)).fits == (
        "trtllm_ipc, batched, 3000 B slices, rotated",
    )


def test_another_model_s_plan_does_not_fit(tmp_path: Path) -> None:
    placement = Placement.create(16, 4)
    issued = issued_by(build_plan(model_of(16), placement, Strategy(DEFAULT, "trtllm_ipc")), tmp_path / "records")
    other = by_model(issued, MoEModel("other", 64, 96, 16, 1, 4, 4, "nvfp4"), placement)
    assert str(other.difference) == (
        "rank 0, copy 0: expected 24.58 kB from rank 1 in call 0 (a single copy), "
        "found 12.29 kB from rank 1 in call 0 (a single copy)"
    )


@given(
    before=st.lists(st.integers(10, 12), max_size=3),
    layer=st.lists(st.integers(0, 3), min_size=1, max_size=7),
    times=st.integers(3, 5),
    cut=st.integers(0, 6),
)
def test_repeats_are_found_behind_other_calls_and_with_a_cut_end(
    before: list[int], layer: list[int], times: int, cut: int
) -> None:
    calls = [*layer * times, *layer[: cut % len(layer)]]
    assume(len(before) <= len(layer))
    found = repeated([*before, *calls])
    assert found is not None
    first, length = found
    assert length <= len(layer)
    whole = [*before, *calls][first:]
    assert all(one == other for one, other in zip(whole, whole[length:], strict=False))
    assert first <= len(before) or length < len(layer)


def test_nothing_is_a_repeat_if_nothing_comes_twice() -> None:
    assert repeated([]) is None
    assert repeated([1]) is None
    assert repeated([1, 2, 3]) is None
    assert repeated([1, 1]) == (0, 1)


def test_groups_that_do_not_read_one_another_are_recognised_apart(tmp_path: Path) -> None:
    plans = [
        build_plan(model_of(8), Placement.create(8, 4), Strategy(kind, "trtllm_ipc", 1024))
        for kind in (DEFAULT, BATCHED)
    ]
    for group, plan in enumerate(plans):
        for rank in range(4):
            lines = lines_of_rank(plan, rank)
            for line in lines:
                if line["what"] == "allocation":
                    line["device"] += 4 * group
            write_record(tmp_path / "records", 4 * group + rank, lines)
    found = groups_of(find_prefetches(read_records(str(tmp_path / "records")), "peer"), "peer")
    assert [group.gpus for group in found] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert [str(by_structure(group)) for group in found] == [
        "trtllm_ipc, default, peer-major",
        "trtllm_ipc, batched, 1 KiB slices, rotated",
    ]
