"""What issuing copies costs the host, and how fast its cores are."""

from __future__ import annotations

import json

import numpy as np
from rows import CAMPAIGNS, ROOT, read_rows
from wording import between

_FAST_US = 0.75  # below, the core was free: medians of cases fall into two groups

_FROM_PINNED = "host_v3lite36_batched_2048K"


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    costs = [cost for name in CAMPAIGNS for cost in _slice_costs_us(name)]
    series = json.loads((ROOT / "measurements/h200_x2_host_speed.json").read_text(encoding="utf-8"))["series"]
    steps_ns = np.concatenate([gpu["python_step_ns"] for gpu in series])
    slices_us = np.concatenate([gpu["issue_ns_a_slice"] for gpu in series]) / 1e3
    fast = steps_ns < (np.percentile(steps_ns, 5) + np.percentile(steps_ns, 95)) / 2
    low, high = np.percentile(steps_ns, [5, 95])
    pinned = read_rows("h100_x1_host_experts")
    held, queued = (pinned[f"{_FROM_PINNED}_{mode}"]["host_us"][0] / 1e3 for mode in ("as_issued", "queued"))
    return {
        "slice": f"{between(costs, 1)} µs",
        "slice_fast": between((cost for cost in costs if cost < _FAST_US), 2),
        "slice_slow": f"{between((cost for cost in costs if cost >= _FAST_US), 2)} µs",
        "step_low": f"{low:.0f}",
        "step_high": f"{high:.0f} ns",
        "step_medians": f"{np.median(steps_ns[fast]):.0f} and {np.median(steps_ns[~fast]):.0f} ns",
        "slice_beside": "{:.2f} to {:.2f} µs".format(*np.percentile(slices_us, [5, 95])),
        "correlation": f"{np.corrcoef(steps_ns, slices_us)[0, 1]:.2f}",
        "samples": f"{len(steps_ns)}",
        "lasted": f"{max(gpu['at_s'][-1] for gpu in series):.0f} s",
        "caller_held": f"{held:.1f} ms",
        "caller_free": f"{queued:.2f} ms",
    }


def _slice_costs_us(name: str) -> list[float]:
    """Medians of a campaign: the host's time a slice, from C arrays."""
    measured = [row["issue_cost_us_a_slice"] for row in read_rows(name).values() if row["measure"] == "issue_cost"]
    return [float(rank["arrays"]["median"]) for row in measured for rank in row]
