"""A copy program: streams of driver calls that copy bytes between endpoints, which is all an executor needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats, Ints
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.copy_plan import BATCH, NO_BARRIER, CopyPlan
from dwdp_sim.plan.endpoints import HOMES, HOST

ISSUE_MODES = ("queued", "as_issued")


@dataclass(frozen=True)
class ProgramStream:
    """One stream of a program and the calls that it runs in order; a single number stands for a constant column.

    Attributes:
        gpu: GPU whose copy engines and host thread serve the stream.
        src: Source endpoint of each copy, shape (copies,).
        dst: Destination endpoint of each copy.
        bytes: Length of each copy.
        call_copies: Number of copies of each call, shape (calls,).
        call_issue: `copy_plan.ASYNC` or `copy_plan.BATCH` of each call.
        call_barrier: As in `copy_plan.CopyPlan`.
        start_s: When the stream's clock starts, in seconds.
        queued: Whether all calls are complete at the start; otherwise the host begins then.
    """

    gpu: int
    src: Ints | int
    dst: Ints | int
    bytes: Ints | int
    call_copies: Ints
    call_issue: Ints | int
    call_barrier: Ints | int = NO_BARRIER
    start_s: float = 0.0
    queued: bool = True


@dataclass(frozen=True)
class Program:
    """Any program of copies between GPUs and host memory: streams of calls, and calls of copies.

    Calls stand stream by stream, copies call by call; `call_first_copy` has one more entry than there are calls.

    Attributes:
        num_gpus: Endpoints 0 … num_gpus − 1; `HOST` is pinned host memory.
        stream_gpu: GPU whose copy engines and host thread serve each stream, shape (streams,).
        stream_start_s: When each stream's clock starts, in seconds.
        stream_queued: Whether all calls of the stream are complete at its start; otherwise its host begins then.
        call_stream: Stream of each call, shape (calls,).
        call_issue: `copy_plan.ASYNC` or `copy_plan.BATCH`.
        call_barrier: As in `copy_plan.CopyPlan`.
        call_first_copy: Index of each call's first copy, then the number of copies.
        copy_src: Source endpoint of each copy, shape (copies,).
        copy_dst: Destination endpoint.
        copy_bytes: Length in bytes.
    """

    num_gpus: int
    stream_gpu: Ints
    stream_start_s: Floats
    stream_queued: Bools
    call_stream: Ints
    call_issue: Ints
    call_barrier: Ints
    call_first_copy: Ints
    copy_src: Ints
    copy_dst: Ints
    copy_bytes: Ints

    @classmethod
    def build(cls, num_gpus: int, streams: Sequence[ProgramStream]) -> Self:
        """Build a program of these streams, in their order.

        Args:
            num_gpus: Endpoints besides the host.
            streams: What runs on them.
        """
        calls = [len(stream.call_copies) for stream in streams]
        copies = [int(stream.call_copies.sum()) for stream in streams]

        def column(parts: Sequence[Ints | int], lengths: Sequence[int]) -> Ints:
            full = [np.broadcast_to(part, length) for part, length in zip(parts, lengths, strict=True)]
            return np.concatenate([np.zeros(0, dtype=np.int64), *full])

        call_copies = column([stream.call_copies for stream in streams], calls)
        return cls(
            num_gpus=num_gpus,
            stream_gpu=np.array([stream.gpu for stream in streams], dtype=np.int64),
            stream_start_s=np.array([stream.start_s for stream in streams], dtype=np.float64),
            stream_queued=np.array([stream.queued for stream in streams], dtype=np.bool_),
            call_stream=np.repeat(np.arange(len(streams)), calls),
            call_issue=column([stream.call_issue for stream in streams], calls),
            call_barrier=column([stream.call_barrier for stream in streams], calls),
            call_first_copy=np.concatenate([[0], np.cumsum(call_copies)]),
            copy_src=column([stream.src for stream in streams], copies),
            copy_dst=column([stream.dst for stream in streams], copies),
            copy_bytes=column([stream.bytes for stream in streams], copies),
        )

    @cached_property
    def streams(self) -> tuple[ProgramStream, ...]:
        """Return each stream by itself; `build` is the inverse."""
        ends = np.searchsorted(self.call_stream, np.arange(len(self.stream_gpu) + 1)).tolist()
        found = []
        for number, gpu in enumerate(self.stream_gpu.tolist()):
            calls = slice(ends[number], ends[number + 1])
            copies = slice(*self.call_first_copy[[calls.start, calls.stop]].tolist())
            found.append(
                ProgramStream(
                    gpu=gpu,
                    src=self.copy_src[copies],
                    dst=self.copy_dst[copies],
                    bytes=self.copy_bytes[copies],
                    call_copies=np.diff(self.call_first_copy[calls.start : calls.stop + 1]),
                    call_issue=self.call_issue[calls],
                    call_barrier=self.call_barrier[calls],
                    start_s=float(self.stream_start_s[number]),
                    queued=bool(self.stream_queued[number]),
                )
            )
        return tuple(found)

    @cached_property
    def copy_call(self) -> Ints:
        """Call of each copy, shape (copies,)."""
        return np.repeat(np.arange(len(self.call_stream)), np.diff(self.call_first_copy))

    @cached_property
    def copy_gpu(self) -> Ints:
        """GPU whose engine moves each copy, shape (copies,)."""
        return self.stream_gpu[self.call_stream[self.copy_call]]


def program_from_plan(
    plan: CopyPlan,
    *,
    issue_mode: str = "queued",
    start_s: Sequence[float] | None = None,
    home: str = "peer",
    ranks: int | None = None,
) -> Program:
    """Return the program in which each rank runs its part of `plan` on one stream.

    Args:
        plan: The copies.
        issue_mode: `queued` or `as_issued`.
        start_s: Start of each rank's clock in seconds; all zero when unset.
        home: Where the peers' experts are: in the peers (`peer`), in pinned host memory (`host`), or in the rank's own
            GPU (`local`).
        ranks: How many ranks really run; the others are only sources. All when unset.

    Raises:
        ConfigError: Unknown issue mode or home.
    """
    check_choice("issue_mode", issue_mode, ISSUE_MODES)
    check_choice("cluster.home", home, HOMES)
    size = plan.placement.dwdp_size if ranks is None else ranks
    call_copies = np.bincount(plan.copy_call, minlength=len(plan.call_rank))
    ends = np.arange(size + 1)
    copy_ends, call_ends = (np.searchsorted(rank, ends).tolist() for rank in (plan.copy_rank, plan.call_rank))
    streams = []
    for rank in range(size):
        copies, calls = (slice(*found[rank : rank + 2]) for found in (copy_ends, call_ends))
        src: Ints | int = plan.copy_peer[copies] if home == "peer" else HOST if home == "host" else rank
        streams.append(
            ProgramStream(
                gpu=rank,
                src=src,
                dst=rank,
                bytes=plan.copy_bytes[copies],
                call_copies=call_copies[calls],
                call_issue=plan.call_issue[calls],
                call_barrier=plan.call_barrier[calls],
                start_s=0.0 if start_s is None else start_s[rank],
                queued=issue_mode == "queued",
            )
        )
    return Program.build(size, streams)


def batch_spans_sources(program: Program) -> bool:
    """Whether some batch spans several (source, destination) pairs, so that the in-flight rule counts."""
    pair = program.copy_src * (program.num_gpus + 1) + program.copy_dst
    call = program.copy_call
    changes = (pair[1:] != pair[:-1]) & (call[1:] == call[:-1])
    return bool(np.any(changes & (program.call_issue[call[1:]] == BATCH)))


LATEST_START_S = 1e6
LONGEST_SPREAD_S = 1.0  # first start to last: a clock at 1 s still resolves the time of 64 KiB to 1e-9


def check_spread(key: str, starts_s: Sequence[float]) -> None:
    """Refuse starts so far apart that floating-point time at the last one would be too coarse for single copies.

    Raises:
        ConfigError: They are.
    """
    spread_s = max(starts_s, default=0.0) - min(starts_s, default=0.0)
    if spread_s > LONGEST_SPREAD_S:
        allowed = f"starts within {LONGEST_SPREAD_S:g} s of one another are wanted"
        raise ConfigError(key, f"{spread_s:g} s apart", allowed)
