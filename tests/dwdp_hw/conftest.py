"""Small plans for tests of the processes, and the way to run them on host memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.case import Case, Settings
from dwdp_hw.launch import run_group
from dwdp_hw.result import RankResult
from dwdp_hw.worker import Work
from dwdp_sim.models import MoEModel
from dwdp_sim.placement import Placement
from dwdp_sim.strategies import Strategy, build_plan

ON_HOST = Settings(executor="host", start_s=60.0)  # its own deadlines: short ones strike on a busy machine


@pytest.fixture
def small_case() -> Callable[..., Case]:
    """Build a case of two ranks with a few kilobytes a layer."""

    def build(name: str = "small", strategy: str = "batched", size: int = 2, **changes: Any) -> Case:
        model = MoEModel("small", 64, 32, 4 * size, 1, 4, 4, "nvfp4")
        placement = Placement.create(model.num_experts, size)
        plan = build_plan(model, placement, Strategy(strategy, slice_bytes=1000))
        labels = {"model": "small", "strategy": strategy, "slice_bytes": 1000}
        return Case(name, plan, labels, ranks=tuple(range(size)), **changes)

    return build


@pytest.fixture
def shared_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of this test's own in which the ranks meet; fails if a run leaves anything in it."""
    folder = tmp_path / "shared"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def run_on_host(shared_folder: Path) -> Callable[..., list[tuple[Case, list[RankResult]]]]:
    """Run cases on two processes with host memory."""

    def run(cases: list[Case], ranks: int = 2, settings: Settings = ON_HOST, **more: Any) -> Any:
        found: list[tuple[Case, list[RankResult]]] = []
        work = Work(tuple(cases), replace(settings, shared_folder=str(shared_folder)))
        run_group(work, ranks, lambda case, results: found.append((case, results)), **more)
        return found

    return run
