"""One recorded row as a program: what was run, and how long it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwdp_hw.rows.streams_codec import unfold_streams
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import MAPPINGS
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.program import Program
from dwdp_sim.plan.program_file import program_from_dict

QUEUE_CALLS = 1000  # about so many calls fill a stream; a further one waits until the GPU makes progress
_SHORTEST_S = 25e-6  # the fixed part scatters by 1–2 µs from run to run: 8 % of this
_LARGEST_SPREAD = 0.10  # (max − min) ÷ median, for rows that do not say themselves whether they are stable


@dataclass(frozen=True)
class RecordedRow:
    """One measured case.

    Attributes:
        case: Its name.
        program: What ran; one stream for each rank (or job) that was timed.
        queued: Whether host time was kept out of the figures.
        issue: `async` or `batch`.
        strategy: Strategy and slice size where the row names them, else the way of issuing.
        median_s, min_s, max_s: Device time of each stream, in seconds.
        host_s: Host time of each stream's calls, in seconds; empty where not recorded.
        skew_s: Median difference between the ranks' starts, in seconds; None where not recorded.
        mapping: How peer memory was mapped, one of `cluster.MAPPINGS`; None where not recorded.
        beyond_queue: Single copies that found no place in their stream's queue before the clock started: the row is
            neither queued nor as issued.
        unstable: Why the row must not be compared with anything; None if it may.
        arrival_s: When each copy of each stream had arrived in one watched run, in seconds from the stream's start and
            in issue order, NaN where not seen; None where not recorded.
        starts_s: When each stream started beyond its planned start, by run; empty where not recorded.
        clock_error_s: By how much each of these may be wrong.
    """

    case: str
    program: Program
    queued: bool
    issue: str
    strategy: str
    median_s: tuple[float, ...]
    min_s: tuple[float, ...]
    max_s: tuple[float, ...]
    host_s: tuple[float, ...]
    skew_s: float | None
    mapping: str | None
    beyond_queue: int
    unstable: str | None
    arrival_s: tuple[tuple[float, ...], ...] | None = None
    starts_s: tuple[tuple[float, ...], ...] = ()
    clock_error_s: float = 0.0


def row_from_dict(row: Mapping[str, Any], gpus: int, path: str) -> RecordedRow:
    """One row of the file `path`, whose machine has `gpus` GPUs.

    Raises:
        ConfigError: Its times do not fit its streams, or its memory was mapped in an unknown way.
        KeyError: Something is missing.
    """
    queued = bool(row["queued_behind_gate"])
    program, issue = _ran(row, gpus, queued, path)
    times = row["device_us"]
    if len(times) != len(program.stream_gpu):
        raise ConfigError("rows", path, f"case {row['case']}: {len(times)} times for {len(program.stream_gpu)} streams")
    median, low, high = (tuple(time[name] * 1e-6 for time in times) for name in ("median", "min", "max"))
    skew = row.get("start_skew_us")
    beyond = _beyond_queue(row, program) if queued else 0
    unstable = f"beyond the queue: {beyond} copies had no place in it" if beyond else None
    return RecordedRow(
        case=row["case"],
        program=program,
        queued=queued,
        issue=issue,
        strategy=row.get("strategy") or issue,
        median_s=median,
        min_s=low,
        max_s=high,
        host_s=tuple(time * 1e-6 for time in row.get("host_us") or ()),
        skew_s=None if skew is None else skew["median"] * 1e-6,
        mapping=_mapping(row, path),
        beyond_queue=beyond,
        unstable=unstable or _unstable(row, median, low, high),
        arrival_s=_arrivals(row, program, path),
        starts_s=_starts(row, program, path),
        clock_error_s=(row.get("clock_uncertainty_us") or 0.0) * 1e-6,
    )


def _ran(row: Mapping[str, Any], gpus: int, queued: bool, path: str) -> tuple[Program, str]:
    """What ran, and the way of issuing: as the row's streams or jobs say, or what two ranks imply."""
    if "streams" in row:
        return unfold_streams(row["streams"], gpus, queued), "+".join(sorted({s["issue"] for s in row["streams"]}))
    home = row.get("home", "peer")
    jobs = row.get("jobs") or [
        {
            "gpu": rank,
            "kind": "pull",
            "peer": {"peer": f"gpu{1 - rank}", "host": "host", "local": f"gpu{rank}"}[home],
            "issue": row["issue"],
            "copies_bytes": row["copies_bytes"],
        }
        for rank in range(row["ranks_pulling"])
    ]
    streams = [
        {
            "gpu": job["gpu"],
            "queued": job.get("queued", queued),
            "start_s": job.get("start_us", 0.0) * 1e-6,
            "calls": job.get("calls") or _calls(job),
        }
        for job in jobs
    ]
    return program_from_dict({"streams": streams}, gpus, path), "+".join(sorted({job["issue"] for job in jobs}))


