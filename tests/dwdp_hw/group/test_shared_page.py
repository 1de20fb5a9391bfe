"""The shared page: ranks meet there, agree on a start, and name who does not come."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dwdp_hw.group.shared_page import Page


def test_nobody_passes_a_meeting_before_everybody_has_come(tmp_path: Path) -> None:
    pages = [Page(tmp_path / "page", rank, 3) for rank in range(3)]
    come = [[False] * 3 for _ in range(20)]
    missed: list[tuple[int, int]] = []

    def attend(rank: int) -> None:
        for meeting in range(20):
            time.sleep(0.002 * (rank == meeting % 3))
            come[meeting][rank] = True
            pages[rank].meet(5.0, AssertionError)
            if not all(come[meeting]):
                missed.append((meeting, rank))

    threads = [threading.Thread(target=attend, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(all(meeting) for meeting in come)
    assert missed == []
    for page in pages:
        page.close()


def test_the_first_rank_that_does_not_come_is_named(tmp_path: Path) -> None:
    pages = [Page(tmp_path / "page", rank, 3) for rank in range(3)]
    began = time.monotonic()
    with pytest.raises(LookupError, match="rank 1"):
        pages[0].meet(0.2, lambda rank: LookupError(f"rank {rank}"))
    assert 0.2 <= time.monotonic() - began < 2.0


def test_all_ranks_agree_on_one_moment_in_the_future(tmp_path: Path) -> None:
    pages = [Page(tmp_path / "page", rank, 2) for rank in range(2)]
    moments: dict[int, int] = {}

    def agree(rank: int) -> None:
        page = pages[rank]
        page.meet(5.0, AssertionError)
        moments[rank] = page.agree_on_start(0.05, lambda: page.meet(5.0, AssertionError))

    other = threading.Thread(target=agree, args=(1,))
    other.start()
    before = time.monotonic_ns()
    agree(0)
    other.join()
    assert moments[0] == moments[1]
    assert before < moments[0] < time.monotonic_ns() + 50_000_000
