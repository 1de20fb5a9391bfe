"""Rebuild nvbandwidth as programs: what it issues, on which copy engine, and what it times.

One process drives all GPUs. Every stream holds a gate, four warm-up copies and `loop_count` timed copies. Stream 0's
clock starts after its own warm-ups, and the timed copies of the other streams wait for that; their warm-ups do not.
Where the copies of several streams run on one engine, their warm-ups are therefore inside the time that is taken.
Source: NVIDIA/nvbandwidth, `memcpy.cpp` (`doMemcpyCore`) and `testcases_ce.cpp`, v0.2 to v0.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.plan.copy_plan import ASYNC, NO_BARRIER
from dwdp_sim.plan.program import Program, ProgramStream

WARMUPS = 4
LOOP_COUNT = 16  # nvbandwidth's default
_CLOCK, _AFTER_CLOCK = (
    0,
    1,
)  # barriers: stream 0's last warm-up opens the second, behind which the others' timed copies are


@dataclass(frozen=True)
class Testcase:
    """A testcase of nvbandwidth that moves bytes between GPUs with copy engines.

    Attributes:
        name: As nvbandwidth prints it.
        pattern: `pair`, `both_ways`, `all_to_one` or `one_to_all`.
        is_read: Whether the destination's context issues the copies; otherwise the source's.
        value: `total` bytes over the time until all have ended, the `sum` of what each stream reached, or the `first`
            stream's.
    """

    __test__ = False  # pytest takes classes of this name for its own

    name: str
    pattern: str
    is_read: bool
    value: str


_BOTH_WAYS = "device_to_device_bidirectional_memcpy_{}_ce"
TESTCASES = {
    case.name: case
    for kind in ("read", "write")
    for case in (
        Testcase(f"device_to_device_memcpy_{kind}_ce", "pair", kind == "read", "first"),
        Testcase(_BOTH_WAYS.format(kind), "both_ways", kind == "read", "first"),  # v0.2 to v0.5
        Testcase(f"{_BOTH_WAYS.format(kind)}_total", "both_ways", kind == "read", "sum"),
        Testcase(f"all_to_one_{kind}_ce", "all_to_one", kind == "read", "total"),
        Testcase(f"one_to_all_{kind}_ce", "one_to_all", kind == "read", "total"),
    )
}


@dataclass(frozen=True)
class CopyStream:
    """One stream's copies: `src` to `dst`, moved by the copy engine of GPU `engine`."""

    src: int
    dst: int
    engine: int


def copy_streams(testcase: Testcase, gpus: int, links: str) -> list[CopyStream]:
    """The streams of one figure of `testcase`, stream 0 first.

    The engine of its source executes a read, one copy after another: its time is a write's plus 6 to 9 µs, and the
    destination's engine counts no accesses. So it does a write; but a GPU without a switch has one engine a peer for
    its own writes. The simulator has one engine a GPU: there the copies stand on the engines of their destinations.

    Args:
        testcase: Which one.
        gpus: GPUs of the machine.
        links: `switched` or `direct`.

    Raises:
        ConfigError: Fewer than two GPUs.
    """
    if gpus < 2:
        raise ConfigError("gpus", gpus, "at least 2 are wanted")
    if testcase.pattern == "pair":
        return [CopyStream(0, 1, 0)]
    if testcase.pattern == "both_ways":
        return [CopyStream(0, 1, 0), CopyStream(1, 0, 1)]
    peers = range(1, gpus)
    if (testcase.pattern == "all_to_one") is not testcase.is_read:  # GPU 0 receives
        return [CopyStream(peer, 0, peer) for peer in peers]
    own_engines = links == "direct" and not testcase.is_read
    return [CopyStream(0, peer, peer if own_engines else 0) for peer in peers]


def benchmark_program(
    streams: list[CopyStream], gpus: int, buffer_bytes: int, loop_count: int, *, clock_last: bool = False
) -> Program:
    """The copies of one sample, all issued before the gate opens.

    Args:
        streams: From `copy_streams`.
        gpus: GPUs of the machine.
        buffer_bytes: Bytes of each copy.
        loop_count: Timed copies of each stream.
        clock_last: Whether an engine serves stream 0 after the others' warm-ups instead of before.
    """
    order = [*streams[1:], streams[0]] if clock_last else streams
    clock = len(order) - 1 if clock_last else 0
    one_by_one = np.ones(WARMUPS + loop_count, dtype=np.int64)
    barrier = np.full((len(order), len(one_by_one)), NO_BARRIER)
    barrier[:, WARMUPS] = _AFTER_CLOCK
    barrier[clock, WARMUPS] = NO_BARRIER
    barrier[clock, WARMUPS - 1] = _CLOCK
    return Program.build(
        gpus,
        [
            ProgramStream(stream.engine, stream.src, stream.dst, buffer_bytes, one_by_one, ASYNC, barrier[number])
            for number, stream in enumerate(order)
        ],
    )


def printed_bytes_per_s(timeline: Timeline, value: str, *, clock_last: bool = False) -> float:
    """What nvbandwidth prints for a sample, in bytes per second.

    Args:
        timeline: Of a `benchmark_program`.
        value: As in `Testcase`.
        clock_last: As the program's.
    """
    streams = len(timeline.program.stream_gpu)
    end_s = timeline.copy_end_s.reshape(streams, -1)
    timed_bytes = timeline.program.copy_bytes.reshape(streams, -1)[:, WARMUPS:].sum(axis=1)
    clock = streams - 1 if clock_last else 0
    clock_s = end_s[clock, WARMUPS - 1]
    if value == "total":
        return float(timed_bytes.sum() / (end_s.max() - clock_s))
    each = timed_bytes / (end_s[:, -1] - np.maximum(end_s[:, WARMUPS - 1], clock_s))
    return float(each.sum() if value == "sum" else each[clock])


def artefact_share(readers: int, loop_count: int) -> float:
    """Share of one pair's bandwidth that `all_to_one_read` prints if the reads of a source run one after another.

    The time taken holds `loop_count` copies of each of k readers and the warm-ups of k − 1 of them: 4k / (5k − 1) of a
    pair at the default loop count, 16.
    """
    timed = loop_count * readers
    return timed / (timed + WARMUPS * (readers - 1))
