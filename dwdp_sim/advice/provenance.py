"""Say which constants of an advice were measured, which published and which assumed."""

from __future__ import annotations

from collections.abc import Mapping

from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.steps.compute import ComputeConfig


def used_constants(baseline: Baseline, current: Candidate) -> set[str]:
    """Return the names of the constants that default and batched copies use.

    Args:
        baseline: The user's configuration.
        current: What the user runs.
    """
    return {
        name
        for candidate in (current, *pair(current))
        for name in baseline.scenario(Trial(candidate.strategy)).constants.used
    }


def evidence(baseline: Baseline, current: Candidate) -> dict[str, list[str]]:
    """Return the names of the constants that the advice uses, by where they came from.

    Args:
        baseline: The user's configuration.
        current: What the user runs.
    """
    used = used_constants(baseline, current) | {"issue_async_s", "issue_batch_s", "issue_slice_s"}
    found: dict[str, list[str]] = {}
    for name in sorted(used):
        found.setdefault(baseline.cluster.constants[name].provenance, []).append(name)
    return found


def source_lines(found: Mapping[str, list[str]], compute: ComputeConfig) -> list[str]:
    """Return the sources as lines for people, the best first.

    Args:
        found: From `evidence`.
        compute: How long the user's layers compute.
    """
    order = ("measured", "public", "vendor", "assumed")
    lines = [f"{kind}: {', '.join(found[kind])}" for kind in order if kind in found]
    if compute.kind == "silicon":
        lines.append(f"compute silicon: measured kernels of {compute.backend} on {compute.gpu}, slower beside copies")
    elif compute.kind == "roofline":
        why = f" (measured kernels lack it: {compute.fallback})" if compute.fallback else ""
        lines.append(
            f"compute {compute.name}: a lower bound{why}. Real windows are longer, and gains then smaller; "
            "give your own: compute=constant compute.window_s=…"
        )
    else:
        lines.append(f"compute {compute.kind}: your windows")
    return lines
