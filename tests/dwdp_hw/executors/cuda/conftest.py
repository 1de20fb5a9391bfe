"""A fake CUDA, and ranks as threads that measure on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.cases.shapes import model_case
from dwdp_hw.executors.cuda.rank import CudaRank
from dwdp_hw.group.faults import Whereabouts
from dwdp_hw.group.group import Group, Seat
from dwdp_hw.run.measure import measure_case
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda
from tests.dwdp_hw.group.memory_store import MemoryStore

SMALL = ("small", 64, 48, "nvfp4")  # a few kilobytes an expert
Measure = Callable[..., list[RankResult]]


@pytest.fixture(params=[12090, 13000], ids=["cuda12", "cuda13"])
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """A driver of CUDA 12.9, and one of 13.0."""
    fake = FakeCuda(request.param)
    fake.install(monkeypatch)
    yield fake
    fake.stop()


def small_layer(strategy: Strategy, **changes: Any) -> Case:
    """One rank's plan of a small layer, read from host memory."""
    return replace(model_case(SMALL, 3, 2, strategy), name="small", home="host", ranks=(0,), repeats=2, **changes)


@pytest.fixture
def measure(tmp_path: Path, cuda: FakeCuda) -> Measure:
    """Measure cases on `ranks` threads; every rank's result of the last case. Raises the first rank's error."""

    def run(*cases: Case, ranks: int = 1, **settings: float) -> list[RankResult]:
        store, how = MemoryStore(), Settings(**{"wait_s": 10.0, **settings})
        results: dict[int, RankResult] = {}
        failed: list[tuple[int, BaseException]] = []

        def attend(rank: int) -> None:
            seat = Seat(rank, ranks, rank, ranks, "", 0, tmp_path)
            group = Group(seat, store, Whereabouts(rank), how.wait_s)
            try:
                executor = CudaRank(group, how)
                for case in cases:
                    results[rank] = measure_case(executor, group, case)
                executor.close()
            except Exception as error:
                failed.append((rank, error))
            finally:
                cuda.drain()  # gates that are still closed read the group's page
                group.close()

        threads = [threading.Thread(target=attend, args=(rank,)) for rank in range(ranks)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-4)  # the host and its streams are threads that poll one another
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert cuda.broken == []
        if failed:
            raise failed[0][1]
        return [results[rank] for rank in range(ranks)]

    return run
