"""Find layers and steps in the calls of a stream: the same copies again are the next layer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.record.reading import Record
from dwdp_hw.record.schema import Allocation, Call, Copies
from dwdp_sim.base.arrays import Ints
from dwdp_sim.plan.endpoints import HOST, link_kind

_LONGEST_LAYER = 4096  # calls of a layer, or layers of a step, that are looked for
_BATCH = "cudaMemcpyBatchAsync"


@dataclass(frozen=True)
class IssuedCall:
    """A call as an executor sees it.

    Attributes:
        is_batch: Whether it was one batch.
        src, dst: Endpoints of its copies: GPUs, or `HOST`.
        memory: What tells sources apart: the GPU, or, of memory that is no other GPU's, its allocation as −2 − number.
        copies: The same copies as they were recorded.
    """

    is_batch: bool
    src: tuple[int, ...]
    dst: tuple[int, ...]
    memory: tuple[int, ...]
    copies: Copies

    @property
    def shape(self) -> Hashable:
        """Equal for calls that are repeats of one another, whichever slot they fill."""
        return self.is_batch, self.memory, self.dst, tuple(self.copies.bytes)


@dataclass(frozen=True)
class Prefetch:
    """The copies that one process pulls into one GPU on one stream.

    Attributes:
        record: Number of the process's record.
        gpu: That GPU.
        stream: As the record numbers it.
        layer: The calls of a layer, equal for all of them up to addresses.
        layers: The calls of each layer, in order of time.
        layers_a_step: After how many layers the same addresses come again; None if they do not.
        rest: Calls before and after that make no whole layer.
        repeats: Whether a layer was seen twice; if not, all calls count as one.
    """

    record: int
    gpu: int
    stream: int
    layer: tuple[IssuedCall, ...]
    layers: tuple[tuple[Call, ...], ...]
    layers_a_step: int | None
    rest: int
    repeats: bool

    @property
    def sources(self) -> tuple[int, ...]:
        """Each memory that is read, in the order of its first copy."""
        return tuple(dict.fromkeys(memory for call in self.layer for memory in call.memory))

    @property
    def bytes(self) -> int:
        """Bytes of a layer."""
        return sum(sum(call.copies.bytes) for call in self.layer)

    @property
    def host_s(self) -> float:
        """Median time in the calls of a layer, in seconds."""
        return float(np.median([sum(call.end_ns - call.begin_ns for call in layer) for layer in self.layers])) * 1e-9


def is_batch(call: Call) -> bool:
    """Whether a call was one batch."""
    return call.name == _BATCH


def find_prefetches(records: Sequence[Record], kind: str) -> tuple[Prefetch, ...]:
    """Return what was pulled over one kind of link, by GPU; calls that failed are left out.

    Args:
        records: Of all processes.
        kind: `peer`, `host` or `local`.
    """
    found = []
    for number, record in enumerate(records):
        issued = issued_calls(record)
        by_stream: dict[tuple[int, int], list[Call]] = {}
        for call in record.calls:
            seen = issued.get((call.copies, is_batch(call)))
            if seen is not None and call.code == 0 and _is_pull(seen, kind):
                by_stream.setdefault((seen.dst[0], call.stream), []).append(call)
        found += [_prefetch(number, *key, calls, issued) for key, calls in by_stream.items()]
    return tuple(sorted(found, key=lambda part: (part.gpu, part.record, part.stream)))


def issued_calls(record: Record) -> dict[tuple[int, bool], IssuedCall]:
    """Return the calls between memory that is known, by number of their copies and whether they are batches."""
    ends = {number: _endpoint(allocation) for number, allocation in record.allocations.items()}
    found = {}
    for number, batched in {(call.copies, is_batch(call)) for call in record.calls}:
        issued = _issued(record.copies[number], batched, ends)
        if issued is not None:
            found[number, batched] = issued
    return found


def _endpoint(allocation: Allocation) -> int | None:
    if allocation.kind == "device":
        return allocation.device if allocation.device >= 0 else None
    return HOST if allocation.kind == "pinned" else None


def _issued(copies: Copies, batched: bool, ends: Mapping[int, int | None]) -> IssuedCall | None:
    moved = [place for place, size in enumerate(copies.bytes) if size]
    kept = Copies(
        id=copies.id,
        src=[copies.src[place] for place in moved],
        src_offset=[copies.src_offset[place] for place in moved],
        dst=[copies.dst[place] for place in moved],
        dst_offset=[copies.dst_offset[place] for place in moved],
        bytes=[copies.bytes[place] for place in moved],
    )
    src, dst = [ends[number] for number in kept.src], [ends[number] for number in kept.dst]
    if not moved or None in src or None in dst:
        return None
    sources, targets = tuple(e for e in src if e is not None), tuple(e for e in dst if e is not None)
    memory = tuple(
        source if source not in (HOST, target) else -2 - number
        for source, target, number in zip(sources, targets, kept.src, strict=True)
    )
    return IssuedCall(batched, sources, targets, memory, kept)


def _is_pull(call: IssuedCall, kind: str) -> bool:
    """Whether all copies go into one GPU, at least one of them over this kind of link."""
    kinds = {link_kind(src, dst) for src, dst in zip(call.src, call.dst, strict=True)}
    return kind in kinds and len(set(call.dst)) == 1 and call.dst[0] != HOST


def _prefetch(
    record: int, gpu: int, stream: int, calls: Sequence[Call], issued: Mapping[tuple[int, bool], IssuedCall]
) -> Prefetch:
    seen = [issued[call.copies, is_batch(call)] for call in calls]
    first, length = repeated([call.shape for call in seen]) or (0, len(calls))
    starts = range(first, len(calls) - length + 1, length)
    layers = tuple(tuple(calls[start : start + length]) for start in starts)
    step = repeated([tuple(call.copies for call in layer) for layer in layers])
    return Prefetch(
        record=record,
        gpu=gpu,
        stream=stream,
        layer=tuple(seen[first : first + length]),
        layers=layers,
        layers_a_step=step[1] if step else None,
        rest=len(calls) - length * len(layers),
        repeats=len(layers) > 1,
    )


def repeated(shapes: Sequence[Hashable]) -> tuple[int, int] | None:
    """Return where repeats begin and how long each is: the shortest length that at least half of the list repeats.

    Args:
        shapes: One value for each entry; equal ones are repeats.

    Returns:
        None if nothing is there twice. The last repeat may be cut short.
    """
    numbers: dict[Hashable, int] = {}
    column: Ints = np.array([numbers.setdefault(shape, len(numbers)) for shape in shapes], dtype=np.int64)
    for length in range(1, min(len(column) // 2, _LONGEST_LAYER) + 1):
        unequal = np.flatnonzero(column[length:] != column[:-length])
        first = int(unequal[-1]) + 1 if len(unequal) else 0
        if len(column) - first >= max(2 * length, len(column) / 2):
            return first, length
    return None
