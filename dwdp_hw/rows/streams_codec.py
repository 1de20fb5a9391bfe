"""What each stream of a program pulled, folded into a few numbers, and back: how recorded rows hold programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER
from dwdp_sim.plan.program import Program

_ISSUES = {"async": ASYNC, "batch": BATCH}

Copy = tuple[int, int]
"""Source GPU and bytes."""


def fold_streams(program: Program) -> list[dict[str, Any]]:
    """Each stream of a program of pulls as plain data.

    `pulls` lists [n, [[source, bytes], …]]: n times these copies in this order. `calls` lists [n, copies]: n calls of
    so many copies each. With `barriers`, each call waits until every stream has finished its call of the number before.

    Raises:
        ValueError: A stream issues in both ways, or has barriers that are not its calls' numbers.
    """
    first, streams = program.call_first_copy, []
    for stream, gpu in enumerate(program.stream_gpu.tolist()):
        calls = np.flatnonzero(program.call_stream == stream)
        own = slice(int(first[calls[0]]), int(first[calls[-1] + 1]))
        issues, barriers = set(program.call_issue[calls].tolist()), program.call_barrier[calls]
        waits = bool((barriers != NO_BARRIER).any())
        if len(issues) > 1 or (waits and (barriers != np.arange(len(calls))).any()):
            raise ValueError(f"stream {stream} cannot be folded: {len(issues)} ways of issuing, barriers {barriers}")
        copies = list(zip(program.copy_src[own].tolist(), program.copy_bytes[own].tolist(), strict=True))
        sizes = np.diff(first)[calls].tolist()
        streams.append(
            {
                "gpu": gpu,
                "start_us": round(float(program.stream_start_s[stream]) * 1e6, 3),
                "issue": next(name for name, issue in _ISSUES.items() if issue in issues),
                "pulls": _fold(copies),
                "calls": [[len(list(group)), size] for size, group in groupby(sizes)],
                "barriers": waits,
            }
        )
    return streams


def unfold_streams(streams: Sequence[Mapping[str, Any]], num_gpus: int, queued: bool) -> Program:
    """The program again.

    Raises:
        ConfigError: The calls do not hold all pulls, or a source is none of the machine's GPUs.
    """
    copies: list[tuple[int, int, int]] = []
    calls: list[tuple[int, int, int]] = []  # stream, issue, barrier
    sizes: list[int] = []
    for number, stream in enumerate(streams):
        own = [tuple(copy) for n, part in stream["pulls"] for copy in n * part]
        counts = [size for n, size in stream["calls"] for _ in range(n)]
        if sum(counts) != len(own) or not all(0 <= src < num_gpus and size > 0 for src, size in own):
            said = f"{len(own)} pulls in calls of {sum(counts)}"
            raise ConfigError(
                "rows", f"streams[{number}]", f"{said}; equal counts, and GPUs below {num_gpus}, are wanted"
            )
        copies += [(src, stream["gpu"], size) for src, size in own]
        issue, waits = _ISSUES[stream["issue"]], stream["barriers"]
        calls += [(number, issue, place if waits else NO_BARRIER) for place in range(len(counts))]
        sizes += counts
    copy_src, copy_dst, copy_bytes = np.array(copies, dtype=np.int64).reshape(-1, 3).T
    call_stream, call_issue, call_barrier = np.array(calls, dtype=np.int64).reshape(-1, 3).T
    return Program(
        num_gpus=num_gpus,
        stream_gpu=np.array([stream["gpu"] for stream in streams], dtype=np.int64),
        stream_start_s=np.array([stream["start_us"] for stream in streams], dtype=np.float64) * 1e-6,
        stream_queued=np.full(len(streams), queued),
        call_stream=call_stream,
        call_issue=call_issue,
        call_barrier=call_barrier,
        call_first_copy=np.r_[0, np.cumsum(sizes)].astype(np.int64),
        copy_src=copy_src,
        copy_dst=copy_dst,
        copy_bytes=copy_bytes,
    )


def _fold(copies: Sequence[Copy]) -> list[list[Any]]:
    """Runs of the shortest pattern, at most one copy a source long, that reaches furthest from each place."""
    longest = len({src for src, _ in copies})
    folded: list[list[Any]] = []
    place = 0
    while place < len(copies):
        length, times = max(
            ((length, _repeats(copies, place, length)) for length in range(1, longest + 1)),
            key=lambda found: (found[0] * found[1] if found[1] > 1 else 1, -found[0]),
        )
        folded.append([times, [list(copy) for copy in copies[place : place + length]]])
        place += length * times
    return folded


def _repeats(copies: Sequence[Copy], place: int, length: int) -> int:
    """How often the `length` copies at `place` follow one another, at least once."""
    end = place + length
    while end < len(copies) and copies[end] == copies[end - length]:
        end += 1
    return max((end - place) // length, 1)
