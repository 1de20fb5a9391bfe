"""Worker processes answer, pass errors on, and are gone when their pool is."""

from __future__ import annotations

import operator
import os
import signal
import time
from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.process_workers import WorkerDied
from dwdp_sim.fabric.workers import workers


def refuse(value: int) -> None:
    print("not an answer")
    raise ConfigError("key", value, "is refused")


def test_answers_come_in_the_order_of_the_questions() -> None:
    with workers(2, threads=False) as pool:
        assert pool is not None
        assert list(pool.map(operator.mul, range(20), range(20))) == [n * n for n in range(20)]
        assert pool.submit(os.getpid).result() != os.getpid()


def test_an_error_arrives_as_it_was_raised_and_says_where() -> None:
    with workers(2, threads=False) as pool:
        assert pool is not None
        with pytest.raises(ConfigError, match="key=3: is refused") as raised:
            pool.submit(refuse, 3).result()
        assert (raised.value.key, raised.value.value) == ("key", "3")
        assert "in a worker process:" in raised.value.__notes__[0]
        assert pool.submit(abs, -1).result() == 1


def test_a_process_that_dies_is_named_with_its_signal() -> None:
    with workers(2, threads=False) as pool:
        assert pool is not None
        with pytest.raises(WorkerDied, match=r"worker process \d+ was ended by SIGKILL; if memory ran out"):
            pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGKILL).result()


def fail_while_both_sleep(pids: list[int]) -> None:
    with workers(2, threads=False) as pool:
        assert pool is not None
        pids.append(pool.submit(os.getpid).result())
        pool.submit(time.sleep, 60.0)
        pool.submit(time.sleep, 60.0)
        raise ZeroDivisionError


def test_a_block_that_raises_does_not_wait_for_what_runs() -> None:
    began = time.monotonic()
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail_while_both_sleep(pids)
    assert time.monotonic() - began < 20.0
    assert not Path(f"/proc/{pids[0]}").exists()
