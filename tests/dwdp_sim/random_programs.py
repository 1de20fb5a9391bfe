"""Random copy programs and constants for property tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from tests.dwdp_sim.programs import Call, Copy, Queue, batch, program, single

# One byte, sizes that tie, sizes that do not, and a large one.
SIZES = st.one_of(st.sampled_from([1, 64, 64, 100, 1000]), st.integers(1, 5000), st.integers(1, 10**8))


@st.composite
def copies(draw: st.DrawFn, gpu: int, gpus: int, *, kinds: Sequence[str] = ("pull", "push")) -> Copy:
    kind = draw(st.sampled_from(kinds))
    peer = (gpu + draw(st.integers(1, gpus - 1))) % gpus
    size = draw(SIZES)
    ends = {
        "pull": (peer, gpu),
        "push": (gpu, peer),
        "host_in": (HOST, gpu),
        "host_out": (gpu, HOST),
        "local": (gpu, gpu),
    }
    return (*ends[kind], size)


@st.composite
def calls(draw: st.DrawFn, gpu: int, gpus: int, kinds: Sequence[str], max_batch: int) -> Call:
    if draw(st.booleans()):
        return single(*draw(copies(gpu, gpus, kinds=kinds)))
    return batch(*draw(st.lists(copies(gpu, gpus, kinds=kinds), min_size=1, max_size=max_batch)))


@st.composite
def queues(
    draw: st.DrawFn,
    *,
    max_gpus: int = 5,
    max_streams: int = 6,
    max_calls: int = 4,
    max_batch: int = 6,
    kinds: Sequence[str] = ("pull", "push"),
    starts: st.SearchStrategy[float] | None = None,
    queued: st.SearchStrategy[bool] | None = None,
    one_stream_a_gpu: bool = False,
) -> list[Queue]:
    gpus = draw(st.integers(2, max_gpus))
    if one_stream_a_gpu:
        homes = list(range(gpus))
    else:
        homes = draw(st.lists(st.integers(0, gpus - 1), min_size=1, max_size=max_streams))
    return [
        Queue(
            gpu,
            tuple(draw(st.lists(calls(gpu, gpus, kinds, max_batch), max_size=max_calls))),
            draw(starts) if starts is not None else 0.0,
            draw(queued) if queued is not None else True,
        )
        for gpu in homes
    ]


def programs(**limits: Any) -> st.SearchStrategy[Program]:
    return queues(**limits).map(lambda drawn: program(*drawn))


STARTS = st.sampled_from([0.0, 0.0, 1.0, 2.5, 1000.0])
ALL_KINDS = ("pull", "push", "host_in", "host_out", "local")
FACTORS = st.floats(0.3, 1.0)
OPTIONS = st.builds(
    FabricOptions,
    sharing=st.sampled_from(["fair", "equal", "fifo"]),
    incast=st.sampled_from(["always", "demand", "off"]),
    both_ways=st.booleans(),
    batch_order=st.sampled_from(["kept", "swapped", "random"]),
)


def by_kind() -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({"pull": FACTORS, "push": FACTORS})


RATES = st.fixed_dictionaries(
    {
        "egress_bytes_per_s": st.floats(50.0, 200.0),
        "ingress_bytes_per_s": st.floats(50.0, 200.0),
        "pair_bytes_per_s": st.floats(20.0, 200.0),
    }
)
LOSSES = st.fixed_dictionaries(
    {
        "incast_factor_2": by_kind(),
        "incast_factor_3": by_kind(),
        "incast_factor_4_up": by_kind(),
        "both_ways_egress": by_kind(),
        "both_ways_ingress": by_kind(),
    }
)
WINDOWS = st.one_of(
    st.fixed_dictionaries(
        {
            "in_flight_sources": st.one_of(st.integers(1, 4), st.just("all")),
            "refill": st.sampled_from(["oldest", "any"]),
            "batch_engines": st.integers(1, 2),
        }
    ),
    st.fixed_dictionaries({"refill": st.just("bytes"), "in_flight_bytes": st.one_of(SIZES, st.floats(1.0, 1e6))}),
)
TIMES = st.fixed_dictionaries(
    {
        name: st.sampled_from([0.0, 0.25, 3.0])
        for name in (
            "peer_fixed_s",
            "host_fixed_s",
            "local_fixed_s",
            "issue_async_s",
            "issue_batch_s",
            "issue_slice_s",
            "barrier_s",
        )
    }
    | {
        name: st.sampled_from([[[1, 0.0]], [[1, 0.5], [1000, 2.0]]])
        for name in ("peer_gap_s", "host_gap_s", "local_gap_s", "turn_gap_s")
    }
)


def incast_left(values: dict[str, Any], outgoing: set[tuple[int, str]]) -> float:
    """What (destination, kind) pairs leave of their common source: the worst factor for their number of GPUs."""
    readers = len({gpu for gpu, _ in outgoing})
    if readers < 2:
        return 1.0
    name = f"incast_factor_{readers}" if readers < 4 else "incast_factor_4_up"
    return min(float(values[name][kind]) for _, kind in outgoing)


@st.composite
def machines(draw: st.DrawFn, *, losses: bool = True, times: bool = True) -> dict[str, Any]:
    """Constants for a cluster of the tests."""
    values: dict[str, Any] = draw(RATES) | draw(WINDOWS)
    if losses:
        values |= draw(LOSSES)
    if times:
        values |= draw(TIMES)
    return values
