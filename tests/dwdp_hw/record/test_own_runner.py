"""This project's own runner: its CUDA executor on a driver without a GPU; its host executor, which calls nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dwdp_hw.record.inside.call_log import CallLog
from dwdp_hw.record.inside.cuda_calls import watch_cuda
from dwdp_hw.record.inside.record_file import RecordFile
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.executors.cuda.conftest import Measure, cuda, measure, small_layer
from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda
from tests.dwdp_hw.record.conftest import Run, calls_of, lines_of

__all__ = ["cuda", "measure"]  # fixtures of the other folder


@pytest.mark.parametrize(
    "strategy", [Strategy(DEFAULT), Strategy(BATCHED, slice_bytes=700)], ids=["default", "batched"]
)
def test_the_cuda_executor_issues_the_very_copies_of_its_plan(
    strategy: Strategy, cuda: FakeCuda, measure: Measure, tmp_path: Path
) -> None:
    log = CallLog()
    assert "cudaMemcpyBatchAsync" in watch_cuda(sys.modules["cuda.bindings.runtime"], log)
    case = small_layer(strategy, issue="lists", detail=False)
    measure(case)
    plan = case.plan
    own = plan.call_rank == 0
    wanted = [plan.copy_bytes[plan.copy_call == call].tolist() for call in range(len(own)) if own[call]]
    made = list(log.pending)
    file = RecordFile(str(tmp_path), log)
    file.open()
    for call in made:
        file.call(call)
    file.flush()
    found = [size for _, size, _ in calls_of(lines_of(tmp_path)[0])]
    assert found == wanted * (len(found) // len(wanted))
    assert len(found) >= len(wanted) * (case.warmups + case.repeats)
    assert {call[4] for call in made} == {"cudaMemcpyBatchAsync" if plan.call_issue[0] == BATCH else "cudaMemcpyAsync"}


def test_the_host_executor_runs_under_the_recorder_and_nothing_is_claimed_of_it(record: Run, tmp_path: Path) -> None:
    model = ("model.num_experts=4", "model.hidden_size=64", "model.intermediate_size=48", "model.top_k=1")
    ended = record("-m", "dwdp_hw.app", "backend=host", *model, "strategy.slice_bytes=1000", "hydra.run.dir=run")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run" / "summary.json").exists()
    records = lines_of(tmp_path / "records")
    assert len(records) >= 2  # the ranks import torch
    assert [calls_of(lines) for lines in records] == [[]] * len(records)
