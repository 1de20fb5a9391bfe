"""A measured row as a program and its times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.rows.claims import contradiction, round_medians, why_doubted
from dwdp_hw.rows.schema import Job, MeasuredRow
from dwdp_hw.rows.streams_codec import unfold_pieces, unfold_streams
from dwdp_sim.base.errors import ConfigError, check_choice, shorten
from dwdp_sim.fabric.cluster import MAPPINGS
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.endpoints import HOMES, HOST, endpoint_key, link_kind
from dwdp_sim.plan.program import Program
from dwdp_sim.plan.program_file import program_from_dict

QUEUE_CALLS = 1000  # about so many calls fill a stream; a further one waits until the GPU makes progress
_SHORTEST_S = 25e-6  # the fixed part scatters by 1–2 µs from run to run: 8 % of this


@dataclass(frozen=True)
class RecordedRow:
    """One measured case: its program, and the times of its runs.

    Attributes:
        case: Its name.
        program: What ran; one stream for each rank (or job) that was timed.
        queued: Whether host time was kept out of the figures.
        issue: `async` or `batch`.
        strategy: Strategy and slice size where the row names them, else the way of issuing.
        median_s, min_s, max_s: Device time of each stream, in seconds; of a row with rounds, over their medians.
        rounds_s: The medians of each round that counts, by stream, in seconds; empty of a row without rounds.
        host_s: Host time of each stream's calls, in seconds; empty if not recorded.
        skew_s: Median difference between the ranks' starts, in seconds; None if not recorded.
        mapping: How peer memory was mapped, one of `cluster.MAPPINGS`; None if not recorded.
        beyond_queue: Single copies that found no place in their stream's queue before the clock started: the row is
            neither queued nor as issued.
        unstable: Why the row must not be compared with anything; None if it may.
        arrival_s: When each copy of each stream had arrived in one watched run, in seconds from the stream's start and
            in issue order, NaN where not seen; None if not recorded.
        starts_s: When each stream started beyond its planned start, by run; empty if not recorded.
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
    rounds_s: tuple[tuple[float, ...], ...] = ()


def row_from_dict(row: MeasuredRow, gpus: int, path: str) -> RecordedRow:
    """One row of the file `path`, whose machine has `gpus` GPUs.

    Raises:
        ConfigError: It does not say what ran, or contradicts itself, or its memory was mapped in an unknown way.
    """
    queued = row["queued_behind_gate"]
    program, issue = _ran(row, gpus, queued, path)
    times = row["device_us"]
    if said := contradiction(row, program):
        raise refusal(row, path, said)
    median, low, high = (tuple(time[name] * 1e-6 for time in times) for name in ("median", "min", "max"))
    skew = row["start_skew_us"]
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
        unstable=unstable or _unstable(row, program, median),
        arrival_s=_arrivals(row, program, path),
        starts_s=tuple(
            tuple(later * 1e-6 for later in run) for run in zip(*row.get("start_us_runs") or (), strict=True)
        ),
        clock_error_s=(row.get("clock_uncertainty_us") or 0.0) * 1e-6,
        rounds_s=tuple(tuple(us * 1e-6 for us in medians) for medians in round_medians(row)),
    )


def _ran(row: MeasuredRow, gpus: int, queued: bool, path: str) -> tuple[Program, str]:
    """What ran, and the way of issuing: as the row's streams or jobs say, or what two ranks imply."""
    if "streams" in row:
        return unfold_streams(row["streams"], gpus, queued), "+".join(sorted({s["issue"] for s in row["streams"]}))
    jobs = row.get("jobs") or _implied_jobs(row, path)
    streams = [
        {
            "gpu": job["gpu"],
            "queued": job.get("queued", queued),
            "start_s": job.get("start_us", 0.0) * 1e-6,
            "calls": job["calls"],
        }
        for job in jobs
    ]
    return program_from_dict({"streams": streams}, gpus, path), "+".join(sorted({job["issue"] for job in jobs}))


def _implied_jobs(row: MeasuredRow, path: str) -> list[Job]:
    """Jobs of a row that has none: every rank pulls the same, of two ranks from the other one."""
    missing = [name for name in ("issue", "copies_bytes", "ranks_pulling") if name not in row]
    if missing:
        raise refusal(row, path, f"has neither streams nor jobs, nor {missing[0]}, which would imply them")
    home = row.get("home", "peer")
    check_choice(f"{path}: case {row['case']}: home", home, HOMES)
    ranks, timed = row["ranks_pulling"], len(row["device_us"])
    if ranks != timed or (home == "peer" and ranks > 2):
        said = f"ranks_pulling is {ranks}, with {timed} times; for more than two ranks, streams are wanted"
        raise refusal(row, path, said)
    jobs: list[Job] = []
    for rank in range(ranks):
        src = endpoint_key({"peer": 1 - rank, "host": HOST, "local": rank}[home])
        calls = unfold_pieces(row["copies_bytes"], row["issue"], src, f"gpu{rank}")
        jobs.append({"gpu": rank, "issue": row["issue"], "calls": calls})
    return jobs


def refusal(row: MeasuredRow, path: str, said: str) -> ConfigError:
    """The error that says what is wrong with a row of the file `path`."""
    return ConfigError("rows", path, f"case {row['case']}: {said}")


def _arrivals(row: MeasuredRow, program: Program, path: str) -> tuple[tuple[float, ...], ...] | None:
    """Seconds for each copy of each stream; a stream with too many copies to watch has an empty list."""
    if "arrival_us" not in row:
        return None
    copies = np.bincount(program.call_stream[program.copy_call], minlength=len(program.stream_gpu)).tolist()
    seen = [stream["copies"] for stream in row["arrival_us"]]
    if len(seen) != len(copies) or any(times and len(times) != n for times, n in zip(seen, copies, strict=True)):
        raise refusal(
            row,
            path,
            f"arrivals of {shorten(str([len(times) for times in seen]))} copies for streams of {shorten(str(copies))}",
        )
    return tuple(
        tuple(math.nan if time is None else time * 1e-6 for time in times or [None] * n)
        for times, n in zip(seen, copies, strict=True)
    )


def _mapping(row: MeasuredRow, path: str) -> str | None:
    mapping = row.get("mapping")
    if mapping is not None and mapping not in MAPPINGS:
        raise refusal(row, path, f"mapping is {shorten(mapping)}; allowed: {', '.join(MAPPINGS)}")
    return mapping


def _beyond_queue(row: MeasuredRow, program: Program) -> int:
    """Single copies that found no place in their stream's queue; batches are few, and the host keeps ahead of them."""
    singles = program.call_stream[program.call_issue == ASYNC]
    calls = np.bincount(singles, minlength=len(program.stream_gpu))
    places = row.get("queued_calls") or [QUEUE_CALLS] * len(calls)
    return int(np.maximum(calls - places, 0).sum())


def _unstable(row: MeasuredRow, program: Program, median: Sequence[float]) -> str | None:
    if min(median) < _SHORTEST_S:
        return "below 25 µs: the fixed part scatters by 1–2 µs from run to run"
    return why_doubted(row, program)


def link_of(program: Program) -> str:
    """The kind of link that a program's first copy crosses: `peer`, `host` or `local`."""
    return link_kind(int(program.copy_src[0]), int(program.copy_dst[0]))


RowKey = tuple[str, str]
"""A row by the SHA-256 of its file and its case."""
