"""What two H200s measured in three campaigns: layers, strategies, agreement, clocks, arrivals."""

from __future__ import annotations

import numpy as np
from rows import CAMPAIGNS, LAYERS, Row, read_rows, sizes, slowest_us
from wording import cells, percent, percents

_SLICE_BYTES = 2 << 20
_SHORTEST_US = 100  # what is shorter is mostly the fixed part, which scatters

Campaign = dict[str, Row]


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    campaigns = [read_rows(name) for name in CAMPAIGNS]
    found = {f"times_{layer}": _times(campaigns[0], layer) for layer in LAYERS}
    found |= {f"gain_{layer}": percents(_gains(campaigns, layer)) for layer in LAYERS}
    slower = [_longer(campaign, layer, "2048K") for campaign in campaigns for layer in LAYERS]
    against = {size: _less(campaigns, size) for size in ("256K", "8192K", "65536K")}
    skews, clocks = zip(*(clock for campaign in campaigns for clock in _clocks(campaign)), strict=True)
    queued, issued = _disagreements(campaigns, queued=True), _disagreements(campaigns, queued=False)
    late_us, rates, slices, overtaken = _arrivals(campaigns)
    after_us = _after_last_byte_us(campaigns)
    return found | {
        "slices_cost": percents(slower, 0),
        "less_than_256K": percents(against["256K"], 0),
        "less_than_8192K": percents(against["8192K"], 0),
        "off_65536K": percent(max(map(abs, against["65536K"]))),
        "slice_sizes_differ": percent(max(_spread_of_sizes(c, layer) for c in campaigns for layer in LAYERS)),
        "mappings_differ": percent(max(_difference_of_mappings(c, layer) for c in campaigns for layer in LAYERS)),
        "largest_skew": f"{max(skews):.1f} µs",
        "clocks_known": f"± {max(clocks):.1f} µs",
        "queued_agree_median": percent(float(np.median(queued)), 2),
        "queued_agree_p95": percent(float(np.percentile(queued, 95))),
        "issued_differ": percent(max(issued), 0),
        "slices_watched": f"{slices:,}",
        "slices_overtaken": f"{overtaken or 'none'}",
        "slices_off_pace": f"{late_us:.1f} µs",
        "after_median": f"{np.median(after_us):.1f} µs",
        "after_p95": f"{np.percentile(after_us, 95):.1f} µs",
        "after_runs": f"{len(after_us)}",
        "slice_rates": percent(max(rates) / min(rates) - 1),
    }


def _times(campaign: Campaign, layer: str) -> str:
    rows = [
        campaign[f"{layer}_{way}_{mode}"]
        for mode in ("queued", "as_issued")
        for way in ("default", "batched_2048K")
    ]  # fmt: skip
    return cells(f"{sum(sizes(rows[0])) / 1e9:.3f} GB", *(f"{slowest_us(row) / 1e3:.3f} ms" for row in rows))


def _gains(campaigns: list[Campaign], layer: str) -> list[float]:
    """How much faster 2 MiB slices were than single copies, host time hidden."""
    pairs = [(c[f"{layer}_default_queued"], c[f"{layer}_batched_2048K_queued"]) for c in campaigns]
    return [slowest_us(default) / slowest_us(batched) - 1 for default, batched in pairs]


def _longer(campaign: Campaign, layer: str, size: str) -> float:
    """How much longer batched slices took than single copies, with host time."""
    batched, default = campaign[f"{layer}_batched_{size}_as_issued"], campaign[f"{layer}_default_as_issued"]
    return slowest_us(batched) / slowest_us(default) - 1


def _less(campaigns: list[Campaign], size: str) -> list[float]:
    """How much less time single copies needed than slices of a size, with host time, where the rows are stable."""
    pairs = [(c, layer) for c in campaigns for layer in LAYERS if c[f"{layer}_batched_{size}_as_issued"]["stable"]]
    return [1 - 1 / (1 + _longer(campaign, layer, size)) for campaign, layer in pairs]


def _spread_of_sizes(campaign: Campaign, layer: str) -> float:
    """Longest over shortest time of a layer over all slice sizes, host time hidden."""
    times = [
        slowest_us(campaign[f"{layer}_batched_{size}_queued"]) for size in ("256K", "1024K", "2048K", "8192K", "65536K")
    ]
    return max(times) / min(times) - 1


def _difference_of_mappings(campaign: Campaign, layer: str) -> float:
    """Between file descriptors and CUDA IPC, host time hidden."""
    cases = [f"{layer}_{way}_queued" for way in ("default", "batched_2048K")]
    return max(abs(slowest_us(campaign[f"{case}_vmm_fd"]) / slowest_us(campaign[case]) - 1) for case in cases)


def _clocks(campaign: Campaign) -> list[tuple[float, float]]:
    """For each row of several ranks: the median skew of their starts, and the uncertainty of their clocks."""
    rows = [row for row in campaign.values() if row.get("start_skew_us")]
    return [(row["start_skew_us"]["median"], np.max(row["clock_uncertainty_us"])) for row in rows]


def _disagreements(campaigns: list[Campaign], *, queued: bool) -> list[float]:
    """Longest over shortest time of each rank of each case that is stable in all campaigns."""
    times: dict[tuple[str, int], list[float]] = {}
    for campaign in campaigns:
        for case, row in campaign.items():
            if row["measure"] == "layer" and row["stable"] and row["queued_behind_gate"] == queued:
                for rank, time in enumerate(row["device_us"]):
                    times.setdefault((case, rank), []).append(time["median"])
    common = [found for found in times.values() if len(found) == len(campaigns) and max(found) > _SHORTEST_US]
    return [max(found) / min(found) - 1 for found in common]


def _arrivals(campaigns: list[Campaign]) -> tuple[float, list[float], int, int]:
    """Of the whole slices of watched batches: the farthest from an even pace, paces, how many, how many overtaken."""
    farthest, paces, slices, overtaken = 0.0, [], 0, 0
    for row in (row for campaign in campaigns for row in campaign.values()):
        if row["strategy"] != "batched" or row["slice_bytes"] != _SLICE_BYTES:
            continue
        for stream in row.get("arrival_us") or ():
            whole = np.flatnonzero(np.array(sizes(row)) == _SLICE_BYTES)
            arrived = np.array(stream["copies"], dtype=float)[whole]
            pace, start = np.polyfit(whole, arrived, 1)
            farthest = max(farthest, float(np.abs(arrived - start - pace * whole).max()))
            paces.append(float(pace))
            slices += len(whole)
            overtaken += int((np.diff(arrived) < 0).sum())
    return farthest, paces, slices, overtaken


def _after_last_byte_us(campaigns: list[Campaign]) -> list[float]:
    """From the arrival of a watched stream's last byte to the end of its last call."""
    rows = [row for campaign in campaigns for row in campaign.values()]
    streams = [stream for row in rows for stream in row.get("arrival_us") or ()]
    return [
        stream["call_ends"][-1] - max(time for time in stream["copies"] if time is not None)
        for stream in streams
    ]  # fmt: skip
