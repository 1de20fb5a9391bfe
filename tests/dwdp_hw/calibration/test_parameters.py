"""Which constants rows can say something about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dwdp_hw.calibration.parameters import most_readers
from dwdp_sim.plan.program import HOST
from tests.dwdp_sim.programs import program, queue, single


@pytest.mark.parametrize(
    ("queues", "readers"),
    [
        ([queue(1, single(0, 1, 10)), queue(2, single(0, 2, 10)), queue(3, single(1, 3, 10))], 2),
        ([queue(0, single(0, HOST, 10)), queue(1, single(0, 1, 10))], 1),  # a copy to the host has no reader
        ([queue(1, single(1, HOST, 10), single(HOST, 1, 10))], 0),
    ],
)
def test_readers_of_a_gpu_are_other_gpus(queues: list[Any], readers: int) -> None:
    assert most_readers([cast(Any, SimpleNamespace(program=program(*queues)))]) == readers
