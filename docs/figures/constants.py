"""Constants of shipped clusters that a page repeats, and where one of them will not do."""

from __future__ import annotations

from rows import read_rows
from wording import percent

from dwdp_sim.job.presets import read_cluster
from dwdp_sim.job.schema import WorkloadConfig


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    barrier_s = read_cluster("h200_x2").number("barrier_s")
    return {
        "barrier": f"{1e6 * barrier_s:.0f} µs",
        "latest_start": f"{1e6 * WorkloadConfig.max_phase_s:.1f} µs",
        "local_too_slow": percent(_local_too_slow(), 0),
    }


def _local_too_slow() -> float:
    """By how much single copies inside an H100 are predicted too slow at most: one rate for all sizes."""
    cluster = read_cluster("h100_x1_host")
    fixed_s, rate = cluster.number("local_fixed_s"), cluster.number("local_bytes_per_s")
    slower = 0.0
    for row in read_rows("h100_x1_host_link").values():
        measured_s = float(row["same_gpu_us"][0]) / 1e6
        slower = max(slower, (fixed_s + row["bytes"] / rate) / measured_s - 1)
    return slower