def _starts(row: Mapping[str, Any], program: Program, path: str) -> tuple[tuple[float, ...], ...]:
    """Seconds of each stream for each run."""
    recorded = row.get("start_us_runs") or []
    if recorded and len(recorded) != len(program.stream_gpu):
        said = f"starts of {len(recorded)} ranks for {len(program.stream_gpu)} streams"
        raise ConfigError("rows", path, f"case {row['case']}: {said}")
    return tuple(tuple(later * 1e-6 for later in run) for run in zip(*recorded, strict=True))


def _arrivals(row: Mapping[str, Any], program: Program, path: str) -> tuple[tuple[float, ...], ...] | None:
    """Seconds for each copy of each stream; a stream with too many copies to watch has an empty list."""
    if "arrival_us" not in row:
        return None
    copies = np.bincount(program.call_stream[program.copy_call], minlength=len(program.stream_gpu)).tolist()
    seen = [stream["copies"] for stream in row["arrival_us"]]
    if len(seen) != len(copies) or any(times and len(times) != n for times, n in zip(seen, copies, strict=True)):
        said = f"arrivals of {[len(times) for times in seen]} copies for streams of {copies}"
        raise ConfigError("rows", path, f"case {row['case']}: {said}")
    return tuple(
        tuple(math.nan if time is None else time * 1e-6 for time in times or [None] * n)
        for times, n in zip(seen, copies, strict=True)
    )


def _mapping(row: Mapping[str, Any], path: str) -> str | None:
    mapping = row.get("mapping")
    if mapping is not None and mapping not in MAPPINGS:
        raise ConfigError("rows", path, f"case {row['case']}: mapping is {mapping}; allowed: {', '.join(MAPPINGS)}")
    return mapping


def _beyond_queue(row: Mapping[str, Any], program: Program) -> int:
    """Single copies that found no place in their stream's queue; batches are few, and the host keeps ahead of them."""
    singles = program.call_stream[program.call_issue == ASYNC]
    calls = np.bincount(singles, minlength=len(program.stream_gpu))
    places = row.get("queued_calls") or [QUEUE_CALLS] * len(calls)
    return int(np.maximum(calls - places, 0).sum())


def _unstable(
    row: Mapping[str, Any], median: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> str | None:
    if min(median) < _SHORTEST_S:
        return "below 25 µs: the fixed part scatters by 1–2 µs from run to run"
    if "stable" in row:
        return None if row["stable"] else str(row.get("unstable_reason") or "unstable")
    spread = max((h - s) / m for m, s, h in zip(median, low, high, strict=True))
    if spread > _LARGEST_SPREAD:
        return f"(max − min) ÷ median is {spread:.0%}, above {_LARGEST_SPREAD:.0%}"
    return None


def _calls(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = f"gpu{job['gpu']}"
    peer = job["peer"] if isinstance(job["peer"], str) else f"gpu{job['peer']}"
    src, dst = (peer, own) if job["kind"] == "pull" else (own, peer)
    pieces = _pieces(job["copies_bytes"])
    if job["issue"] == "batch":
        copies = [{"src": src, "dst": dst, "bytes": size, "count": count} for size, count in pieces]
        return [{"issue": "batch", "copies": copies}]
    return [{"issue": "async", "src": src, "dst": dst, "bytes": size, "count": count} for size, count in pieces]


def _pieces(copies_bytes: Sequence[Mapping[str, int]]) -> list[tuple[int, int]]:
    """(bytes, count) in issue order: n − 1 pieces of `each` bytes and one of `last`, for each parameter."""
    pieces = []
    for parameter in copies_bytes:
        if parameter["n"] > 1:
            pieces.append((parameter["each"], parameter["n"] - 1))
        pieces.append((parameter["last"], 1))
    return pieces


RowKey = tuple[str, str]
