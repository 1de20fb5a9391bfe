"""Small clusters and copy programs, written as plain lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import FabricConstants, constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import SimulatedTimeline, Timeline
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program, ProgramStream

Copy = tuple[int, int, int]  # source, destination, bytes

# Round numbers: 100 bytes per second on every link, nothing else costs anything.
FREE: dict[str, Any] = {
    "egress_bytes_per_s": 100.0,
    "ingress_bytes_per_s": 100.0,
    "pair_bytes_per_s": 100.0,
    "push_bytes_per_s": 1e9,
    "host_in_bytes_per_s": 50.0,
    "host_out_bytes_per_s": 25.0,
    "local_bytes_per_s": 200.0,
    "peer_fixed_s": 0.0,
    "peer_gap_s": [[1, 0.0]],
    "host_fixed_s": 0.0,
    "host_gap_s": [[1, 0.0]],
    "local_fixed_s": 0.0,
    "local_gap_s": [[1, 0.0]],
    "incast_factor_2": {"pull": 1.0, "push": 1.0},
    "incast_factor_3": {"pull": 1.0, "push": 1.0},
    "incast_factor_4_up": {"pull": 1.0, "push": 1.0},
    "both_ways_egress": {"pull": 1.0, "push": 1.0},
    "both_ways_ingress": {"pull": 1.0, "push": 1.0},
    "both_ways_gap_factor": 1.0,
    "in_flight_sources": 2,
    "refill": "oldest",
    "in_flight_bytes": 1000,
    "batch_engines": 1,
    "turn_gap_s": [[1, 0.0]],
    "issue_async_s": 0.0,
    "issue_batch_s": 0.0,
    "issue_slice_s": 0.0,
    "barrier_s": 0.0,
    "swap_probability": 0.5,
    "event_s": 0.0,
    "host_batch_returns": "issued",
}


def links(rate: float) -> dict[str, Any]:
    """Every link between GPUs at `rate`."""
    return {f"{name}_bytes_per_s": rate for name in ("egress", "ingress", "pair")}


class Call(NamedTuple):
    """One driver call."""

    issue: int
    copies: tuple[Copy, ...]
    barrier: int = NO_BARRIER


class Queue(NamedTuple):
    """One stream of a GPU and what it runs."""

    gpu: int
    calls: tuple[Call, ...]
    start_s: float = 0.0
    queued: bool = True


def single(src: int, dst: int, size: int, barrier: int = NO_BARRIER) -> Call:
    return Call(ASYNC, ((src, dst, size),), barrier)


def batch(*copies: Copy, barrier: int = NO_BARRIER) -> Call:
    return Call(BATCH, copies, barrier)


def queue(gpu: int, *calls: Call, start_s: float = 0.0, queued: bool = True) -> Queue:
    return Queue(gpu, calls, start_s, queued)


def program(*queues: Queue) -> Program:
    copies = [copy for q in queues for call in q.calls for copy in call.copies]
    ends = [*(q.gpu for q in queues), *(end for src, dst, _ in copies for end in (src, dst))]
    return Program.build(1 + max(ends, default=0), [_stream(q) for q in queues])


def _stream(q: Queue) -> ProgramStream:
    src, dst, size = np.array([copy for call in q.calls for copy in call.copies], dtype=np.int64).reshape(-1, 3).T
    issue, barrier, copies = np.array(
        [(call.issue, call.barrier, len(call.copies)) for call in q.calls], dtype=np.int64
    ).reshape(-1, 3).T  # fmt: skip
    return ProgramStream(q.gpu, src, dst, size, copies, issue, barrier, q.start_s, q.queued)


def cluster(**values: Any) -> Cluster:
    """A cluster with the constants of `FREE`, some replaced; None leaves one out, a number is of both kinds."""
    unknown = set(values) - set(FREE)
    assert not unknown, unknown
    values |= {
        name: {"pull": value, "push": value}
        for name, value in values.items()
        if name.startswith("incast_factor") and isinstance(value, float)
    }
    constants = {
        name: Constant(value, "", "assumed", "test") for name, value in (FREE | values).items() if value is not None
    }
    return Cluster("test", "round numbers", 72, "ipc", "peer", constants)


def constants(of: Program, options: FabricOptions | None = None, **values: Any) -> FabricConstants:
    return constants_for(cluster(**values), of, options or FabricOptions())


def run(
    of: Program,
    options: FabricOptions | None = None,
    *,
    seed: int = 0,
    record_links: bool = False,
    engine: str = "simpy",
    **values: Any,
) -> SimulatedTimeline:
    """Simulate on a cluster with the constants of `FREE`, some replaced."""
    options = options or FabricOptions()
    used = constants(of, options, **values)
    return simulate(of, used, options, seed=seed, record_links=record_links, engine=engine)


def ends(timeline: Timeline) -> list[float]:
    """Seconds from each stream's start to its last completion."""
    return [float(seconds) for seconds in timeline.stream_elapsed_s]


def busy_bytes(of: Program) -> dict[tuple[str, int, int], int]:
    """Bytes that each resource has to carry."""
    loads: dict[tuple[str, int, int], int] = {}
    for src, dst, size in zip(of.copy_src.tolist(), of.copy_dst.tolist(), of.copy_bytes.tolist(), strict=True):
        for resource in resources(src, dst):
            loads[resource] = loads.get(resource, 0) + size
    return loads


def resources(src: int, dst: int) -> Sequence[tuple[str, int, int]]:
    """What a copy occupies: the kind of link and its ends."""
    if src == dst:
        return [("local", src, 0)]
    if src == HOST:
        return [("host_in", dst, 0)]
    if dst == HOST:
        return [("host_out", src, 0)]
    return [("egress", src, 0), ("ingress", dst, 0), ("pair", src, dst)]
