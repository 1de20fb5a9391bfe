"""Decide whether a measured row may be trusted; the outcome stands in every row."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from dwdp_hw.cases.result import RankResult, Reading

FEWEST_RUNS = 3
LARGEST_SPREAD = 0.05  # median absolute deviation, scaled to a standard deviation, over the median
LARGEST_OUTLIER = 1.5  # slowest run over the median
SMALLEST_SPREAD_S = 2e-6  # the fixed part of any copy scatters that much: not counted as a spread
_MAD_TO_SIGMA = 1.4826
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
