"""Signs of life in a store in memory: who never came, who is silent, who is stuck, and where each was last seen."""

from __future__ import annotations

import json
import time

import pytest

from dwdp_hw.group.faults import RankFault, Whereabouts, fault_from_text, fault_to_text
from dwdp_hw.group.liveness import Heartbeat, Liveness, last_seen
from dwdp_sim.base.errors import ConfigError, DwdpError
from tests.dwdp_hw.group.memory_store import MemoryStore


def beat(store: MemoryStore, rank: int, number: int, age_s: float = 0.0) -> None:
    about = {"number": number, "host": "node7", "text": "case x, in waiting", "age_s": age_s}
    store.set(f"heartbeat/{rank}", json.dumps(about))


def test_a_heartbeat_says_again_and_again_where_its_rank_is() -> None:
    store, place = MemoryStore(), Whereabouts(3)
    heartbeat = Heartbeat(store, place)
    texts = []
    for call in ("cudaMalloc", "a meeting"):
        place.at(call)
        deadline = time.monotonic() + 20.0
        while call not in last_seen(store, 3).get("text", "") and time.monotonic() < deadline:
            time.sleep(0.02)
        texts.append(last_seen(store, 3)["text"])
    heartbeat.stop()
    assert texts == ["case start, in cudaMalloc", "case start, in a meeting"]
    assert last_seen(store, 4) == {}


def test_a_rank_that_never_comes_is_named() -> None:
    store = MemoryStore()
    beat(store, 0, 1)
    liveness = Liveness(store, 2, start_s=0.05, heartbeat_s=9.0, hang_s=9.0)
    liveness.check()
    time.sleep(0.06)
    with pytest.raises(RankFault, match=r"rank 1 on an unknown host, start: never arrived within 0\.05 s"):
        liveness.check()


def test_a_rank_whose_number_stands_still_is_silent_and_one_that_stays_in_a_call_is_stuck() -> None:
    store = MemoryStore()
    liveness = Liveness(store, 1, start_s=9.0, heartbeat_s=0.05, hang_s=2.0)
    for number in range(3):
        beat(store, 0, number)
        liveness.check()
    time.sleep(0.06)
    with pytest.raises(RankFault, match=r"rank 0 on node7, case x, in waiting: no sign of life for 0\.05 s"):
        liveness.check()
    beat(store, 0, 4, age_s=3.0)
    with pytest.raises(RankFault, match="stuck there for 3 s"):
        liveness.check()


@pytest.mark.parametrize(
    "error",
    [
        RankFault(2, "node7", "case x, layer 1, in cudaMalloc", "out of memory"),
        ConfigError("a.b", "v" * 300, "allowed: x"),
    ],
)
def test_a_fault_that_a_rank_leaves_comes_back_with_every_field(error: RankFault | ConfigError) -> None:
    back = fault_from_text(fault_to_text(error))
    assert type(back) is type(error)
    assert isinstance(back, DwdpError)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
