"""Simulate the published cases under every assumption, and read predictions with ranges from the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.published.assumptions import AS_ASSUMED, Assumption, undisturbed
from dwdp_sim.published.cases import Case, scenario_of
from dwdp_sim.published.row import Ranged
from dwdp_sim.steps.dep import DepTimes
from dwdp_sim.steps.replications import run_replications
from dwdp_sim.steps.scenario import Replication, dep_baseline

SEEDS, CHANGED_SEEDS = 8, 2  # as assumed; with an assumption changed, which is compared seed by seed

Key = tuple[Case, Assumption]


@dataclass(frozen=True)
class Trials:
    """Simulated steps of cases.

    Attributes:
        runs: One a seed, by case and assumption.
        assumptions: Those that were changed, by model.
    """

    runs: Mapping[Key, Sequence[Replication]]
    assumptions: Mapping[str, Sequence[Assumption]]

    def steps(self, case: Case, changed: Assumption = AS_ASSUMED) -> Sequence[Replication]:
        """The runs of a case under an assumption: those as assumed where it does not change them."""
        found = self.runs.get((case, changed))
        return found if found is not None else self.runs[case, AS_ASSUMED]

    def seconds(self, case: Case, changed: Assumption = AS_ASSUMED) -> list[float]:
        """Mean step of each run."""
        return [run.figures["iteration_s"] for run in self.steps(case, changed)]

    def dep(self, case: Case, changed: Assumption = AS_ASSUMED) -> list[DepTimes]:
        """The same requests under DEP."""
        found = dep_baseline(scenario_of(case, changed), [run.drawn for run in self.steps(case, changed)])
        assert found is not None
        return found

    def ranged(self, case: Case, figure: Callable[[Assumption], Sequence[float]]) -> Ranged:
        """A figure and its range.

        Args:
            case: Whose assumptions are changed.
            figure: One value a seed, under an assumption.
        """
        values, changed = figure(AS_ASSUMED), self.assumptions[case.model]
        found = Ranged.drawn(values, [(one.name, figure(one)) for one in changed])
        alone = figure(undisturbed())
        return replace(found, undisturbed=found.value + float(np.mean(alone) - np.mean(values[: len(alone)])))


def simulate(
    cases: Iterable[Case],
    assumptions: Mapping[str, Sequence[Assumption]],
    pool: Executor | None,
    done: Callable[[int, int], None] = lambda n, of: None,
    seeds: int = SEEDS,
    changed_seeds: int = CHANGED_SEEDS,
) -> Trials:
    """Simulate cases as assumed and with each assumption changed that matters to them.

    Args:
        cases: Which.
        assumptions: What to change, by model.
        pool: Where runs are made; None for here.
        done: Called with the number of runs done, and of all.
        seeds: Runs of a case as assumed.
        changed_seeds: Runs with an assumption changed.
    """
    keys: list[Key] = []
    for case in cases:
        keys += [(case, one) for one in (AS_ASSUMED, undisturbed(), *assumptions[case.model]) if _simulated(case, one)]
    tasks = [(key, seed) for key in keys for seed in range(seeds if key[1] == AS_ASSUMED else changed_seeds)]
    found = run_replications(
        [(scenario_of(*key), seed) for key, seed in tasks], pool, lambda count: done(count, len(tasks))
    )
    runs: dict[Key, list[Replication]] = {key: [] for key in keys}
    for (key, _), run in zip(tasks, found, strict=True):
        runs[key].append(run)
    return Trials(runs, assumptions)


def _simulated(case: Case, changed: Assumption) -> bool:
    """Whether an assumption changes a case's steps under DWDP."""
    return changed.of == "steps" or (changed.of == "batched" and case.strategy == BATCHED.name)
