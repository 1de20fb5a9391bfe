"""Turn bursts into a program to replay and into recorded rows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from dwdp_hw.rows.file import rows_text
from dwdp_hw.rows.schema import Job, MeasuredRow
from dwdp_hw.rows.stability import FEWEST_RUNS, why_unstable
from dwdp_hw.traces.bursts import Burst, StreamBurst
from dwdp_hw.traces.traced_copy import TracedCopy
from dwdp_sim.plan.endpoints import endpoint_key
from dwdp_sim.plan.program import LONGEST_SPREAD_S

METHOD = (
    "times of a profiler's copy records; 'queued' streams were held until the host was ahead and are timed from the "
    "begin of their first copy to the end of their last, without the fixed part before the first byte; the others from "
    "the begin of the call that issued their first copy, the profiler's own cost of the calls included"
)
FIELDS = {
    "jobs": "one for each stream of a burst: 'gpu' whose process issued, its 'calls' as in a replay file, whether "
    "'queued', 'start_us' of its clock from the first one of the burst, and the CUDA 'stream'",
    "device_us": "in the order of jobs, over the bursts that have the same jobs",
    "host_us": "in the order of jobs: median time that the host spent in the calls; absent where the trace has none",
    "start_skew_us": "what start_us does not say already: nothing",
    "bursts": "numbers of the bursts, in order of time",
}


def program_content(bursts: Sequence[Burst]) -> dict[str, Any]:
    """Return a replay: one stream for each (GPU, CUDA stream) of each burst, on one clock from the first of all.

    Bursts that begin later than a replay's last start are left out, as `left_out` counts.
    """
    zero_ns = min(part.start_ns for burst in bursts for part in burst)
    kept = bursts[: len(bursts) - left_out(bursts)]
    return {"streams": [_stream(part, zero_ns) for burst in kept for part in burst]}


def left_out(bursts: Sequence[Burst]) -> int:
    """Return how many of the last bursts begin too late for one replay."""
    last_ns = min(part.start_ns for burst in bursts for part in burst) + LONGEST_SPREAD_S * 1e9
    return sum(max(part.start_ns for part in burst) > last_ns for burst in bursts)


def recorded_rows(bursts: Sequence[Burst]) -> list[MeasuredRow]:
    """Return one row for each kind of burst; bursts with equal jobs and starts are repeats of one case."""
    alike: dict[str, list[int]] = {}
    jobs = [_jobs(burst) for burst in bursts]
    for number, own in enumerate(jobs):
        alike.setdefault(json.dumps(own), []).append(number)
    return [_row(jobs[numbers[0]], [bursts[number] for number in numbers], numbers) for numbers in alike.values()]


def rows_file(
    machine: Mapping[str, Any], source: str, rows: Sequence[MeasuredRow], mapping: str = "not recorded"
) -> str:
    """Return the text of a file of recorded rows.

    Args:
        machine: Its description; GPU, count and driver decide whether rows are pooled.
        source: The trace, in words.
        rows: From `recorded_rows`.
        mapping: How peer memory was mapped; a trace does not say.
    """
    header = {
        "machine": dict(machine),
        "mapping": mapping,
        "source": source,
        "method": METHOD,
        "fields": FIELDS,
    }
    return rows_text(header, rows)


def _row(jobs: list[Job], repeats: Sequence[Burst], numbers: Sequence[int]) -> MeasuredRow:
    runs = [[part.elapsed_s for part in parts] for parts in zip(*repeats, strict=True)]
    doubts = {part.doubt for burst in repeats for part in burst if part.doubt}
    if len(repeats) >= FEWEST_RUNS:
        doubts |= set(why_unstable([], runs))
    row: MeasuredRow = {
        "case": f"burst_{numbers[0]:05d}",
        "measure": "layer",
        "jobs": jobs,
        "repeats": len(repeats),
        "bursts": list(numbers),
        "queued_behind_gate": all(job["queued"] for job in jobs),
        "device_us": [
            {"median": _us(statistics.median(own)), "min": _us(min(own)), "max": _us(max(own))} for own in runs
        ],
        "start_skew_us": {"median": 0.0, "max": 0.0} if len(jobs) > 1 else None,
        "stable": not doubts,
        "unstable_reason": "; ".join(sorted(doubts)) or None,
    }
    host = [[_host_s(part) for part in parts] for parts in zip(*repeats, strict=True)]
    if all(seconds is not None for own in host for seconds in own):
        row["host_us"] = [_us(statistics.median(s for s in own if s is not None)) for own in host]
    return row


def _jobs(burst: Burst) -> list[Job]:
    zero_ns = min(part.start_ns for part in burst)
    return [
        {
            "gpu": part.gpu,
            "stream": part.stream,
            "issue": "batch" if all(part.is_batched) else "async" if not any(part.is_batched) else "mixed",
            "queued": part.queued,
            "start_us": (part.start_ns - zero_ns) / 1000,
            "calls": _calls(part),
        }
        for part in burst
    ]


def _stream(part: StreamBurst, zero_ns: int) -> dict[str, Any]:
    return {
        "gpu": part.gpu,
        "start_s": (part.start_ns - zero_ns) / 1e9,
        "queued": part.queued,
        "calls": _calls(part),
    }


def _calls(part: StreamBurst) -> list[dict[str, Any]]:
    """Calls as a replay file has them, equal neighbours counted instead of repeated."""
    return counted(
        [
            {"issue": "batch", "copies": counted([_ends(copy) for copy in call])}
            if batched
            else {"issue": "async", **_ends(call[0])}
            for call, batched in zip(part.calls, part.is_batched, strict=True)
        ]
    )


def counted(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries of a replay file with equal neighbours as one entry with a count; batches have no count."""
    found: list[dict[str, Any]] = []
    for entry, equal in groupby(entries):
        number = len(list(equal))
        if number > 1 and "bytes" in entry:
            found.append({**entry, "count": number})
        else:
            found += [entry] * number
    return found


def _ends(copy: TracedCopy) -> dict[str, Any]:
    return {"src": endpoint_key(copy.src), "dst": endpoint_key(copy.dst), "bytes": copy.bytes}


def _host_s(part: StreamBurst) -> float | None:
    """Time in the calls; None if one of them is not in the trace."""
    calls = [call[0].call for call in part.calls]
    known = [call for call in calls if call is not None]
    return sum(call.end_ns - call.start_ns for call in known) * 1e-9 if len(known) == len(calls) else None


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 3)
