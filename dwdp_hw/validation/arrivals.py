"""Compare predicted and measured arrivals of a row's copies, one by one.

Zero is the start of the copy's stream in both. Predicted, that is when the stream may begin. Measured, it is the moment
its gate saw the start, on the same GPU's clock as the arrivals, about 1 µs before the event that timed runs start at.
Measured arrivals come from one extra run: a kernel polls the last byte of every copy, and an event follows each call,
which timed runs do not have. `RankStatistics.watched_longer_s` says what that cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dwdp_hw.rows.predict import starts_s
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.results.chrome_trace import Event, counter, name_process, name_thread, sort_process, span, trace_content

STAMP_RESOLUTION_S = 1e-6  # stamps of copies that arrived together differ by up to one round of polling


@dataclass(frozen=True)
class RankStatistics:
    """Differences between two series of arrivals, each predicted less measured.

    A series is explained as fixed part + bytes arrived ÷ rate + calls before × time a call, as far as its copies tell
    these apart.

    Attributes:
        rank: Which stream.
        copies, seen: Of the stream, and those whose arrival was seen.
        rate_ratio: Predicted rate ÷ measured rate; None if fewer than two arrivals were seen.
        offset_s: Difference of the fixed parts, in seconds.
        call_s: Difference of the time a call, in seconds; None if all copies are of one call or cannot tell.
        largest_residual_s: The residual of largest size, in seconds, with its sign.
        largest_after_offset_s: The same without the difference of the fixed parts.
        unexplained_s: The same without all three: a mechanism that one side lacks. None if the copies are too few.
        out_of_order, predicted_out_of_order: Share of copies that arrived before a copy issued earlier, by more than
            the resolution of the stamps.
        watched_longer_s: Last arrival less the median of the timed runs, in seconds: what watching cost.
    """

    rank: int
    copies: int
    seen: int
    rate_ratio: float | None
    offset_s: float
    call_s: float | None
    largest_residual_s: float
    largest_after_offset_s: float
    unexplained_s: float | None
    out_of_order: float
    predicted_out_of_order: float
    watched_longer_s: float


@dataclass(frozen=True)
class RankTimeline:
    """Arrivals of one stream; the columns hold the copies that were seen, in issue order.

    Attributes:
        rank: Which stream.
        copies: Of the stream, seen or not.
        number: Place of each copy in issue order.
        size_bytes: Of each copy.
        issued_bytes: Of the stream up to and with each copy.
        call: Number of each copy's call within the stream.
        measured_s, predicted_s: Arrival from the stream's start.
        timed_s: Median of the timed runs.
    """

    rank: int
    copies: int
    number: Ints
    size_bytes: Ints
    issued_bytes: Ints
    call: Ints
    measured_s: Floats
    predicted_s: Floats
    timed_s: float

    @property
    def residual_s(self) -> Floats:
        """Predicted less measured arrival of each copy, in seconds."""
        return self.predicted_s - self.measured_s

    def statistics(self) -> RankStatistics:
        """Compare the two series: rate, offset, cost of a call, and residuals."""
        columns = self._columns()
        measured, predicted = (_fit(columns, np.sort(times)) for times in (self.measured_s, self.predicted_s))
        residual = self.residual_s
        offset = float(predicted[0] - measured[0])
        explained = columns @ (predicted - measured)
        several = columns.shape[1] > 1
        return RankStatistics(
            rank=self.rank,
            copies=self.copies,
            seen=len(self.number),
            rate_ratio=float(measured[1] / predicted[1]) if several else None,
            offset_s=offset,
            call_s=float(predicted[2] - measured[2]) if columns.shape[1] > 2 else None,
            largest_residual_s=_largest(residual),
            largest_after_offset_s=_largest(residual - offset),
            unexplained_s=_largest(residual - explained) if len(residual) > columns.shape[1] else None,
            out_of_order=_out_of_order(self.measured_s),
            predicted_out_of_order=_out_of_order(self.predicted_s),
            watched_longer_s=float(self.measured_s.max()) - self.timed_s,
        )

    def _columns(self) -> Floats:
        """Return the columns of the fit: one, bytes arrived, calls before.

        Only columns that are independent are taken, and fewer than there are copies, so that the fit can be wrong."""
        wanted = np.column_stack([np.ones(len(self.number)), self.issued_bytes.astype(np.float64), self.call])
        scale = np.maximum(wanted.max(axis=0), 1.0)
        for count in (3, 2):
            independent = np.linalg.matrix_rank((wanted / scale)[:, :count]) == count
            if independent and len(wanted) >= (2 if count == 2 else 4):
                return wanted[:, :count]
        return wanted[:, :1]


@dataclass(frozen=True)
class CaseTimeline:
    """The ranks of one case whose arrivals were seen."""

    case: str
    strategy: str
    ranks: tuple[RankTimeline, ...]


def compare_arrivals(row: RecordedRow, cluster: Cluster, options: FabricOptions, seed: int = 0) -> CaseTimeline:
    """Predict the arrivals of a row and lay them beside the measured ones; starts are those of one draw.

    Args:
        row: A row with arrivals.
        cluster: Whose constants predict.
        options: The model's alternatives.
        seed: Of options that draw.
    """
    program = replace(row.program, stream_start_s=row.program.stream_start_s + starts_s(row, options, seed)[0])
    predicted = simulate(program, constants_for(cluster, program, options), options, seed=seed).copy_end_s
    owner = program.call_stream[program.copy_call]
    ranks = []
    for rank, arrivals in enumerate(row.arrival_s or ()):
        own = np.flatnonzero(owner == rank)
        measured = np.array(arrivals)
        seen = np.flatnonzero(~np.isnan(measured))
        if not len(seen):
            continue
        call = program.copy_call[own]
        timeline = RankTimeline(
            rank=rank,
            copies=len(own),
            number=seen,
            size_bytes=program.copy_bytes[own][seen],
            issued_bytes=np.cumsum(program.copy_bytes[own])[seen],
            call=(call - call[0])[seen],
            measured_s=measured[seen],
            predicted_s=predicted[own][seen] - float(program.stream_start_s[rank]),
            timed_s=row.median_s[rank],
        )
        ranks.append(timeline)
    return CaseTimeline(row.case, row.strategy, tuple(ranks))


def one_of_each_strategy(
    rows: Sequence[RecordedRow], cluster: Cluster, options: FabricOptions
) -> tuple[CaseTimeline, ...]:
    """Return the timelines of the stable row of each strategy with the most arrivals, then the most bytes."""

    def detail(row: RecordedRow) -> tuple[int, int]:
        seen = sum(int(np.count_nonzero(~np.isnan(times))) for times in row.arrival_s or ())
        return seen, int(row.program.copy_bytes.sum())

    chosen: dict[str, RecordedRow] = {}
    for row in rows:
        best = chosen.get(row.strategy)
        if row.unstable is None and detail(row)[0] and (best is None or detail(row) > detail(best)):
            chosen[row.strategy] = row
    return tuple(compare_arrivals(row, cluster, options) for row in chosen.values())


def timelines_trace(timelines: Sequence[CaseTimeline]) -> dict[str, Any]:
    """A Chrome trace: a process for the measured and one for the predicted arrivals of each case, a track a rank.

    Both are drawn in the same way: a copy reaches from the arrival before it on its rank to its own, and a counter of
    the predicted process holds the residual at the measured arrival.
    """
    events: list[Event] = []
    for place, timeline in enumerate(timelines):
        for process, kind in enumerate(("measured", "predicted"), start=2 * place):
            events.append(name_process(process, f"{kind}: {timeline.case}"))
            events.append(sort_process(process, process))
            for rank in timeline.ranks:
                events += name_thread(process, rank.rank, f"rank {rank.rank}")
                events += _arrival_events(rank, rank.measured_s if kind == "measured" else rank.predicted_s, process)
        for rank in timeline.ranks:
            events += [
                counter(2 * place + 1, f"predicted − measured, rank {rank.rank}", time_s, "µs", residual_s * 1e6)
                for time_s, residual_s in zip(rank.measured_s.tolist(), rank.residual_s.tolist(), strict=True)
            ]
    statistics = {t.case: [asdict(rank.statistics()) for rank in t.ranks] for t in timelines}
    about = {"zero": "start of each rank's stream", "statistics": statistics}
    return trace_content(events, about, unit="ns")


def _arrival_events(rank: RankTimeline, arrival_s: Floats, process: int) -> list[Event]:
    events, before_s = [], 0.0
    for copy in np.argsort(arrival_s, kind="stable").tolist():
        arrived_s = float(arrival_s[copy])
        said = {"bytes": int(rank.size_bytes[copy]), "residual_us": float(rank.residual_s[copy]) * 1e6}
        events.append(span(process, rank.rank, f"copy {rank.number[copy]}", before_s, arrived_s, said))
        before_s = arrived_s
    return events


def _fit(columns: Floats, times_s: Floats) -> Floats:
    """Least squares, on columns scaled to one."""
    scale = np.maximum(columns.max(axis=0), 1.0)
    return np.asarray(np.linalg.lstsq(columns / scale, times_s, rcond=None)[0] / scale, dtype=np.float64)


def _largest(values_s: Floats) -> float:
    return float(values_s[np.argmax(np.abs(values_s))])


def _out_of_order(arrival_s: Floats) -> float:
    """Share of copies that an earlier issued one followed by more than the resolution."""
    latest_s = np.maximum.accumulate(arrival_s)
    return float(np.mean(latest_s - arrival_s > STAMP_RESOLUTION_S))
