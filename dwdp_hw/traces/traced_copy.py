"""One copy of a trace, whichever profiler recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dwdp_hw.rows.schema import MOST_GPUS
from dwdp_sim.plan.endpoints import link_kind
from dwdp_sim.plan.program_file import MOST_COPIES

TOO_MANY = f"at most {MOST_COPIES} are read; record for a shorter time"

Gpu = Annotated[int, Meta(ge=0, lt=MOST_GPUS)]
"""Number of a GPU or device."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Bytes, nanoseconds, or what a profiler numbers."""


@dataclass(frozen=True)
class ApiCall:
    """The host's call that issued a copy.

    Attributes:
        name: As the profiler names it, such as `cudaMemcpyAsync` or `cudaMemcpyBatchAsync_ptsz`.
        start_ns, end_ns: When the host thread was in it, on the clock of the copies, in nanoseconds.
    """

    name: str
    start_ns: int
    end_ns: int

    @property
    def is_batch(self) -> bool:
        """Whether one such call may issue many copies that the engine runs without gaps."""
        return "Batch" in self.name

    @property
    def is_graph(self) -> bool:
        """Whether the copies are nodes of a CUDA graph: they share its launch, yet are single copies."""
        return "Graph" in self.name


@dataclass(frozen=True)
class TracedCopy:
    """One copy record.

    Attributes:
        process: Number that tells processes apart: correlation and stream numbers are theirs.
        gpu: GPU whose stream ran it.
        stream: CUDA stream, as the profiler numbers it.
        src, dst: GPU, or `HOST`.
        bytes: Length.
        start_ns, end_ns: When it ran on the device, in nanoseconds.
        correlation: Number of the call that issued it, unique in a process; 0 if the trace does not say.
        call: That call; None if the trace has no host side.
    """

    process: int
    gpu: int
    stream: int
    src: int
    dst: int
    bytes: int
    start_ns: int
    end_ns: int
    correlation: int
    call: ApiCall | None

    @property
    def kind(self) -> str:
        """`peer`, `host` (one end is host memory) or `local`, as clusters name them."""
        return link_kind(self.src, self.dst)


@dataclass(frozen=True)
class Trace:
    """All that was read from one file.

    Attributes:
        path: The file.
        profiler: Who wrote it, in words.
        gpu_names: By GPU number, where the trace says.
        copies: In no particular order.
        notes: What was left out, and why.
    """

    path: str
    profiler: str
    gpu_names: Mapping[int, str]
    copies: tuple[TracedCopy, ...]
    notes: tuple[str, ...]
