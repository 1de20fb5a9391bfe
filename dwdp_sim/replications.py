"""Replications: seeds run side by side, means with their 95 % intervals, and differences of pairs."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from dwdp_sim.iteration import Replication, Scenario, replicate

_CONFIDENCE = 0.95
_FEWEST_FOR_STOPPING = 3


@dataclass(frozen=True)
class Estimate:
    """A mean over replications.

    Attributes:
        mean: The mean.
        half_width: Half of its 95 % interval (Student's t); NaN from a single replication.
        count: Replications.
    """

    mean: float
    half_width: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """From one value a replication."""
        count = len(values)
        if count < 2:
            return cls(float(values[0]), math.nan, count)
        quantile = float(stdtrit(count - 1, 0.5 + _CONFIDENCE / 2))
        return cls(float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / math.sqrt(count), count)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero: a paired difference that is real."""
        return abs(self.mean) > self.half_width


def paired_gain(of: Sequence[float], over: Sequence[float]) -> Estimate:
    """How much less time `of` takes than `over`, as a share: over ÷ of − 1, replication by replication.

    Args:
        of: Times under one strategy, one a seed.
        over: Times under another, of the same seeds.
    """
    return Estimate.of([b / a - 1.0 for a, b in zip(of, over, strict=True)])


@contextmanager
def workers(count: int) -> Iterator[Executor | None]:
    """Processes to run replications in; None where one is enough.

    A worker starts afresh (`spawn`), so that it shares nothing with threads of this process.
    """
    if count == 1:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def run_replications(
    tasks: Sequence[tuple[Scenario, int]],
    pool: Executor | None,
    done: Callable[[int], None] = lambda count: None,
    enough: Callable[[Sequence[Replication]], bool] = lambda finished: False,
) -> list[Replication]:
    """Run (scenario, seed) pairs; the results stand in the order of the tasks and do not depend on who ran them.

    Args:
        tasks: What to run.
        pool: Where; None for here.
        done: Called with the number of tasks done.
        enough: Asked after each task, with what is finished so far; the rest is given up where it says so.
    """
    results = map(_run, tasks) if pool is None else pool.map(_run, tasks)
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


def _run(task: tuple[Scenario, int]) -> Replication:
    return replicate(*task)
