"""Waves with meetings: order between ranks, ranks with fewer waves. The words are a real shared page; gates poll it."""

from __future__ import annotations

import ctypes
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dwdp_hw.executors.cuda.device_barrier import DeviceBarrier
from dwdp_hw.group.shared_page import Page
from dwdp_sim.plan.copy_plan import NO_BARRIER


class HostGates:
    """What the kernels `gate` and `signal` do, by the calling thread."""

    def gate(self, words: int, count: int, stride: int, value: int, timeout_ns: int, out: int, stream: int) -> None:
        content = (ctypes.c_uint64 * (count * stride)).from_address(words)
        deadline = time.monotonic_ns() + timeout_ns
        while min(content[: count * stride : stride]) < value:
            assert time.monotonic_ns() < deadline, "the gate opened by its time-out"
            time.sleep(1e-4)

    def signal(self, word: int, value: int, stream: int) -> None:
        ctypes.c_uint64.from_address(word).value = value


def run(waves: list[int], runs: int, folder: Path) -> list[tuple[int, int, int]]:
    """Let rank r run `waves[r]` waves, `runs` times: (run, wave, rank) in the order of happening."""
    happened: list[tuple[int, int, int]] = []
    pages = [Page(folder / "page", rank, len(waves)) for rank in range(len(waves))]
    failed: list[BaseException] = []

    def attend(rank: int) -> None:
        group: Any = SimpleNamespace(
            page=pages[rank], size=len(waves), seat=SimpleNamespace(local_rank=rank), one_host=True
        )
        gates: Any = HostGates()
        gpu: Any = SimpleNamespace(wait_s=5.0)
        barrier = DeviceBarrier(gpu, gates, group, 0, pages[rank].address, 0)
        number = [0]

        def wave(index: int) -> None:
            time.sleep(1e-3 * ((rank + index) % 3))
            happened.append((number[0], index, rank))

        calls = [lambda index=index: wave(index) for index in range(waves[rank])]
        wrapped = barrier.wrap(calls, np.arange(waves[rank]))
        try:
            for number[0] in range(runs):
                for call in wrapped:
                    call()
                pages[rank].meet(5.0, AssertionError)  # the ranks meet between runs, as the launcher lets them
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=attend, args=(rank,)) for rank in range(len(waves))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    return happened


@pytest.mark.parametrize("waves", [[4, 4], [5, 2], [1, 6], [3, 4, 2], [1, 1, 5, 3]])
def test_a_wave_starts_only_when_every_rank_has_finished_the_wave_before(waves: list[int], tmp_path: Path) -> None:
    happened = run(waves, 3, tmp_path)
    assert len(happened) == 3 * sum(waves)
    for place, (number, wave, _rank) in enumerate(happened):
        for other, count in enumerate(waves):
            if 0 < wave <= count:
                assert (number, wave - 1, other) in happened[:place]


def test_calls_without_barriers_are_left_as_they_are(tmp_path: Path) -> None:
    page = Page(tmp_path / "page", 0, 1)
    group: Any = SimpleNamespace(page=page, size=1, seat=SimpleNamespace(local_rank=0), one_host=True)
    gates: Any = HostGates()
    gpu: Any = SimpleNamespace(wait_s=5.0)
    calls = [lambda: None, lambda: None]
    assert DeviceBarrier(gpu, gates, group, 0, page.address, 0).wrap(calls, np.full(2, NO_BARRIER)) is calls
