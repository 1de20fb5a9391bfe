"""Compare predicted with measured times, one rank of one case at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dwdp_hw.rows.predict import predict
from dwdp_hw.rows.predict_steps import predict_steps
from dwdp_hw.rows.row import RecordedRow, link_of
from dwdp_hw.rows.stability import between_rounds
from dwdp_hw.rows.steps import RecordedSteps
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

LAYER = "layer"
QUEUED, AS_ISSUED, STEPS = MODES = ("queued", "as_issued", "steps")
_MOST_RANKS = 2  # ranks of steps that are judged: with more, it is open which rule holds


@dataclass(frozen=True)
class ValidationRow:
    """One rank of one case.

    Attributes:
        file: Where the row was read; cases of two files may have the same name.
        case, rank: What was measured.
        strategy: Strategy, or way of issuing.
        mapping: How peer memory was mapped; None if not recorded.
        measure: `layer` for copies, `steps` for a forward step of several layers.
        issue_mode: `queued` or `as_issued`.
        ranks: Streams that ran together.
        bytes: Bytes of this stream, in all layers of a step.
        slice_bytes: Its largest copy.
        measured_s, measured_min_s, measured_max_s: Median and spread.
        predicted_s: At the constants' values, the mean over draws of the ranks' starts.
        predicted_low_s, predicted_high_s: Range over these draws and, with host time, over the host's costs.
        error: predicted ÷ measured − 1.
        stable: Whether the row may count; if not, `unstable_reason` says why.
        fitted: Whether the constants were fitted on it.
        setting: What else two rows that are compared as strategies must share: planned starts.
        counts: Whether it enters the summary: stable and out of sample; where no row is out of sample, stable.
        link: Kind of link that it crosses, `peer`, `host` or `local`.
        rounds: Rounds that count; 1 where it was measured once.
        between: Standard deviation between these, relative (`deviation_between`); 0 of one.
        noise: Standard deviation of `measured_s`, relative (`noise.with_noise`).
        link_noise: That part of it which all rows of the link share.
        doubt: Chance, at most, that something disturbed all of its measuring and nothing tells.
    """

    file: str
    case: str
    rank: int
    strategy: str
    mapping: str | None
    measure: str
    issue_mode: str
    ranks: int
    bytes: int
    slice_bytes: int
    measured_s: float
    measured_min_s: float
    measured_max_s: float
    predicted_s: float
    predicted_low_s: float
    predicted_high_s: float
    error: float
    stable: bool
    unstable_reason: str | None
    fitted: bool
    setting: tuple[float, ...] = ()
    counts: bool = False
    link: str = "peer"
    rounds: int = 1
    between: float = 0.0
    noise: float = 0.0
    link_noise: float = 0.0
    doubt: float = 0.0

    @property
    def mode(self) -> str:
        """The one of `MODES` that it is judged with."""
        return STEPS if self.measure == STEPS else self.issue_mode

    @property
    def outside(self) -> float:
        """Distance of the measured time from the predicted range, as the nearer end ÷ measured − 1; 0 inside."""
        nearer_s = min(max(self.measured_s, self.predicted_low_s), self.predicted_high_s)
        return nearer_s / self.measured_s - 1

    @property
    def width(self) -> float:
        """Width of the predicted range, as a part of the prediction."""
        return (self.predicted_high_s - self.predicted_low_s) / self.predicted_s


def compare(
    row: RecordedRow, file: str, cluster: Cluster, options: FabricOptions, *, fitted: bool
) -> Iterator[ValidationRow]:
    """Return every rank of a measured row beside its prediction; none counts yet."""
    predicted = predict(row, cluster, options)
    owner = row.program.call_stream[row.program.copy_call]
    for rank, measured in enumerate(row.median_s):
        sizes = row.program.copy_bytes[owner == rank]
        yield ValidationRow(
            file=file,
            case=row.case,
            rank=rank,
            strategy=row.strategy,
            mapping=row.mapping,
            measure=LAYER,
            issue_mode=QUEUED if row.queued else AS_ISSUED,
            ranks=len(row.median_s),
            bytes=int(sizes.sum()),
            slice_bytes=int(sizes.max()),
            measured_s=measured,
            measured_min_s=row.min_s[rank],
            measured_max_s=row.max_s[rank],
            predicted_s=float(predicted.mean_s[rank]),
            predicted_low_s=float(predicted.low_s[rank]),
            predicted_high_s=float(predicted.high_s[rank]),
            error=float(predicted.mean_s[rank]) / measured - 1,
            stable=row.unstable is None,
            unstable_reason=row.unstable,
            fitted=fitted,
            setting=tuple(row.program.stream_start_s.tolist()),
            link=link_of(row.program),
            rounds=len(row.rounds_s[rank]) if row.rounds_s else 1,
            between=deviation_between(
                row.rounds_s[rank] if row.rounds_s else (), float(predicted.low_s[rank]), float(predicted.high_s[rank])
            ),
        )


def compare_steps(
    steps: RecordedSteps, file: str, cluster: Cluster, options: FabricOptions, *, fitted: bool
) -> Iterator[ValidationRow]:
    """Return every rank of a measured forward step beside its prediction; none counts yet."""
    predicted = predict_steps(steps, cluster, options)
    owner = steps.program.call_stream[steps.program.copy_call]
    ranks = len(steps.step_s)
    unstable = steps.unstable or (f"{ranks} ranks: which rule holds is open" if ranks > _MOST_RANKS else None)
    for rank, measured in enumerate(steps.step_s):
        sizes = steps.program.copy_bytes[owner == rank]
        yield ValidationRow(
            file=file,
            case=steps.case,
            rank=rank,
            strategy=steps.strategy,
            mapping=steps.mapping,
            measure=STEPS,
            issue_mode=QUEUED if steps.program.stream_queued.all() else AS_ISSUED,
            ranks=ranks,
            bytes=steps.windows.layers * int(sizes.sum()),
            slice_bytes=int(sizes.max()),
            measured_s=measured,
            measured_min_s=steps.min_s[rank],
            measured_max_s=steps.max_s[rank],
            predicted_s=float(predicted.mean_s[rank]),
            predicted_low_s=float(predicted.low_s[rank]),
            predicted_high_s=float(predicted.high_s[rank]),
            error=float(predicted.mean_s[rank]) / measured - 1,
            stable=unstable is None,
            unstable_reason=unstable,
            fitted=fitted,
            link=link_of(steps.program),
        )


def deviation_between(medians_s: Sequence[float], low_s: float, high_s: float) -> float:
    """Standard deviation between the medians of rounds, relative, of what lies outside the predicted range.

    Where the range is one value this is their own. Where it covers the host's speed, what rounds differ by inside it is
    no noise of the distance that is judged.
    """
    nearer_s = [min(max(median_s, low_s), high_s) for median_s in medians_s]
    return between_rounds([math.log(own / near) for own, near in zip(medians_s, nearer_s, strict=True)])
