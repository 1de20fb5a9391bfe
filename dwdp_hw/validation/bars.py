"""What a validation asks of the errors of rows that count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bars:
    """The largest errors that rows which count may have, as fractions.

    What is judged is the distance of the measured time from the predicted range, 0 within it. Of queued rows that is
    the range over draws of the ranks' starts, and where these do not matter the error of the one prediction; of rows
    with host time it covers the host's costs, too, since processes differ in host time by a factor of two. Of forward
    steps, in which copies and host hide behind compute, it is the absolute error.

    Attributes:
        p95: 95th percentile, in each issue mode.
        median: Median, of queued rows.
        largest: Largest, in each issue mode.
        step_median: Median, of forward steps.
        step_largest: Largest, of forward steps.
    """

    p95: float = 0.03
    median: float = 0.015
    largest: float = 0.08
    step_median: float = 0.005
    step_largest: float = 0.02
