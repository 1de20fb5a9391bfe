"""The cases of live checks: the same on GPUs and, with smaller sizes, on host memory, and a reference of their kind."""

from __future__ import annotations

import pytest

from dwdp_hw.cases.case import Settings
from dwdp_hw.cases.shapes import SHRINK_ON_HOST
from dwdp_hw.validation.live import calibration_cases, reference_case, shrink_of, validation_cases


@pytest.mark.parametrize("gpus", [1, 2, 3])
def test_host_memory_rehearses_the_same_cases_with_sizes_divided(gpus: int) -> None:
    for build, close in ((calibration_cases, 0.0), (validation_cases, 0.3)):  # a layer's sides are multiples of 32
        large, small = build(gpus), build(gpus, SHRINK_ON_HOST)
        assert [case.name for case in large] == [case.name for case in small]
        assert len({case.name for case in large}) == len(large)
        for one, other in zip(large, small, strict=True):
            assert (one.home, one.ranks, one.issue_mode) == (other.home, other.ranks, other.issue_mode)
            rank = one.ranks[0]
            times = one.plan.bytes_per_rank()[rank] / other.plan.bytes_per_rank()[rank]
            assert times == pytest.approx(SHRINK_ON_HOST, rel=close, abs=0.0)


@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_the_reference_crosses_the_link_of_the_cases(gpus: int) -> None:
    reference = reference_case(gpus)
    for case in (*calibration_cases(gpus), *validation_cases(gpus)):
        assert case.home == reference.home
        assert case.plan.placement.dwdp_size == reference.plan.placement.dwdp_size
        assert case.measure == "layer"  # rounds are of timed copies
    assert len(reference.plan.copy_bytes) == 1


def test_only_host_memory_shrinks() -> None:
    assert shrink_of(Settings()) == 1
    assert shrink_of(Settings(executor="host")) == SHRINK_ON_HOST
