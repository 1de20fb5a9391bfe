"""Ranks believe only those that know the run's secret."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dwdp_hw.group.sealed_store import SealedStore
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.group.memory_store import MemoryStore


def test_what_one_rank_writes_another_reads() -> None:
    under = MemoryStore()
    one, other = SealedStore(under, b"secret"), SealedStore(under, b"secret").clone()
    one.set("result/0/0", "text")
    other.wait(["result/0/0"], timedelta(seconds=1))
    assert other.check(["result/0/0"])
    assert other.get("result/0/0") == b"text"


@pytest.mark.parametrize("forged", [b"", b"text", b"\0" * 32 + b"text"])
def test_what_a_stranger_writes_is_refused_in_one_line(forged: bytes) -> None:
    under = MemoryStore()
    under.set("result/0/0", forged)
    with pytest.raises(ConfigError, match="result/0/0: was written by a process that does not belong") as caught:
        SealedStore(under, b"secret").get("result/0/0")
    assert "\n" not in str(caught.value)


def test_a_value_is_not_believed_under_another_key_or_with_another_secret() -> None:
    under = MemoryStore()
    SealedStore(under, b"secret").set("result/0/0", b"text")
    under.set("result/0/1", under.get("result/0/0"))
    with pytest.raises(ConfigError):
        SealedStore(under, b"secret").get("result/0/1")
    with pytest.raises(ConfigError):
        SealedStore(under, b"other").get("result/0/0")
