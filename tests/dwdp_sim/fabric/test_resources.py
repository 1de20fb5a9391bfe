"""What copies use of the fabric, and how many read one source."""

from __future__ import annotations

from typing import Any

import pytest

from dwdp_sim.fabric.resources import bytes_by_resource, most_engines_at_a_source, most_readers
from dwdp_sim.plan.endpoints import HOST
from tests.dwdp_sim.programs import program, queue, single


@pytest.mark.parametrize(
    ("queues", "readers", "engines"),
    [
        ([queue(1, single(0, 1, 10)), queue(2, single(0, 2, 10)), queue(3, single(1, 3, 10))], 2, 2),
        ([queue(0, single(0, 1, 10)), queue(1, single(0, 1, 10))], 1, 2),  # the same pair, pushed and pulled
        ([queue(0, single(0, HOST, 10)), queue(1, single(0, 1, 10))], 1, 1),  # a copy to the host has no reader
        ([queue(1, single(1, HOST, 10), single(HOST, 1, 10))], 0, 0),
    ],
)
def test_readers_of_a_gpu_are_other_gpus(queues: list[Any], readers: int, engines: int) -> None:
    assert most_readers(program(*queues)) == readers
    assert most_engines_at_a_source(program(*queues)) == engines


def test_bytes_are_counted_once_on_each_resource_that_limits_them() -> None:
    copies = queue(1, single(0, 1, 7), single(0, 1, 3), single(1, 2, 5), single(HOST, 1, 2), single(1, 1, 4))
    assert bytes_by_resource(program(copies)) == {
        ("egress", 0, 0): 10,
        ("egress", 1, 0): 5,
        ("ingress", 1, 0): 10,
        ("ingress", 2, 0): 5,
        ("pair", 0, 1): 10,
        ("pair", 1, 2): 5,
        ("push", 1, 2): 5,  # moved by its source
        ("host_in", 1, 0): 2,
        ("local", 1, 0): 4,
    }
