"""Turn measured rows into one rate for each kind of copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.plan.endpoints import link_kind
from dwdp_sim.plan.program import Program

_LONG_BYTES = 200e6  # of a stream: the fixed part of a copy is then below 2 % of its time on any link


@dataclass(frozen=True)
class Rate:
    """How fast a kind of copy was.

    Attributes:
        ends: What is at the other end: `peer`, `host` or `local`.
        copy: `pull` or `push` between GPUs, `to_gpu` or `from_gpu` with host memory, `within` one GPU.
        ways: `alone`, or `both` if the opposite direction moved as much meanwhile.
        bytes_per_s: Of the slower stream.
        case: The row that it is of.
    """

    ends: str
    copy: str
    ways: str
    bytes_per_s: float
    case: str

    @property
    def kind(self) -> tuple[str, str, str]:
        """What tells it from other rates of the machine."""
        return self.ends, self.copy, self.ways


def measured_rates(recording: Recording) -> list[Rate]:
    """The best rate of each kind of copy over a file's long rows: a slow link slows all of them, a gap only some.

    Rows count that are stable, have no host time in them, and move at least 200 MB a stream, one stream alone or two in
    opposite directions.
    """
    best: dict[tuple[str, str, str], Rate] = {}
    for rate in _rates(recording):
        if rate.kind not in best or rate.bytes_per_s > best[rate.kind].bytes_per_s:
            best[rate.kind] = rate
    return [best[kind] for kind in sorted(best)]


def rate_of(row: RecordedRow) -> Rate | None:
    """The rate of one row; None if it shows none."""
    program = row.program
    streams = len(program.stream_gpu)
    ways = {way for stream in range(streams) if (way := _way(program, stream)) is not None}
    opposite = streams == 2 and len(ways) == 2 and {way[:2] for way in ways} == {way[1::-1] for way in ways}
    if not row.queued or row.unstable or not ways or not (streams == 1 or opposite):
        return None
    owner = program.call_stream[program.copy_call]
    size = np.bincount(owner, weights=program.copy_bytes, minlength=streams)
    copies = {copy for _, _, copy in ways}
    if size.min() < _LONG_BYTES or len(copies) > 1:
        return None
    src, dst, copy = min(ways)
    return Rate(
        ends=link_kind(src, dst),
        copy=copy,
        ways="both" if opposite else "alone",
        bytes_per_s=float((size / row.median_s).min()),
        case=row.case,
    )


def _rates(recording: Recording) -> Iterator[Rate]:
    for row in recording.rows:
        rate = rate_of(row)
        if rate is not None:
            yield rate


def _way(program: Program, stream: int) -> tuple[int, int, str] | None:
    """Source, destination and kind of all copies of a stream; None if they differ."""
    own = program.call_stream[program.copy_call] == stream
    ways = set(zip(program.copy_src[own].tolist(), program.copy_dst[own].tolist(), strict=True))
    if len(ways) != 1:
        return None
    ((src, dst),) = ways
    copy = {
        "local": "within",
        "host": "to_gpu" if src < 0 else "from_gpu",
        "peer": "pull" if dst == program.stream_gpu[stream] else "push",
    }[link_kind(src, dst)]
    return src, dst, copy
