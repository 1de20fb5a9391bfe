"""The lines of a record, as types: what the recorder writes in an engine's process, and all that is read of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from dwdp_hw.record.inside.record_file import FORMAT
from dwdp_hw.rows.schema import MOST_GPUS
from dwdp_hw.traces.traced_copy import Number
from dwdp_sim.base.typed_file import Name

Id = Annotated[int, Meta(ge=0, le=10_000_000)]
"""What a record numbers: an allocation, a list of copies, a thread, a stream."""


class Process(Struct, tag_field="what", tag="process", forbid_unknown_fields=True):
    """The first line: which process, and of which."""

    format: Annotated[int, Meta(ge=1)]
    process: Number
    parent: Number
    python: Name


class Watched(Struct, tag_field="what", tag="watched", forbid_unknown_fields=True):
    """A module that the process imported, and its functions that are watched."""

    module: Name
    functions: list[Name]


Handle = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
"""What tells one handle of CUDA IPC from another."""


class Shared(Struct, tag_field="what", tag="shared", forbid_unknown_fields=True):
    """Memory that the process offered to others by CUDA IPC, and the GPU that it is on."""

    handle: Handle
    device: Annotated[int, Meta(ge=-1, lt=MOST_GPUS)]


class Allocation(Struct, tag_field="what", tag="allocation", forbid_unknown_fields=True):
    """Memory that copies read or write.

    Attributes:
        kind: `device`; `pinned` or `pageable` host memory; `unknown` if nobody could say; `other`: of no CUDA device.
        device: GPU, as the process numbers it; −1 of host memory.
        bytes: Of the whole allocation; 0 if the driver does not say, and offsets are then 0 too.
        handle: By which it was opened, if it is memory of another process; `device` is then the GPU that opened it.
    """

    id: Id
    kind: Literal["device", "pinned", "pageable", "unknown", "other"]
    device: Annotated[int, Meta(ge=-1, lt=MOST_GPUS)]
    bytes: Number
    handle: Handle | None = None


class Copies(Struct, tag_field="what", tag="copies", forbid_unknown_fields=True):
    """A list of copies, in the order of the call: allocations, offsets in them, and bytes."""

    id: Id
    src: list[Id]
    src_offset: list[Number]
    dst: list[Id]
    dst_offset: list[Number]
    bytes: list[Number]


class Call(Struct, tag_field="what", tag="call", forbid_unknown_fields=True, gc=False):
    """One call: when it was made on the monotonic clock, and the code that it returned."""

    order: Number
    name: Name
    thread: Id
    stream: Id
    begin_ns: Number
    end_ns: Number
    code: Annotated[int, Meta(ge=-(2**31), lt=2**31)]
    copies: Id


class Profile(Struct, tag_field="what", tag="profile", forbid_unknown_fields=True):
    """A window in which torch's profiler recorded, its file beside the record, its clock; or why there is none."""

    begin_ns: Number = 0
    end_ns: Number = 0
    wall_minus_monotonic_ns: Annotated[int, Meta(ge=-(2**62), le=2**62)] = 0
    file: Annotated[str, Meta(pattern=r"^trace-[0-9a-f]{12}\.json$")] | None = None
    missing: Name | None = None


class End(Struct, tag_field="what", tag="end", forbid_unknown_fields=True):
    """The last line of a process that ended by itself: calls in the file, and those that are not and why."""

    calls: Number
    lost: Number
    left_out: Number
    unread: Number
    converted: Number


Line = Process | Watched | Shared | Allocation | Copies | Call | Profile | End
__all__ = ["FORMAT", "Allocation", "Call", "Copies", "End", "Line", "Process", "Profile", "Shared", "Watched"]
