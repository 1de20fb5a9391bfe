"""A copy program: streams, calls and copies between endpoints. What an executor needs to know, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats, Ints
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import BATCH, CopyPlan

HOST = -1
ISSUE_MODES = ("queued", "as_issued")
HOMES = ("peer", "host", "local")


@dataclass(frozen=True)
class Program:
    """Copies on streams.

    Calls stand stream by stream, copies call by call; `call_first_copy` has one more entry than there are calls.

    Attributes:
        num_gpus: Endpoints 0 … num_gpus − 1; `HOST` is pinned host memory.
        stream_gpu: GPU whose copy engines and host thread serve each stream, shape (streams,).
        stream_start_s: When each stream's clock starts, in seconds.
        stream_queued: Whether all calls of the stream are complete at its start; otherwise its host begins then.
        call_stream: Stream of each call, shape (calls,).
        call_issue: `plan.ASYNC` or `plan.BATCH`.
        call_barrier: As in `plan.CopyPlan`.
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

    @cached_property
    def copy_call(self) -> Ints:
        """Call of each copy, shape (copies,)."""
        return np.repeat(np.arange(len(self.call_stream)), np.diff(self.call_first_copy))


def program_from_plan(
    plan: CopyPlan,
    *,
    issue_mode: str = "queued",
    start_s: Sequence[float] | None = None,
    home: str = "peer",
    ranks: int | None = None,
) -> Program:
    """One stream a rank, running `plan`.

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
    if issue_mode not in ISSUE_MODES:
        raise ConfigError("issue_mode", issue_mode, f"allowed: {', '.join(ISSUE_MODES)}")
    if home not in HOMES:
        raise ConfigError("cluster.home", home, f"allowed: {', '.join(HOMES)}")
    size = plan.placement.dwdp_size if ranks is None else ranks
    copies = plan.copy_rank < size
    calls = plan.call_rank < size
    src = {"peer": plan.copy_peer, "host": np.full_like(plan.copy_peer, HOST), "local": plan.copy_rank}[home]
    counts = np.bincount(plan.copy_call[copies], minlength=int(calls.sum()))
    return Program(
        num_gpus=size,
        stream_gpu=np.arange(size, dtype=np.int64),
        stream_start_s=np.zeros(size) if start_s is None else np.asarray(start_s, dtype=np.float64),
        stream_queued=np.full(size, issue_mode == "queued"),
        call_stream=plan.call_rank[calls],
        call_issue=plan.call_issue[calls],
        call_barrier=plan.call_barrier[calls],
        call_first_copy=np.r_[0, np.cumsum(counts)].astype(np.int64),
        copy_src=src[copies],
        copy_dst=plan.copy_rank[copies],
        copy_bytes=plan.copy_bytes[copies],
    )


def batch_spans_sources(program: Program) -> bool:
    """Whether some batch spans several (source, destination) pairs, so that the in-flight rule counts."""
    pair = program.copy_src * (program.num_gpus + 1) + program.copy_dst
    call = program.copy_call
    changes = (pair[1:] != pair[:-1]) & (call[1:] == call[:-1])
    return bool(np.any(changes & (program.call_issue[call[1:]] == BATCH)))


LATEST_START_S = 1e6
LONGEST_SPREAD_S = 1.0  # from the first start to the last; after a second a clock counts 64 KiB to 1e-9 of their time


def check_spread(key: str, starts_s: Sequence[float]) -> None:
    """Refuse starts so far apart that the clock at the last one would be too coarse for single copies.

    Raises:
        ConfigError: They are.
    """
    spread_s = max(starts_s, default=0.0) - min(starts_s, default=0.0)
    if spread_s > LONGEST_SPREAD_S:
        allowed = f"starts within {LONGEST_SPREAD_S:g} s of one another are wanted"
        raise ConfigError(key, f"{spread_s:g} s apart", allowed)
