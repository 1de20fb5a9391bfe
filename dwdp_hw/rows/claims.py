"""Check what a measured row says of itself against its own numbers: what contradicts itself is not compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from dwdp_hw.rows.schema import MeasuredRow, Round
from dwdp_hw.rows.stability import counting, why_apart, why_few, why_spread
from dwdp_sim.base.errors import shorten
from dwdp_sim.plan.program import Program

_ROUNDED_US = 0.02  # of a median that was rounded, against one of rounded runs

_BY_STREAM = ("device_us", "host_us", "device_us_runs", "host_us_runs", "calls", "queued_calls", "start_us_runs")


def contradiction(row: MeasuredRow, program: Program) -> str | None:
    """What cannot be true of a row that ran this program; None if nothing is known to be wrong."""
    return next(chain(_contradictions(row, program), _round_contradictions(row, len(program.stream_gpu))), None)


def why_doubted(row: MeasuredRow, program: Program) -> str | None:
    """Why a row that calls itself stable is not, by its own runs or by what CUPTI recorded; None if it is."""
    if not row["stable"]:
        return row["unstable_reason"] or "unstable"
    for streams_us in (row.get("device_us_runs") or (), *(one["device_us_runs"] for one in _counting(row))):
        for number, runs_us in enumerate(streams_us):
            spread = why_spread([us * 1e-6 for us in runs_us])
            if spread:
                return f"stream {number}: {spread[0]}"
    for number, medians in enumerate(round_medians(row)):
        apart = why_apart([us * 1e-6 for us in medians], queued=row["queued_behind_gate"])
        if apart:
            return f"stream {number}: {apart[0]}"
    few = why_few(*_faults(row.get("rounds", ())))
    if few:
        return few[0]
    streams = program.call_stream[program.copy_call]
    moved = np.bincount(streams, weights=program.copy_bytes, minlength=len(program.stream_gpu)).tolist()
    for recorded, wanted in zip(row.get("cupti") or (), moved, strict=False):
        if recorded.get("bytes", wanted) != wanted:
            return f"CUPTI recorded {recorded['bytes']} bytes, the copies have {wanted:.0f}"
    return None


def round_medians(row: MeasuredRow) -> list[tuple[float, ...]]:
    """For each stream the medians of the rounds that count, in microseconds; nothing of a row without rounds."""
    used = [[statistics.median(runs) for runs in one["device_us_runs"]] for one in _counting(row)]
    return list(zip(*used, strict=True))


def _counting(row: MeasuredRow) -> list[Round]:
    rounds = row.get("rounds", ())
    return [rounds[number] for number in counting(*_faults(rounds))]


def _faults(rounds: Sequence[Round]) -> tuple[list[bool], list[bool]]:
    """Of each round, whether it was disturbed and whether it is unstable by its own runs."""
    return [one["disturbed"] for one in rounds], [one["unstable_reason"] is not None for one in rounds]


def _contradictions(row: MeasuredRow, program: Program) -> Iterator[str]:
    streams = len(program.stream_gpu)
    for name in _BY_STREAM:
        found = row.get(name)
        if found and isinstance(found, list) and len(found) != streams:
            yield f"{name} has {len(found)} entries for {streams} streams"
    if row["measure"] == "layer" and not row["device_us"]:
        yield f"device_us has 0 entries for {streams} streams"
    if row["queued_behind_gate"] and row.get("issue_mode") == "as_issued":
        yield "queued_behind_gate is true, but issue_mode is as_issued"
    if not all(0.0 < time["min"] <= time["median"] <= time["max"] for time in row["device_us"]):
        yield "device_us must have 0 < min ≤ median ≤ max"
    for time, runs in zip(row["device_us"], row.get("device_us_runs") or (), strict=False):
        said = (time["median"], time["min"], time["max"])
        own = (statistics.median(runs), min(runs), max(runs)) if runs else said
        if any(abs(us - other) > _ROUNDED_US for us, other in zip(said, own, strict=True)):
            yield f"device_us says {time}, its runs {runs[:9]}"
    calls = np.bincount(program.call_stream, minlength=streams).tolist()
    if row.get("calls", calls) != calls:
        yield f"calls says {shorten(str(row['calls']))}, the streams have {shorten(str(calls))}"
    if any(queued > own for queued, own in zip(row.get("queued_calls") or (), calls, strict=False)):
        yield f"queued_calls says {shorten(str(row['queued_calls']))}, the streams have {shorten(str(calls))}"
    runs_of = row.get("start_us_runs")
    if runs_of and len({len(starts) for starts in runs_of}) > 1:
        yield "start_us_runs has not as many runs for every stream"


def _round_contradictions(row: MeasuredRow, streams: int) -> Iterator[str]:
    """What cannot be true of the rounds of a row; its times are over those undisturbed."""
    for one in row.get("rounds", ()):
        if len(one["device_us_runs"]) != streams or not all(one["device_us_runs"]):
            yield f"a round has runs of {len(one['device_us_runs'])} streams for {streams} streams, or none of a stream"
            return
    for time, medians in zip(row["device_us"], round_medians(row), strict=False):
        if not min(medians) > 0.0:
            yield "a round took no time"
        said, own = (time["median"], time["min"], time["max"]), (statistics.median(medians), min(medians), max(medians))
        if any(abs(us - other) > _ROUNDED_US for us, other in zip(said, own, strict=True)):
            yield f"device_us says {time}, the medians of its rounds {medians[:9]}"
