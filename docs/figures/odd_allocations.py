"""Pulls through CUDA IPC from memory whose size is no multiple of 64 KiB, against the same plans in whole pages."""

from __future__ import annotations

import numpy as np
from rows import CAMPAIGNS, LAYERS, gigabytes_per_s, read_rows, slowest_us
from wording import between, percent, percents

_SLOW = 1.1  # times the fastest run of a case; nearly all others are within 1.02


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    odd, whole = read_rows("odd_allocation/h200_x2"), read_rows(CAMPAIGNS[0])
    alone = [f"{layer}_batched_2048K_queued_solo" for layer in LAYERS if f"{layer}_batched_2048K_queued_solo" in odd]
    batches = [runs for row in odd.values() if row["strategy"] == "batched" for runs in row["device_us_runs"]]
    runs = np.concatenate([np.array(times) / min(times) for times in batches])
    return {
        "slower": percents((1 - slowest_us(whole[case]) / slowest_us(odd[case]) for case in odd), 0),
        "rate": f"{between((gigabytes_per_s(odd[case]) for case in alone), 0)} GB/s",
        "rate_in_whole_pages": f"{between((gigabytes_per_s(whole[case]) for case in alone), 0)} GB/s",
        "slow_batches": percent(float(np.mean(runs > _SLOW)), 0),
        "slow_batches_take": percent(float(runs.max()) - 1, 0),
    }
