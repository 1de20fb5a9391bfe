"""Decide whether a measured row may be trusted; the outcome stands in every row.

A round is unstable by its own runs (`why_unstable`) and disturbed by the reference transfer around it (`is_disturbed`);
a row is so by what its rounds say together (`why_apart`). docs/checking.md states these rules.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from dwdp_hw.cases.result import RankResult, Reading

FEWEST_RUNS = 3
LARGEST_SPREAD = 0.05  # median absolute deviation, scaled to a standard deviation, over the median
LARGEST_OUTLIER = 1.5  # slowest run over the median
SMALLEST_SPREAD_S = 2e-6  # the fixed part of any copy scatters that much: not counted as a spread
FEWEST_ROUNDS = 2  # that count, where there was more than one
LARGEST_DRIFT = 0.03  # of the reference transfer from its usual time, beyond which a round is disturbed
LARGEST_BETWEEN = 0.03  # standard deviation between rounds over their median
_MAD_TO_SIGMA = 1.4826
_MEDIAN_TO_MEAN = math.sqrt(math.pi / 2)  # standard error of a median in those of a mean, of many normal values
# Mean range of n normal draws in standard deviations (the control charts' d2).
_RANGE_TO_SIGMA = (0.0, 0.0, 1.128, 1.693, 2.059, 2.326, 2.534, 2.704, 2.847, 2.970, 3.078)
_AGREEMENT = 0.05  # relative difference between the counters and the plan's bytes that still counts as agreement
_FEWEST_BYTES = 1 << 20  # the counters count in KiB and now and then see a few that are not ours


def why_unstable(results: Sequence[RankResult], elapsed_s: Sequence[Sequence[float]]) -> list[str]:
    """Return the reasons not to compare a row with anything; empty if there are none.

    Args:
        results: Of every rank.
        elapsed_s: The timed runs of each rank that pulled.
    """
    reasons = []
    for number, runs in enumerate(elapsed_s):
        reasons += [f"rank {number}: {reason}" for reason in why_spread(runs)]
    for result in results:
        slowed = {*result.before.slowdowns, *result.after.slowdowns}
        reasons += [f"rank {result.rank}: {reason}" for reason in sorted(slowed)]
        late = sum(sample.gate_late for sample in result.samples)
        if late:
            reasons.append(f"rank {result.rank}: the gate opened by its time-out in {late} runs")
        errors = (result.before.nvlink_errors, result.after.nvlink_errors)
        if None not in errors and errors[0] != errors[1]:
            reasons.append(f"rank {result.rank}: NVLink errors were counted")
    return reasons


def why_spread(runs: Sequence[float]) -> list[str]:
    """The reasons for which runs of one thing, in seconds, say nothing; empty if there are none."""
    if len(runs) < FEWEST_RUNS:
        return [f"only {len(runs)} runs; {FEWEST_RUNS} are needed"]
    median = statistics.median(runs)
    sigma = _MAD_TO_SIGMA * statistics.median(abs(run - median) for run in runs)
    reasons = []
    if sigma > max(LARGEST_SPREAD * median, SMALLEST_SPREAD_S):
        reasons.append(f"spread {sigma / median:.1%} of the median is above {LARGEST_SPREAD:.0%} and 2 µs")
    if max(runs) > LARGEST_OUTLIER * median:
        reasons.append(f"slowest run {max(runs) / median:.2f} × the median is above {LARGEST_OUTLIER}")
    return reasons


def is_disturbed(reference_s: Sequence[float], usual_s: float) -> bool:
    """Whether the reference transfer around a round, in seconds, was off its usual time: the link was not as always."""
    furthest_s = max(abs(seconds - usual_s) for seconds in reference_s)
    return furthest_s > max(LARGEST_DRIFT * usual_s, SMALLEST_SPREAD_S)


def between_rounds(medians: Sequence[float]) -> float:
    """Estimate the standard deviation between rounds from the range of their medians, in its unit; 0 of one round."""
    n = len(medians)
    return (max(medians) - min(medians)) / _RANGE_TO_SIGMA[min(n, len(_RANGE_TO_SIGMA) - 1)] if n > 1 else 0.0


def error_of_median(deviation: float, rounds: int) -> float:
    """The standard error of the median of so many rounds, which scatter by `deviation`; in its unit."""
    return _MEDIAN_TO_MEAN * deviation / math.sqrt(rounds)


def counting(disturbed: Sequence[bool], shaky: Sequence[bool]) -> list[int]:
    """Numbers of the rounds that a row is over: those neither disturbed nor unstable by their own runs, if enough are.

    Otherwise the row is unstable (`why_few`), and over its undisturbed rounds, or all if there is none.
    """
    good = _good(disturbed, shaky)
    calm = [number for number, off in enumerate(disturbed) if not off]
    return good if len(good) >= _needed(len(disturbed)) else calm or list(range(len(disturbed)))


def why_few(disturbed: Sequence[bool], shaky: Sequence[bool]) -> list[str]:
    """Say that too few rounds count for the row to be stable; empty if they are enough."""
    good, needed = len(_good(disturbed, shaky)), _needed(len(disturbed))
    if good >= needed:
        return []
    why = f"{sum(disturbed)} disturbed, {sum(shaky)} unstable by their own runs"
    return [f"only {good} of {len(disturbed)} rounds count ({why}); needed: {needed}"]


def _good(disturbed: Sequence[bool], shaky: Sequence[bool]) -> list[int]:
    return [number for number, bad in enumerate(zip(disturbed, shaky, strict=True)) if not any(bad)]


def _needed(rounds: int) -> int:
    return min(FEWEST_ROUNDS, rounds)


def why_apart(medians_s: Sequence[float], *, queued: bool) -> list[str]:
    """The reasons for which rounds together say nothing; empty if there are none.

    Args:
        medians_s: Of a stream's runs in each round that counts, in seconds.
        queued: Whether host time was kept out; where it is not, processes differ by as much as their hosts do, which a
            prediction's range covers.
    """
    sigma_s, middle_s = between_rounds(medians_s), statistics.median(medians_s)
    if queued and sigma_s > max(LARGEST_BETWEEN * middle_s, SMALLEST_SPREAD_S):
        return [f"spread between rounds {sigma_s / middle_s:.1%} is above {LARGEST_BETWEEN:.0%} and 2 µs"]
    return []


def over_nvlink(before: Reading, after: Reading, pulled_bytes: int) -> str:
    """Return whether `pulled_bytes` came in over NVLink: "yes", "not over NVLink: …" or "unknown: …"."""
    if before.nvlink_rx_bytes is None or after.nvlink_rx_bytes is None:
        return "unknown: the NVLink data counters cannot be read"
    if pulled_bytes < _FEWEST_BYTES:
        return f"unknown: {pulled_bytes} bytes are too few for the counters"
    counted = after.nvlink_rx_bytes - before.nvlink_rx_bytes
    if abs(counted / pulled_bytes - 1) <= _AGREEMENT:
        return "yes"
    return f"not over NVLink: the counters saw {counted} bytes come in, the plan has {pulled_bytes}"
