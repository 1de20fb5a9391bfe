"""Group traced copies into calls, streams and bursts, and choose when each burst's clock starts.

A burst is what one run of a program is elsewhere: the copies of all streams that move at the same time, up to an idle
gap. Layer prefetch leaves such gaps by itself: a layer's copies follow one another within microseconds, then the stream
waits until a slot is free. Where prefetch never waits, several layers make one burst, as they should: their copies
contend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from dwdp_hw.traces.traced_copy import TracedCopy

_HELD_NS = 20_000  # an idle stream begins well within this after the call returned; later, something held it
_SHORTEST_QUEUED_NS = 300_000  # the fixed part of a call, up to 9 µs, is then at most 3 %


@dataclass(frozen=True)
class StreamBurst:
    """One stream's copies of one burst.

    Attributes:
        calls: Copies in order of start, grouped by the call that issued them.
        queued: Whether host time is kept out: the stream was held while its calls were issued, and none of its copies
            waited for the host.
        start_ns: When its clock starts: first call begun, or, if queued, first copy begun.
        doubt: Why the time must not be compared; None if it may.
    """

    calls: tuple[tuple[TracedCopy, ...], ...]
    queued: bool
    start_ns: int
    doubt: str | None

    @property
    def copies(self) -> tuple[TracedCopy, ...]:
        """All of them, in order of start."""
        return tuple(copy for call in self.calls for copy in call)

    @property
    def gpu(self) -> int:
        """GPU that ran them."""
        return self.calls[0][0].gpu

    @property
    def stream(self) -> int:
        """CUDA stream, as the profiler numbers it."""
        return self.calls[0][0].stream

    @property
    def end_ns(self) -> int:
        """Last byte."""
        return max(copy.end_ns for copy in self.copies)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the clock's start to the last byte."""
        return (self.end_ns - self.start_ns) * 1e-9

    @property
    def bytes(self) -> int:
        """Bytes of all copies."""
        return sum(copy.bytes for copy in self.copies)

    @property
    def is_batched(self) -> tuple[bool, ...]:
        """For each call, whether it was a batch: its name says so, or its copies share one correlation number."""
        return tuple(len(call) > 1 or bool(call[0].call and call[0].call.is_batch) for call in self.calls)


Burst = tuple[StreamBurst, ...]


def find_bursts(copies: Iterable[TracedCopy], gap_s: float) -> list[Burst]:
    """Return the bursts in order of time, their streams in order of GPU.

    Args:
        copies: Of one kind, of any number of GPUs and processes.
        gap_s: A stream idle for longer than this begins a new burst.
    """
    by_stream: dict[tuple[int, int, int], list[TracedCopy]] = {}
    for copy in copies:
        by_stream.setdefault((copy.gpu, copy.process, copy.stream), []).append(copy)
    parts = [
        _stream_burst(part)
        for own in by_stream.values()
        for part in _split(sorted(own, key=lambda copy: (copy.start_ns, copy.end_ns)), gap_s * 1e9)
    ]
    bursts: list[list[StreamBurst]] = []
    busy_until_ns = None
    for part in sorted(parts, key=lambda part: part.start_ns):
        if busy_until_ns is None or part.start_ns >= busy_until_ns:
            bursts.append([])
            busy_until_ns = part.end_ns
        bursts[-1].append(part)
        busy_until_ns = max(busy_until_ns, part.end_ns)
    return [tuple(sorted(burst, key=lambda part: (part.gpu, part.start_ns))) for burst in bursts]


def _split(copies: Sequence[TracedCopy], gap_ns: float) -> list[list[TracedCopy]]:
    """The copies of one stream, cut where it was idle for longer than the gap; a call is never cut."""
    parts: list[list[TracedCopy]] = []
    end_ns = 0
    for copy in copies:
        if not parts or (copy.start_ns - end_ns > gap_ns and not _same_call(copy, parts[-1][-1])):
            parts.append([])
        parts[-1].append(copy)
        end_ns = max(end_ns, copy.end_ns)
    return parts


def _same_call(one: TracedCopy, other: TracedCopy) -> bool:
    return one.correlation != 0 and one.correlation == other.correlation and not (one.call and one.call.is_graph)


def _stream_burst(copies: Sequence[TracedCopy]) -> StreamBurst:
    alone = iter(range(-1, -len(copies) - 1, -1))  # a number of its own for each copy that shares no call
    groups = groupby(copies, key=lambda copy: copy.correlation if _same_call(copy, copy) else next(alone))
    calls = tuple(tuple(group) for _, group in groups)
    queued, start_ns, doubt = _clock(calls)
    return StreamBurst(calls, queued, start_ns, doubt)


def _clock(calls: Sequence[Sequence[TracedCopy]]) -> tuple[bool, int, str | None]:
    """Whether host time is out of the figure, when the clock starts, and why the figure is no good.

    Copies that the host fed as it went must be predicted with the host's time, from the begin of the first call; copies
    that were held by an event until the host was ahead must be predicted without, from their own begin.
    """
    first = calls[0][0]
    if first.call is None or first.call.is_graph:
        return True, first.start_ns, _too_short(calls)
    held = first.start_ns - first.call.end_ns > _HELD_NS
    waited = _waited_for_host(calls)
    if held and not waited:
        return True, first.start_ns, _too_short(calls)
    doubt = "held by an event, then waited for the host: neither queued nor as issued" if held else None
    return False, first.start_ns if held else first.call.start_ns, doubt


def _waited_for_host(calls: Sequence[Sequence[TracedCopy]]) -> bool:
    """Whether the stream once stood idle because the next call had not begun."""
    end_ns = calls[0][0].end_ns
    for before, call in pairwise(calls):
        end_ns = max(end_ns, *(copy.end_ns for copy in before))
        if call[0].call is not None and call[0].call.start_ns > end_ns:
            return True
    return False


def _too_short(calls: Sequence[Sequence[TracedCopy]]) -> str | None:
    elapsed_ns = max(copy.end_ns for call in calls for copy in call) - calls[0][0].start_ns
    if elapsed_ns >= _SHORTEST_QUEUED_NS:
        return None
    least = f"{_SHORTEST_QUEUED_NS / 1000:.0f} µs"
    return f"below {least}: a trace does not show the fixed part before the first byte"
