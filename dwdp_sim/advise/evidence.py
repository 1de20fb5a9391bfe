"""What an advice rests on: which constants were measured, which published, which assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwdp_sim.advise.lab import Bench, Setup
from dwdp_sim.strategies import Strategy


def evidence(bench: Bench, strategy: Strategy) -> dict[str, list[str]]:
    """Names of the constants that the comparison used, by where they came from.

    Args:
        bench: The user's configuration.
        strategy: The user's; constants of batches are added.
    """
    used = set(bench.scenario(Setup(strategy)).constants.used)
    used |= {"issue_async_s", "issue_batch_s", "issue_slice_s"}
    if bench.placement.dwdp_size > 2:
        used |= {"in_flight_sources", "refill"}
    found: dict[str, list[str]] = {}
    for name in sorted(used):
        found.setdefault(bench.cluster.constants[name].provenance, []).append(name)
    return found


def source_lines(found: Mapping[str, list[str]], compute: Mapping[str, Any]) -> list[str]:
    """As lines for people; the best first.

    Args:
        found: From `evidence`.
        compute: The `compute` group.
    """
    order = ("measured", "public", "vendor", "assumed")
    lines = [f"{kind}: {', '.join(found[kind])}" for kind in order if kind in found]
    if compute["kind"] == "roofline":
        lines.append(
            f"compute {compute['name']}: a lower bound. Real windows are longer, and gains then smaller; "
            "give your own: compute=constant compute.window_s=…"
        )
    else:
        lines.append(f"compute {compute['kind']}: your windows")
    return lines
