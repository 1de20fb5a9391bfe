"""Choose the measurements that a calibration needs: the fewest that identify each constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.program import Program, batch_spans_sources

_SPANNING = 10
_TRAIN = 8  # single copies of one size in a row, from which a gap can be told from the fixed part


def calibration_rows(rows: Sequence[RecordedRow]) -> list[RecordedRow]:
    """Return the recorded rows that the design asks for; the rest is left for validation.

    Every single copy alone (fixed part, rate), every train of equal single copies alone (gap by size), the longest pair
    of opposite pulls and of opposite pushes (both-ways loss), the longest pair of opposite trains (gaps both ways), the
    longest pair over one link direction (sharing); and for host costs, whatever was timed with its host and moves
    copies of one size, or where there is no such row, the batch with the most copies.

    With three GPUs and more: for each number of readers of one source the longest batches, of equal pieces (incast
    factors) and of unequal ones (sharing).
    """
    chosen = [row for row in rows if _is_single(row) or is_train(row)]
    for wanted in (_is_both_ways("pull"), _is_both_ways("push"), _is_shared_direction):
        chosen += _longest([row for row in rows if wanted(row) and _is_batched(row)])
    chosen += _longest([row for row in rows if _is_both_ways("pull")(row) and _is_trains(row)])
    for readers in sorted({len(row.program.stream_gpu) for row in rows if _reads_one_source(row)}):
        group = [row for row in rows if _reads_one_source(row) and len(row.program.stream_gpu) == readers]
        chosen += _longest([row for row in group if _is_uniform(row)])
        chosen += _longest([row for row in group if not _is_uniform(row)])
    as_issued = [row for row in rows if not row.queued]
    uniform = [row for row in as_issued if _is_uniform(row)]
    batches = [row for row in as_issued if _is_batched(row) and row.unstable is None]
    return chosen + (uniform or sorted(batches, key=_copies)[-1:])


def is_smooth(row: RecordedRow) -> bool:
    """Whether the row's times change smoothly with the constants, as a fit needs.

    Ranks whose batches take several sources in turns fall into step with each other, and out of it with a small change.
    """
    return not batch_spans_sources(row.program)


def rule_rows(rows: Sequence[RecordedRow]) -> list[RecordedRow]:
    """Return the shortest rows that show how a batch over several sources is walked; no constant is fitted on them."""
    return sorted((row for row in rows if _spans_sources(row)), key=_copies)[:_SPANNING]


def is_train(row: RecordedRow) -> bool:
    """Whether the row is one stream of equal single copies, all queued before the clock started."""
    program = row.program
    alone = row.queued and len(program.stream_gpu) == 1 and bool(np.all(program.call_issue == ASYNC))
    return alone and not row.beyond_queue and len(program.copy_bytes) >= _TRAIN and _is_uniform(row)


def _is_single(row: RecordedRow) -> bool:
    return row.queued and len(row.program.stream_gpu) == 1 and len(row.program.copy_bytes) == 1


def _is_uniform(row: RecordedRow) -> bool:
    return len(np.unique(row.program.copy_bytes)) == 1


def _is_trains(row: RecordedRow) -> bool:
    program = row.program
    return bool(np.all(program.call_issue == ASYNC)) and int(np.bincount(program.call_stream).min()) >= _TRAIN


def _is_batched(row: RecordedRow) -> bool:
    return bool(np.all(row.program.call_issue == BATCH))


def _directions(program: Program) -> list[tuple[int, int, str]]:
    """(source, destination, kind) of each stream's first copy."""
    copies = [int(np.argmax(program.call_stream[program.copy_call] == s)) for s in range(len(program.stream_gpu))]
    return [
        (
            int(program.copy_src[copy]),
            int(program.copy_dst[copy]),
            "push" if program.copy_src[copy] == program.stream_gpu[stream] else "pull",
        )
        for stream, copy in enumerate(copies)
    ]


def _is_both_ways(kind: str) -> Callable[[RecordedRow], bool]:
    def matches(row: RecordedRow) -> bool:
        ways = _directions(row.program)
        return row.queued and len(ways) == 2 and ways[0][:2] == ways[1][1::-1] and {w[2] for w in ways} == {kind}

    return matches


def _is_shared_direction(row: RecordedRow) -> bool:
    ways = _directions(row.program)
    return row.queued and len(ways) == 2 and ways[0][:2] == ways[1][:2]


def _reads_one_source(row: RecordedRow) -> bool:
    """Whether several ranks read one GPU, each in batches and nothing else."""
    program = row.program
    several = len(np.unique(program.stream_gpu)) == len(program.stream_gpu) > 1
    return row.queued and several and _is_batched(row) and len(np.unique(program.copy_src)) == 1


def _spans_sources(row: RecordedRow) -> bool:
    """Whether several ranks batch equal pieces, at least one of them of several sources."""
    several = len(row.program.stream_gpu) > 1
    usable = row.queued and row.unstable is None
    return usable and several and _is_batched(row) and _is_uniform(row) and not is_smooth(row)


def _longest(rows: list[RecordedRow]) -> list[RecordedRow]:
    """The row with the most bytes, of several the one with the fewest copies, which is the quickest to simulate."""
    return sorted(rows, key=lambda row: (int(row.program.copy_bytes.sum()), -_copies(row)))[-1:]


def _copies(row: RecordedRow) -> int:
    return len(row.program.copy_bytes)
