"""Compare placements: whether each fits into memory, and how much faster fewer pulled experts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.search import trial_of
from dwdp_sim.advice.trials import Trials
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.job.make import make_layer
from dwdp_sim.model.placement import Placement
from dwdp_sim.results.summary_head import memory_bytes
from dwdp_sim.steps.coarse_plan import COARSE_SLICES

_SHARES = (1.0, 0.75, 0.5, 0.25)  # of the experts that are pulled from each peer where none overlap


@dataclass(frozen=True)
class PlacementRow:
    """One placement.

    Attributes:
        placement: Who holds what.
        memory_bytes: Experts and slots of a GPU, together.
        fits: Whether they fit; None if the cluster does not say how much there is.
        pulled_bytes: What a rank pulls for one layer.
        gain: How much less time a step takes than with the user's placement; None if it was not simulated.
    """

    placement: Placement
    memory_bytes: int
    fits: bool | None
    pulled_bytes: int
    gain: Estimate | None


def own_placement(runner: Trials, cluster: Cluster, candidate: Candidate) -> PlacementRow:
    """Return the user's placement, whose memory needs no simulation.

    Args:
        runner: Knows it.
        cluster: Says how much memory there is.
        candidate: How layers are pulled.
    """
    return _row(runner, cluster, candidate, runner.baseline.placement)


def compare_placements(
    runner: Trials, cluster: Cluster, candidate: Candidate, layers: int, seeds: Sequence[int]
) -> list[PlacementRow]:
    """Compare the user's placement with others that pull fewer and hold more experts, if the engine allows them.

    Args:
        runner: Runs trials.
        cluster: Says how much memory there is.
        candidate: How layers are pulled.
        layers: MoE layers of a step.
        seeds: At least two.
    """
    own = runner.baseline.placement
    others = _others(own) if candidate.strategy.engine.allows_overlap else []
    rows = {placement: _row(runner, cluster, candidate, placement) for placement in (own, *others)}
    runs = {
        placement: replace(
            trial_of(candidate, layers=layers, slices=COARSE_SLICES),
            num_prefetch_experts=placement.num_prefetch_experts,
        )
        for placement, row in rows.items()
        if row.fits is not False or placement == own
    }
    runner.run(dict.fromkeys(runs.values(), seeds))
    reference = runner.times(runs[own], seeds)
    gains = {placement: paired_gain(runner.times(trial, seeds), reference) for placement, trial in runs.items()}
    return [replace(row, gain=gains.get(placement)) for placement, row in rows.items()]


def _others(own: Placement) -> list[Placement]:
    """Placements of the same group with other numbers of pulled experts."""
    most = own.num_experts // own.dwdp_size
    pulled = dict.fromkeys(max(round(share * most), 1) for share in _SHARES)
    return [
        Placement.create(own.num_experts, own.dwdp_size, None, count)
        for count in pulled
        if count != own.num_prefetch_experts
    ]


def _row(runner: Trials, cluster: Cluster, candidate: Candidate, placement: Placement) -> PlacementRow:
    model, strategy = runner.baseline.model, replace(candidate.strategy, slice_bytes=None)
    layer = make_layer(model, placement, strategy)
    need = memory_bytes(layer, runner.baseline.workload.slots).total
    size = cluster.constants.get("gpu_memory_bytes")
    fits = None if size is None or size.value is None else need <= size.value
    return PlacementRow(placement, need, fits, max(layer.plan.bytes_per_rank()), None)
