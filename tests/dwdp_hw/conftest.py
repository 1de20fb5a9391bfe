"""Small plans run by processes on host memory, and a simulated machine with its recorded rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.bundle.make import make_bundle
from dwdp_hw.cases.case import Case, Labels, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.rows.recording import Recording
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.bundle.recorded import WHOLE
from tests.dwdp_hw.simulated_machine import rates, record

ON_HOST = Settings(executor="host", start_s=60.0)  # its own deadlines: short ones strike on a busy machine


@pytest.fixture(scope="session")
def on_a_gpu() -> None:
    """Skip where there is no GPU."""
    try:
        count_gpus()
    except NoGpuError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_case() -> Callable[..., Case]:
    """Build a case of two ranks with a few kilobytes a layer."""

    def build(name: str = "small", strategy: str = "batched", size: int = 2, **changes: Any) -> Case:
        model = MoEModel("small", 64, 32, 4 * size, 1, 4, 4, "nvfp4")
        placement = Placement.create(model.num_experts, size)
        plan = build_plan(model, placement, Strategy(STRATEGIES[strategy], slice_bytes=1000))
        labels = Labels(model="small", strategy=strategy, implementation="trtllm_ipc", slice_bytes=1000)
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


@pytest.fixture(scope="module")
def base() -> Cluster:
    return read_cluster("h200_x2").with_values({"both_ways_gap_factor": 1.0})


@pytest.fixture(scope="module")
def machine(base: Cluster) -> Cluster:
    """Another machine: every constant that rows can tell differs."""
    loss = {"pull": 0.9, "push": 0.989}
    return base.with_values({
        **rates(500e9), "peer_fixed_s": 7e-6, "peer_gap_s": [[65536, 2e-6], [1048576, 3e-6], [8388608, 5e-6]],
        "both_ways_egress": loss, "both_ways_ingress": loss, "issue_batch_s": 2e-5, "issue_slice_s": 9e-7,
    })  # fmt: skip


@pytest.fixture(scope="module")
def recording(machine: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("rows") / "rows.json", machine)


@pytest.fixture(scope="session")
def whole() -> bytes:
    """A bundle of two calibrations of two H200s, a validation, and the constants fitted to the former."""
    return make_bundle(WHOLE)
