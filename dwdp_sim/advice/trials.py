"""Run trials of candidates: forward steps for a seed, under a hypothesis, each simulated only once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.fabric.engine_choice import MANY_COPIES
from dwdp_sim.fabric.hypotheses import without_walk
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import CoarsePlan
from dwdp_sim.steps.repeated_steps import RepeatedSteps
from dwdp_sim.steps.scenario import Draw, Scenario, draw, mean_step_s

_BLOCK = 400  # trials whose windows are drawn before they run: threads that draw would hold up those that run
_BATCHES = 64  # parts of a block, about, so that all workers are busy to its end


class TimeIsUp(Exception):
    """The time that trials may take is over; what has been simulated until then is kept."""


@dataclass(frozen=True)
class _Batch:
    """The same copies under several windows.

    Attributes:
        scenario: Copies and constants.
        draws: Windows and starts.
        times: Where the mean step of each draw goes, by seed.
    """

    scenario: Scenario
    draws: list[Draw]
    times: list[dict[int, float]]

    def until(self, ends_at: float) -> tuple[Scenario, list[Draw], float]:
        """What a worker needs that stops at this time."""
        return self.scenario, self.draws, ends_at

    def parts(self, size: int) -> Iterator[_Batch]:
        """Batches of at most so many draws."""
        for first in range(0, len(self.draws), size):
            yield _Batch(self.scenario, self.draws[first : first + size], self.times[first : first + size])


class Trials:
    """Runs trials and remembers their times, so that none runs twice.

    Set-ups that come to the same simulation (as small slices do where the host's time is hidden) run once.

    Attributes:
        baseline: What all trials have in common.
        ends_at: When `run` gives up, between two simulations, in seconds of `time.monotonic`; infinite until it is set.
    """

    def __init__(
        self, baseline: Baseline, pool: Executor | None, progress: Callable[[int, int], None] = lambda done, of: None
    ) -> None:
        self.baseline = baseline
        self.ends_at = math.inf
        self._pool, self._progress = pool, progress
        refill = baseline.cluster.constants.get("refill")
        self._refill = None if refill is None else refill.value
        self._by_identity: dict[object, dict[int, float]] = {}
        self._by_trial: dict[Trial, dict[int, float]] = {}
        self._twins: dict[tuple[Strategy, int | None, int], CoarsePlan] = {}
        self._scenarios: dict[Trial, Scenario] = {}

    def run(self, tasks: Mapping[Trial, Sequence[int]]) -> None:
        """Run each of these trials with its seeds, side by side, but for what has run already.

        Raises:
            TimeIsUp: It is later than `ends_at`.
        """
        missing = self._missing(tasks)
        done, total = 0, sum(len(seeds) for _, seeds in missing)
        side_by_side = map if self._pool is None else self._pool.map
        for first in range(0, len(missing), _BLOCK):
            batches = self._batches(missing[first : first + _BLOCK])
            results = side_by_side(_mean_steps_s, [batch.until(self.ends_at) for batch in batches])
            for batch, seconds in zip(batches, results, strict=True):
                for drawn, times, mean_s in zip(batch.draws, batch.times, seconds, strict=True):
                    times[drawn.seed] = mean_s
                done += len(seconds)
                self._progress(done, total)

    def _missing(self, tasks: Mapping[Trial, Sequence[int]]) -> list[tuple[Trial, list[int]]]:
        """The seeds of each trial that neither it has run with nor another that comes to the same simulation will."""
        claimed: set[tuple[int, int]] = set()
        missing = []
        for trial, seeds in tasks.items():
            times = self._times_of(trial)
            own = [seed for seed in seeds if seed not in times and (id(times), seed) not in claimed]
            claimed.update((id(times), seed) for seed in own)
            if own:
                missing.append((trial, own))
        return missing

    def _batches(self, block: Sequence[tuple[Trial, list[int]]]) -> list[_Batch]:
        """What one worker does at a time: the same copies under several windows."""
        known: dict[tuple[object, int], Draw] = {}
        alike: dict[object, _Batch] = {}
        for trial, seeds in block:
            _check_time(self.ends_at)
            scenario = self._scenario(trial)
            copies = self._copies_of(trial), scenario.workload.pace()
            batch = alike.setdefault(copies, _Batch(scenario, [], []))
            windows = trial.windows, trial.state.compute, trial.start, trial.layers, trial.window_factor
            for seed in seeds:
                if (windows, seed) not in known:
                    known[windows, seed] = _draw(scenario, trial.window_factor, seed)
                batch.draws.append(known[windows, seed])
                batch.times.append(self._times_of(trial))
        size = max(1, sum(len(batch.draws) for batch in alike.values()) // _BATCHES)
        return [part for batch in alike.values() for part in batch.parts(size)]

    def times(self, trial: Trial, seeds: Sequence[int]) -> list[float]:
        """Return the iteration times in seconds, one for each seed."""
        self.run({trial: seeds})
        times = self._times_of(trial)
        return [times[seed] for seed in seeds]

    def _times_of(self, trial: Trial) -> dict[int, float]:
        """The times of a trial that are known, by seed; one dict for all that come to the same simulation."""
        if trial not in self._by_trial:
            self._by_trial[trial] = self._by_identity.setdefault(self.identity(trial), {})
        return self._by_trial[trial]

    def coarse(self, trial: Trial) -> CoarsePlan:
        """Return the coarse plan that is simulated for `trial`."""
        key = trial.strategy, trial.num_prefetch_experts, trial.slices
        if key not in self._twins:
            self._twins[key] = self.baseline.coarse(trial)
        return self._twins[key]

    def _scenario(self, trial: Trial) -> Scenario:
        """The forward steps of a trial; copies and constants are made once for all compute windows."""
        alike = self._copies_of(trial)
        if alike not in self._scenarios:
            self._scenarios[alike] = self.baseline.scenario(alike)
        return self.baseline.with_times_of(trial, self._scenarios[alike])

    def _copies_of(self, trial: Trial) -> Trial:
        """A trial that is equal for all whose copies and constants are."""
        if self.baseline.workload.background_bytes_per_token:  # which follow from the tokens of the windows
            return trial
        return replace(trial, window_factor=1.0, windows=None, carry_over=False, start=None)

    def identity(self, trial: Trial) -> tuple[object, ...]:
        """Return a key that is equal for two trials with the same simulation."""
        coarse = self.coarse(trial)
        scales = () if self.baseline.hides_host(trial) and coarse.calls_scale == 1.0 else (coarse.copies, coarse.calls)
        one_source = coarse.plan.reads_one_source_a_call()
        state = without_walk(trial.state) if one_source else trial.state
        by_bytes = dict(state.constants).get("refill", self._refill) == "bytes" and not one_source
        state = replace(state, name="")
        window = coarse.slice_scale if by_bytes else 1.0
        return replace(trial, strategy=coarse.strategy, state=state, slices=0), scales, window


def _draw(scenario: Scenario, factor: float, seed: int) -> Draw:
    """What a seed draws, with a factor on all compute times."""
    drawn = draw(scenario, seed)
    if factor == 1.0:
        return drawn
    windows = drawn.windows
    times = {name: factor * getattr(windows, name) for name in ("lead_s", "before_s", "moe_s")}
    return replace(drawn, windows=replace(windows, **times), start_s=factor * drawn.start_s)


def _check_time(ends_at: float) -> None:
    if time.monotonic() >= ends_at:
        raise TimeIsUp


def _mean_steps_s(what: tuple[Scenario, list[Draw], float]) -> list[float]:
    """The mean time of a forward step, in seconds, of each draw."""
    scenario, draws, ends_at = what
    _check_time(ends_at)
    steps = RepeatedSteps(
        scenario.program,
        scenario.constants,
        scenario.options,
        scenario.workload.pace(),
        ranks=scenario.ranks,
        engine=scenario.engine,
        copies=MANY_COPIES,  # however small: who advises has had the engine loaded, by `takes_many_compiled`
    )
    warmup = scenario.workload.warmup
    means_s = []
    for drawn in draws:
        _check_time(ends_at)
        means_s.append(mean_step_s(steps.run(drawn.windows, drawn.start_s, drawn.seed), warmup))
    return means_s
