"""Make one row of a case that was measured in several rounds of a run, each in a process of its own."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_hw.rows.schema import MeasuredRow, Round, Skew, Spread
from dwdp_hw.rows.stability import counting, is_disturbed, why_apart, why_few

_US = 1e-6


@dataclass(frozen=True)
class MeasuredRound:
    """A case as one round measured it.

    Attributes:
        row: Of this round alone.
        group: Number of the group of processes, counted from 0.
        at_s: When it was complete, in seconds since the run began.
        reference_s: Median time of the reference transfer before and after it.
    """

    row: MeasuredRow
    group: int
    at_s: float
    reference_s: tuple[float, float]

    def disturbed(self, usual_s: float) -> bool:
        """Whether the reference transfer was off its usual time."""
        return is_disturbed(self.reference_s, usual_s)


def usual_reference_s(rounds: Sequence[MeasuredRound]) -> float:
    """The usual time of a run's reference transfer: the median over all of its rounds."""
    return statistics.median(seconds for one in rounds for seconds in one.reference_s)


def row_of_rounds(rounds: Sequence[MeasuredRound], usual_s: float) -> MeasuredRow:
    """Return the row of a case over its rounds, in the order of measuring.

    `device_us` is over the medians of the rounds that count (`stability.counting`).

    Args:
        rounds: Of the case, one at least.
        usual_s: The usual time of the reference transfer.
    """
    disturbed, shaky = [one.disturbed(usual_s) for one in rounds], [not one.row["stable"] for one in rounds]
    rows = [rounds[number].row for number in counting(disturbed, shaky)]
    last = rows[-1]
    medians = [[spread["median"] for spread in row["device_us"]] for row in rows]
    by_rank = list(zip(*medians, strict=True))
    queued = all(row["queued_behind_gate"] for row in rows)
    reasons = _reasons(rows, by_rank, queued=queued) + why_few(disturbed, shaky)
    row: MeasuredRow = {
        **last,
        "device_us": [_spread(own) for own in by_rank],
        "host_us": [statistics.median(own) for own in zip(*(row["host_us"] for row in rows), strict=True)],
        "queued_behind_gate": queued,
        "queued_calls": [min(own) for own in zip(*(row["queued_calls"] for row in rows), strict=True)],
        "start_skew_us": _skew([row["start_skew_us"] for row in rows]),
        "start_us_runs": _starts([row["start_us_runs"] for row in rows]),
        "clock_uncertainty_us": max(row["clock_uncertainty_us"] for row in rows),
        "over_nvlink": [_worst(own) for own in zip(*(row["over_nvlink"] for row in rows), strict=True)],
        "verified_runs": [sum(own) for own in zip(*(row["verified_runs"] for row in rows), strict=True)],
        "stable": not reasons,
        "unstable_reason": "; ".join(reasons) or None,
        "rounds": [_round(one, usual_s) for one in rounds],
    }
    del row["device_us_runs"], row["host_us_runs"]  # they stand in its rounds
    return row


def _reasons(rows: Sequence[MeasuredRow], by_rank: Sequence[Sequence[float]], *, queued: bool) -> list[str]:
    """Why rounds that count may not be compared: by their own runs, of which the first is named, or as they differ."""
    reasons = [row["unstable_reason"] for row in rows if row["unstable_reason"]][:1]
    for number, medians in enumerate(by_rank):
        reasons += [f"rank {number}: {said}" for said in why_apart([us * _US for us in medians], queued=queued)]
    return reasons


def _round(one: MeasuredRound, usual_s: float) -> Round:
    return {
        "group": one.group,
        "at_s": round(one.at_s, 2),
        "device_us_runs": one.row["device_us_runs"],
        "host_us_runs": one.row["host_us_runs"],
        "reference_us": [round(seconds / _US, 2) for seconds in one.reference_s],
        "disturbed": one.disturbed(usual_s),
        "unstable_reason": one.row["unstable_reason"],
    }


def _spread(medians: Sequence[float]) -> Spread:
    return {"median": round(statistics.median(medians), 2), "min": min(medians), "max": max(medians)}


def _skew(skews: Sequence[Skew | None]) -> Skew | None:
    known = [skew for skew in skews if skew is not None]
    if not known:
        return None
    return {
        "median": round(statistics.median(skew["median"] for skew in known), 2),
        "max": max(skew["max"] for skew in known),
    }


def _starts(rounds: Sequence[list[list[float]] | None]) -> list[list[float]] | None:
    """Every run's starts, for each rank one round after another; None if a round has none."""
    known = [starts for starts in rounds if starts is not None]
    if len(known) < len(rounds):
        return None
    return [[later for starts in own for later in starts] for own in zip(*known, strict=True)]


def _worst(answers: Sequence[str]) -> str:
    return next((answer for answer in answers if answer != "yes"), "yes")
