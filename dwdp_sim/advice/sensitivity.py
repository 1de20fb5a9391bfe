"""Show what batching costs the host, and how that slows a step whose host time is not hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwdp_sim.advice.candidates import SLICES, Candidate
from dwdp_sim.advice.search import trial_of
from dwdp_sim.advice.trial import Host
from dwdp_sim.advice.trials import Trials
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.issue_costs import IssueCosts
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import COARSE_SLICES

SLICE_COSTS_S = (0.5e-6, 1.1e-6, 3.3e-6)  # seen on two H200s, and reported for GB200


@dataclass(frozen=True)
class HostCost:
    """Host time that one rank needs to issue one layer.

    Attributes:
        copies: Copies that it lists, mean over ranks.
        calls: Calls that it makes, mean over ranks.
        seconds: Its time.
    """

    copies: float
    calls: float
    seconds: float


@dataclass(frozen=True)
class HostRow:
    """Batching where the host's time counts.

    Attributes:
        slice_bytes: Its slice; None: whole pulls.
        issue_slice_s: Host seconds for each slice.
        host_s: Host seconds of a layer.
        ahead: Gain over the default copies where the host may be a step ahead.
        behind: Gain where it begins a step when the last one has ended.
    """

    slice_bytes: int | None
    issue_slice_s: float
    host_s: float
    ahead: Estimate
    behind: Estimate


@dataclass(frozen=True)
class SizeRow:
    """One slice size of batching.

    Attributes:
        slice_bytes: None: whole pulls.
        cost: Of the host.
        gain: Over 2 MiB, as configured.
    """

    slice_bytes: int | None
    cost: HostCost
    gain: Estimate


def host_cost(runner: Trials, cluster: Cluster, candidate: Candidate, issue_slice_s: float | None = None) -> HostCost:
    """Return the host time in which one rank issues one layer.

    Args:
        runner: Knows the copies.
        cluster: Gives the costs.
        candidate: What is issued.
        issue_slice_s: Seconds for each slice; None: the cluster's.
    """
    coarse, ranks = runner.coarse(trial_of(candidate)), runner.baseline.placement.dwdp_size
    copies, calls = coarse.copies / ranks, coarse.calls / ranks
    costs = IssueCosts.of_cluster(cluster, issue_slice_s)
    return HostCost(copies, calls, costs.of(calls, copies, batched=candidate.strategy.kind.issue != ASYNC))


def compare_sizes(runner: Trials, cluster: Cluster, base: Strategy, layers: int, seeds: Sequence[int]) -> list[SizeRow]:
    """Compare every slice size of batching with 2 MiB, to show how flat the optimum is.

    Args:
        runner: Runs trials.
        cluster: Gives host costs.
        base: The user's strategy; its implementation counts.
        layers: MoE layers of a step.
        seeds: At least two.
    """
    sizes = {size: Candidate(replace(base, kind=BATCHED, slice_bytes=size)) for size in SLICES}
    trials = {size: trial_of(candidate, layers=layers) for size, candidate in sizes.items()}
    runner.run(dict.fromkeys(trials.values(), seeds))
    reference = runner.times(trials[CONTENTION_OPT_SLICE_BYTES], seeds)
    return [
        SizeRow(size, host_cost(runner, cluster, candidate), paired_gain(runner.times(trials[size], seeds), reference))
        for size, candidate in sizes.items()
    ]


def sweep_host_cost(
    runner: Trials,
    cluster: Cluster,
    base: Strategy,
    sizes: Sequence[int | None],
    layers: int | None,
    seeds: Sequence[int],
) -> list[HostRow]:
    """Compare batching with the default copies when host time counts, over the range of what a slice may cost.

    Args:
        runner: Runs trials.
        cluster: Gives the other costs.
        base: The user's strategy; its implementation counts.
        sizes: Slices.
        layers: MoE layers of a step; None: all.
        seeds: At least two.
    """
    default = Candidate(replace(base, kind=DEFAULT))
    batched = {size: Candidate(replace(default.strategy, kind=BATCHED, slice_bytes=size)) for size in sizes}
    trials = {
        (size, cost, ahead): replace(
            trial_of(batched[size], layers=layers, slices=COARSE_SLICES), host=Host("as_issued", ahead, cost)
        )
        for size in sizes
        for cost in SLICE_COSTS_S
        for ahead in (True, False)
    }
    single = {
        ahead: replace(trial_of(default, layers=layers), host=Host("as_issued", ahead)) for ahead in (True, False)
    }
    runner.run(dict.fromkeys((*single.values(), *trials.values()), seeds))

    def gain(size: int | None, cost: float, ahead: bool) -> Estimate:
        return paired_gain(runner.times(trials[size, cost, ahead], seeds), runner.times(single[ahead], seeds))

    return [
        HostRow(
            size,
            cost,
            host_cost(runner, cluster, batched[size], cost).seconds,
            gain(size, cost, True),
            gain(size, cost, False),
        )
        for size in sizes
        for cost in SLICE_COSTS_S
    ]
