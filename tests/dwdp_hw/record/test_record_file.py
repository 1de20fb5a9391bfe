"""What a record does not hold is counted: calls that came too fast, and those beyond its limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dwdp_hw.record.inside import record_file
from dwdp_hw.record.inside.call_log import MOST_PENDING, CallLog
from dwdp_hw.record.inside.cuda_calls import watch_cuda
from dwdp_hw.record.inside.pointers import Allocations
from dwdp_hw.record.inside.record_file import RecordFile
from dwdp_hw.record.reading import read_record


def cudaMemcpyAsync(dst: int, src: int, count: int, kind: int, stream: int) -> tuple[int]:
    return (0,)


def cudaMemcpyBatchAsync(*columns: Any, **named: Any) -> tuple[int]:
    return (0,)


@dataclass
class Recorded:
    """A log, the functions that it watches, and the file that it is written to."""

    log: CallLog
    module: SimpleNamespace
    file: RecordFile

    def write(self) -> None:
        while self.log.pending:
            self.file.call(self.log.pending.popleft())
        self.file.flush()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    log, module = CallLog(), SimpleNamespace(cudaMemcpyAsync=cudaMemcpyAsync, cudaMemcpyBatchAsync=cudaMemcpyBatchAsync)
    watch_cuda(module, log)
    opened = RecordFile(str(tmp_path), log)
    opened.open()
    return Recorded(log, module, opened)


def test_calls_beyond_those_that_may_wait_are_lost_and_counted(recorded: Recorded, tmp_path: Path) -> None:
    for size in range(MOST_PENDING + 7):
        recorded.module.cudaMemcpyAsync(1, 2, size % 3, 4, 5)
    recorded.write()
    (path,) = tmp_path.iterdir()
    record = read_record(str(path))
    file = recorded.file
    assert (file.calls, file.lost, file.left_out) == (MOST_PENDING, 7, 0)
    assert [record.calls[0].order, record.calls[-1].order] == [7, MOST_PENDING + 6]


def test_calls_and_copies_beyond_what_a_file_holds_are_counted(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_file, "MOST_CALLS", 4)
    recorded.file._copies_left = 5
    for sizes in ([1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8], [9], [1, 2, 3], [1, 2, 3]):
        recorded.module.cudaMemcpyBatchAsync(sizes, sizes, sizes, len(sizes), None, None, 1, 1)
    recorded.write()
    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["copies"] for line in lines if line["what"] == "call"] == [0, 0, 1, 0]
    assert recorded.file.left_out == 3
    assert recorded.log.is_full


def test_a_list_that_its_owner_changes_is_recorded_as_it_was(recorded: Recorded, tmp_path: Path) -> None:
    sizes = [10, 20, 30]
    recorded.module.cudaMemcpyBatchAsync(dsts=sizes, srcs=sizes, sizes=sizes, count=2, stream=0)
    sizes[:] = [0]
    recorded.write()
    (path,) = tmp_path.iterdir()
    assert [copies.bytes for copies in read_record(str(path)).copies.values()] == [[10, 20]]


def test_an_address_is_looked_up_once_an_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ask(address: int) -> tuple[str, int, int, int]:
        asked.append(address)
        return "device", 1, address // 1000 * 1000, 500

    monkeypatch.setattr("dwdp_hw.record.inside.pointers._ask", ask)
    said: list[dict[str, Any]] = []
    allocations = Allocations(said.append)
    places = [allocations.place(address) for address in (5100, 5499, 5000, 2001, 7000, 5250)]
    assert places == [(0, 100), (0, 499), (0, 0), (1, 1), (2, 0), (0, 250)]
    assert asked == [5100, 2001, 7000]
    assert [line["bytes"] for line in said] == [500] * 3
    assert allocations.place(5700) == (3, 0)  # the driver names a range that does not hold it: not believed
