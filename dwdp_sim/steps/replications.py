"""Run replications with several seeds side by side, and tell when their mean is known well enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial

from dwdp_sim.base.estimate import Estimate
from dwdp_sim.steps.scenario import Draw, Replication, Scenario, replicate

_FEWEST_FOR_STOPPING = 3


def run_replications(
    tasks: Sequence[tuple[Scenario, int | Draw]],
    pool: Executor | None,
    done: Callable[[int], None] = lambda count: None,
    enough: Callable[[Sequence[Replication]], bool] = lambda finished: False,
) -> list[Replication]:
    """Run (scenario, seed or what it drew) pairs; results stand in the order of the tasks, whoever ran them.

    Args:
        tasks: What to run.
        pool: Where; None for here.
        done: Called with the number of tasks done.
        enough: Asked after each task, with what is finished so far; the rest is given up where it says so.
    """
    run = partial(_run, len(tasks))
    results = map(run, tasks) if pool is None else pool.map(run, tasks)
    finished: list[Replication] = []
    for result in results:
        finished.append(result)
        done(len(finished))
        if enough(finished):
            break
    return finished


def known_within(target: float, finished: Sequence[Replication]) -> bool:
    """Whether at least three replications give the iteration time to `target`, half width ÷ mean."""
    estimate = Estimate.of([one.figures["iteration_s"] for one in finished])
    return len(finished) >= _FEWEST_FOR_STOPPING and estimate.half_width <= target * estimate.mean


def _run(among: int, task: tuple[Scenario, int | Draw]) -> Replication:
    return replicate(*task, among=among)
