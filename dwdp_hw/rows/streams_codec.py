"""Encode the streams of a program compactly for measured rows, and decode them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, TypedDict

import numpy as np
from msgspec import Meta

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER, CopyPlan
from dwdp_sim.plan.program import LATEST_START_S, Program, ProgramStream
from dwdp_sim.plan.program_file import MOST_COPIES, CopyBytes, Count

_ISSUES = {"async": ASYNC, "batch": BATCH}

Copy = tuple[Annotated[int, Meta(ge=0)], CopyBytes]
"""Source GPU and bytes."""


class FoldedStream(TypedDict):
    """One stream of pulls.

    `pulls` lists [n, [[source, bytes], …]]: n times these copies in this order. `calls` lists [n, copies]: n calls of
    so many copies each. With `barriers`, each call waits until every stream has finished its call of the number before.
    """

    gpu: Annotated[int, Meta(ge=0)]
    start_us: Annotated[float, Meta(ge=0, le=LATEST_START_S * 1e6)]
    issue: str
    pulls: list[tuple[Count, list[Copy]]]
    calls: list[tuple[Count, Count]]
    barriers: bool


class Pieces(TypedDict):
    """A run of `n` copies one after another: of `each` bytes, the last one of `last`."""

    n: Count
    each: CopyBytes
    last: CopyBytes


def fold_streams(program: Program) -> list[FoldedStream]:
    """Encode each stream of a program of pulls as plain data.

    Raises:
        ValueError: A stream issues in both ways, or has barriers that are not its calls' numbers.
    """
    folded: list[FoldedStream] = []
    for number, stream in enumerate(program.streams):
        src, size, sizes, issues, barriers = (
            np.asarray(column).tolist()
            for column in (stream.src, stream.bytes, stream.call_copies, stream.call_issue, stream.call_barrier)
        )
        waits = any(barrier != NO_BARRIER for barrier in barriers)
        if len(set(issues)) > 1 or (waits and barriers != list(range(len(barriers)))):
            said = f"{len(set(issues))} ways of issuing, barriers {barriers}"
            raise ValueError(f"stream {number} cannot be folded: {said}")
        folded.append(
            {
                "gpu": stream.gpu,
                "start_us": round(stream.start_s * 1e6, 3),
                "issue": next(name for name, issue in _ISSUES.items() if issue in issues),
                "pulls": _fold(list(zip(src, size, strict=True))),
                "calls": [(len(list(group)), copies) for copies, group in groupby(sizes)],
                "barriers": waits,
            }
        )
    return folded


def unfold_streams(streams: Sequence[FoldedStream], num_gpus: int, queued: bool) -> Program:
    """Decode the streams into a program.

    Raises:
        ConfigError: The calls do not hold all pulls, there are more than `MOST_COPIES` of them, or a source or a
            stream is on none of the machine's GPUs.
    """
    found = []
    copies = 0
    for number, stream in enumerate(streams):
        copies += sum(n * len(part) for n, part in stream["pulls"]) + sum(n for n, _ in stream["calls"])
        if copies > 2 * MOST_COPIES:
            raise ConfigError("rows", f"streams[{number}]", f"at most {MOST_COPIES} pulls and calls are read")
        if stream["gpu"] >= num_gpus or stream["issue"] not in _ISSUES:
            said = f"{stream['issue']} copies of GPU {stream['gpu']}"
            allowed = f"{' or '.join(_ISSUES)} and GPUs below {num_gpus} are wanted"
            raise ConfigError("rows", f"streams[{number}]", f"{said}; {allowed}")
        own = [tuple(copy) for n, part in stream["pulls"] for copy in n * part]
        counts = [size for n, size in stream["calls"] for _ in range(n)]
        if sum(counts) != len(own) or not own or not all(src < num_gpus for src, _ in own):
            said = f"{len(own)} pulls in calls of {sum(counts)}"
            raise ConfigError(
                "rows", f"streams[{number}]", f"{said}; equal counts, and GPUs below {num_gpus}, are wanted"
            )
        src, size = np.array(own, dtype=np.int64).reshape(-1, 2).T
        found.append(
            ProgramStream(
                gpu=stream["gpu"],
                src=src,
                dst=stream["gpu"],
                bytes=size,
                call_copies=np.array(counts, dtype=np.int64),
                call_issue=_ISSUES[stream["issue"]],
                call_barrier=np.arange(len(counts)) if stream["barriers"] else NO_BARRIER,
                start_s=stream["start_us"] * 1e-6,
                queued=queued,
            )
        )
    return Program.build(num_gpus, found)


def fold_pieces(plan: CopyPlan, rank: int) -> list[Pieces]:
    """The rank's copies in issue order as runs; a new run follows a change of parameter or a short piece."""
    own = plan.copy_rank == rank
    runs: list[Pieces] = []
    parameter = None
    for number, size in zip(plan.copy_parameter[own].tolist(), plan.copy_bytes[own].tolist(), strict=True):
        run = runs[-1] if runs else None
        if run is None or number != parameter or run["last"] != run["each"] or size > run["each"]:
            runs.append({"n": 1, "each": size, "last": size})
        else:
            run["n"] += 1
            run["last"] = size
        parameter = number
    return runs


def unfold_pieces(runs: Sequence[Pieces], issue: str, src: str, dst: str) -> list[dict[str, Any]]:
    """Calls of a replay file that issue these copies between two endpoints: one batch, or one by one."""
    sizes = [part for run in runs for part in ((run["each"], run["n"] - 1), (run["last"], 1)) if part[1]]
    copies = [{"src": src, "dst": dst, "bytes": size, "count": count} for size, count in sizes]
    return [{"issue": "batch", "copies": copies}] if issue == "batch" else [{"issue": "async", **c} for c in copies]


def _fold(copies: Sequence[Copy]) -> list[tuple[int, list[Copy]]]:
    """Runs of the shortest pattern, at most one copy a source long, that reaches furthest from each place."""
    longest = len({src for src, _ in copies})
    folded: list[tuple[int, list[Copy]]] = []
    place = 0
    while place < len(copies):
        length, times = max(
            ((length, _repeats(copies, place, length)) for length in range(1, longest + 1)),
            key=lambda found: (found[0] * found[1] if found[1] > 1 else 1, -found[0]),
        )
        folded.append((times, list(copies[place : place + length])))
        place += length * times
    return folded


def _repeats(copies: Sequence[Copy], place: int, length: int) -> int:
    """How often the `length` copies at `place` follow one another, at least once."""
    end = place + length
    while end < len(copies) and copies[end] == copies[end - length]:
        end += 1
    return max((end - place) // length, 1)
