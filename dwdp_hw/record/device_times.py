"""Give recorded copies the times that torch's profiler saw on the GPU, where it recorded beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dwdp_hw.record.layers import IssuedCall, is_batch, issued_calls
from dwdp_hw.record.reading import Record
from dwdp_hw.record.schema import Call, Profile
from dwdp_hw.traces.torch_profiler import read_torch_profiler
from dwdp_hw.traces.traced_copy import ApiCall, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError

_MOST_PASSED_OVER = 10_000  # calls in a profiler's trace that nobody recorded, between two that somebody did
Timed = Sequence[TracedCopy]


def device_traces(records: Iterable[Record]) -> tuple[list[Trace], list[str]]:
    """Return the recorded copies that have device times, a trace for each window of each process, and what is missing.

    A trace that cannot be used is named among what is missing: the record says enough without it.
    """
    traces, notes = [], []
    for number, record in enumerate(records):
        for profile in record.profiles:
            try:
                traces += [_trace(record, number, profile)] if profile.file is not None else []
            except ConfigError as error:
                notes.append(f"no device times: {error}")
    return [trace for trace in traces if trace.copies], notes


def without_times(records: Iterable[Record]) -> list[str]:
    """Return why processes that copied have no device times."""
    why: list[str] = []
    for record in records:
        if record.calls and not any(profile.file for profile in record.profiles):
            said = next((profile.missing for profile in record.profiles if profile.missing), None)
            why.append(said or "no window for the profiler was asked for (--profile-for), or the process ended before")
    return list(dict.fromkeys(why))


def _trace(record: Record, process: int, profile: Profile) -> Trace:
    path = str(Path(record.path).with_name(profile.file or ""))
    trace = read_torch_profiler(path, process)
    seen, issued = _by_call(trace.copies), issued_calls(record)
    copies: list[TracedCopy] = []
    place = missing = merged = 0
    for call in record.calls:
        known = issued.get((call.copies, is_batch(call)))
        if known is None or call.code or not profile.begin_ns <= call.begin_ns <= call.end_ns <= profile.end_ns:
            continue
        size = sum(known.copies.bytes)
        later = range(place, min(place + _MOST_PASSED_OVER, len(seen)))
        match = next((at for at in later if _is_this(seen[at], size, known.is_batch)), None)
        if match is None:
            missing += 1
            continue
        place = match + 1
        merged += len(seen[match]) != len(known.src)
        copies += _timed(known, seen[match], _on_wall_clock(call, profile))
    notes = []
    if missing:
        notes.append(f"{missing} recorded calls in the profiler's window are not in its trace and have no device times")
    if merged:
        notes.append(f"{merged} batches have fewer records than copies: their copies have the times of the whole batch")
    return Trace(path, "recorder, times by torch.profiler", trace.gpu_names, tuple(copies), tuple(notes))


def _on_wall_clock(call: Call, profile: Profile) -> ApiCall:
    """The recorded call on the clock of the profiler, which may not know the name of a newer function."""
    later_ns = profile.wall_minus_monotonic_ns
    return ApiCall(call.name, call.begin_ns + later_ns, call.end_ns + later_ns)


def _by_call(copies: Iterable[TracedCopy]) -> list[Timed]:
    """The trace's copies by the call that issued them, in the order in which they ran."""
    groups: dict[int, list[TracedCopy]] = {}
    for copy in copies:
        groups.setdefault(copy.correlation, []).append(copy)
    timed = [sorted(group, key=lambda copy: copy.start_ns) for group in groups.values()]
    return sorted(timed, key=lambda group: group[0].start_ns)


def _is_this(timed: Timed, size: int, batched: bool) -> bool:
    call = timed[0].call
    return (call is None or call.is_batch == batched) and sum(copy.bytes for copy in timed) == size


def _timed(issued: IssuedCall, timed: Timed, recorded: ApiCall) -> list[TracedCopy]:
    """The copies of a recorded call with the times of the trace: one to one, or all with those of the whole call."""
    first = timed[0]
    whole = (first.start_ns, max(copy.end_ns for copy in timed))
    times = [(copy.start_ns, copy.end_ns) for copy in timed]
    if len(times) != len(issued.src):
        times = [whole] * len(issued.src)
    return [
        TracedCopy(
            process=first.process,
            gpu=dst,
            stream=first.stream,
            src=src,
            dst=dst,
            bytes=size,
            start_ns=start_ns,
            end_ns=end_ns,
            correlation=first.correlation,
            call=first.call or recorded,
        )
        for src, dst, size, (start_ns, end_ns) in zip(issued.src, issued.dst, issued.copies.bytes, times, strict=True)
    ]
