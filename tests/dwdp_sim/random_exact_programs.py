"""Random programs and constants for the exact reference: long enough to tell rules apart, most of them exact in binary.

Rates, seconds and bytes are often multiples of powers of two, so that copies of different GPUs often end together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from dwdp_sim.plan.copy_plan import NO_BARRIER
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.programs import Call, Copy, Queue, batch, program, single

PEER_KINDS = ("pull", "push")
ALL_KINDS = (*PEER_KINDS, "host_in", "host_out", "local")
SIZES = st.sampled_from([[64], [64, 128, 256], [100, 64, 37], [1, 7, 90, 219, 500, 999]])
STARTS = st.integers(0, 64).map(lambda sixteenths: sixteenths / 16)
FACTORS = st.one_of(st.sampled_from([0.5, 0.75, 1.0]), st.floats(0.3, 1.0))
SECONDS = st.sampled_from([0.0, 0.25, 1.0, 3.0])
TABLES = st.sampled_from([[[1, 0.0]], [[1, 0.75]], [[64, 0.5], [256, 1.0], [512, 3.0]]])


def copies(gpu: int, gpus: int, kinds: Sequence[str], sizes: Sequence[int]) -> list[Copy]:
    """All the copies that a stream of `gpu` may have."""
    peers = [peer for peer in range(gpus) if peer != gpu]
    ends = {
        "pull": [(peer, gpu) for peer in peers],
        "push": [(gpu, peer) for peer in peers],
        "host_in": [(HOST, gpu)],
        "host_out": [(gpu, HOST)],
        "local": [(gpu, gpu)],
    }
    return [(*pair, size) for kind in kinds for pair in ends[kind] for size in sizes]


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    kinds: Sequence[str] = PEER_KINDS,
    starts: st.SearchStrategy[float] | None = None,
    queued: st.SearchStrategy[bool] | None = None,
    barriers: bool = False,
    one_stream_a_gpu: bool = False,
) -> Program:
    """Two to four GPUs with up to six streams of one to three calls; barriers have no number left out."""
    gpus, sizes = draw(st.integers(2, 4)), draw(SIZES)
    homes = list(range(gpus))
    if not one_stream_a_gpu:
        homes = draw(st.lists(st.integers(0, gpus - 1), min_size=2, max_size=6))
    queues = []
    for gpu in homes:
        a_call = st.lists(st.sampled_from(copies(gpu, gpus, kinds, sizes)), min_size=1, max_size=8)
        own: list[Call] = []
        barrier = 0
        for listed in draw(st.lists(a_call, min_size=1, max_size=3)):
            barrier += draw(st.integers(0, 1)) if barriers else 0
            waits = barrier if barriers and draw(st.booleans()) else NO_BARRIER
            own.append(batch(*listed, barrier=waits) if len(listed) > 1 else single(*listed[0], barrier=waits))
        start_s = 0.0 if starts is None else draw(starts)
        queues.append(Queue(gpu, tuple(own), start_s, True if queued is None else draw(queued)))
    return program(*_without_holes(queues))


def _without_holes(queues: list[Queue]) -> list[Queue]:
    used = sorted({call.barrier for q in queues for call in q.calls} - {NO_BARRIER})
    place = {NO_BARRIER: NO_BARRIER} | {barrier: number for number, barrier in enumerate(used)}
    return [q._replace(calls=tuple(c._replace(barrier=place[c.barrier]) for c in q.calls)) for q in queues]


def _each(names: Sequence[str], of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict.fromkeys(names, of))


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """All the constants of the parts."""
    return st.tuples(*parts).map(lambda drawn: {name: value for part in drawn for name, value in part.items()})


WALKS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "oldest": st.fixed_dictionaries({"refill": st.just("oldest"), "in_flight_sources": st.integers(1, 4)}),
    "any": st.fixed_dictionaries({"refill": st.just("any"), "in_flight_sources": st.integers(1, 4)}),
    "all": st.just({"in_flight_sources": "all"}),
    "bytes": st.fixed_dictionaries(
        {
            "refill": st.just("bytes"),
            "in_flight_bytes": st.one_of(st.sampled_from([1.0, 64.0, 100.0, 256.0]), st.floats(1.0, 2000.0)),
        }
    ),
    "two_engines": st.fixed_dictionaries(
        {
            "batch_engines": st.just(2),
            "refill": st.sampled_from(["oldest", "any"]),
            "in_flight_sources": st.one_of(st.integers(1, 2), st.just("all")),
        }
    ),
}
ANY_WALK = st.one_of(*WALKS.values())
RATES = _each(
    ("egress_bytes_per_s", "ingress_bytes_per_s", "pair_bytes_per_s", "push_bytes_per_s"),
    st.one_of(st.sampled_from([32.0, 64.0, 96.0]), st.floats(20.0, 200.0)),
)
LOSSES = _each(
    ("incast_factor_2", "incast_factor_3", "incast_factor_4_up", "both_ways_egress", "both_ways_ingress"),
    _each(PEER_KINDS, FACTORS),
)
GAPS = merged(
    _each(("peer_gap_s", "host_gap_s", "local_gap_s", "turn_gap_s"), TABLES),
    _each(("both_ways_gap_factor",), st.sampled_from([1.0, 1.5, 3.0])),
)
LATENCIES = _each(("peer_fixed_s", "host_fixed_s", "local_fixed_s", "barrier_s"), SECONDS)
HOSTS = merged(
    _each(("issue_async_s", "issue_batch_s"), st.sampled_from([0.25, 1.0, 3.0])),
    _each(("issue_slice_s",), SECONDS),
    _each(("host_batch_returns",), st.sampled_from(["issued", "arrived"])),
)
EVERYTHING = merged(ANY_WALK, RATES, LOSSES, GAPS, LATENCIES, HOSTS)
EVERY_PROGRAM = programs(kinds=ALL_KINDS, starts=STARTS, queued=st.booleans(), barriers=True)
