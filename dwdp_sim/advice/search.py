"""Search for the best candidate: a first look at few, all over a few layers, the best over whole forward steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dwdp_sim.advice.candidates import Candidate, candidates, changes, offered, pair
from dwdp_sim.advice.findings import Effort, Findings, Part, Row, Screened
from dwdp_sim.advice.trial import Trial
from dwdp_sim.advice.trials import Trials
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, EXTREME_WALKS, Hypothesis
from dwdp_sim.plan.strategy import StrategyKind
from dwdp_sim.steps.coarse_plan import COARSE_SLICES, SLICES_A_PULL

ALIKE = 0.005  # gains below half a percent are not worth a change
_NOISE = 0.02  # error to expect of one seed over a few layers
_SIZES_KEPT = 2  # slice sizes of each strategy that are compared in full
_MORE_FINALISTS = 3  # further candidates, besides those always compared
_SEEDS_A_STATE = 2
_FIRST_SEEDS = 3  # as configured, before the final comparison

Times = Mapping[Hypothesis, Sequence[float]]  # iteration times in seconds, one a seed


def search(
    runner: Trials,
    current: Candidate,
    states: Sequence[Hypothesis],
    effort: Effort,
    also: Sequence[StrategyKind] = (),
) -> Iterator[Findings]:
    """Compare every candidate with what the user runs, and tell what is known so far on the way.

    The choice is the candidate that is never far from the best, whatever is true of the machine: its worst regret over
    the states is least. What is told early changes nothing of what is found later.

    Args:
        runner: Runs trials.
        current: What the user runs.
        states: What may be true of the machine, as configured first.
        effort: How much is simulated.
        also: Strategies beside those of this project; each reaches the final comparison.

    Yields:
        What can be chosen today and `contention_opt`, as configured and under the two extreme walks of a batch; the
        same under every hypothesis; the finalists; and, last, the outcome.
    """
    extremes = [state for state in states if state.name in (AS_CONFIGURED.name, *EXTREME_WALKS)]
    for seen in dict.fromkeys((tuple(extremes), tuple(states))):
        yield _look(runner, _always(current), states, seen, effort, [], ("candidates", "steps"))
    first = _screen(runner, candidates(current, also), [AS_CONFIGURED], effort)
    short = _shortlist(runner, first, current)
    other = [Candidate(candidate.strategy, not current.carry_over) for candidate in short]
    first |= _screen(runner, other, [AS_CONFIGURED], effort)
    shorter = [c for c, one in zip(other, short, strict=True) if _at(first, c) < (1.0 - _NOISE) * _at(first, one)]
    times = _screen(runner, [*short, *shorter], states, effort)
    finalists = _finalists(runner, times, current, also)
    same = {_same(runner, candidate) for candidate in finalists}
    screened = [Screened(c, _at(first, current) / _at(first, c) - 1.0, _same(runner, c) in same) for c in first]
    yield _look(runner, finalists, states, states, effort, screened, ("steps",))
    extreme = _extreme_states({c: times[c] for c in finalists})
    layers = _affordable_layers(runner, finalists, len(extreme), effort)
    seeds = {s: effort.seeds if s == AS_CONFIGURED else effort.seeds[:_SEEDS_A_STATE] for s in extreme}
    rows = _compare(runner, finalists, seeds, layers, SLICES_A_PULL)
    yield _findings(runner, rows, screened, states, layers)


def _look(
    runner: Trials,
    chosen: Sequence[Candidate],
    states: Sequence[Hypothesis],
    seen: Sequence[Hypothesis],
    effort: Effort,
    screened: list[Screened],
    missing: tuple[Part, ...],
) -> Findings:
    """What is known so far: a few layers and seeds as configured, and one seed in each other state that is `seen`."""
    layers = min(effort.screen_layers, runner.baseline.model.num_moe_layers)
    seeds = {s: effort.seeds[: _FIRST_SEEDS if s == AS_CONFIGURED else 1] for s in seen}
    rows = _compare(runner, chosen, seeds, effort.screen_layers, COARSE_SLICES)
    unseen = tuple(state for state in states if state not in seen)
    missing = ("hypotheses", *missing) if unseen else missing
    return replace(_findings(runner, rows, screened, states, layers), unseen=unseen, missing=missing)


def _findings(
    runner: Trials, rows: list[Row], screened: list[Screened], states: Sequence[Hypothesis], layers: int
) -> Findings:
    today = choose([row for row in rows if not row.changes])
    return Findings(rows, today, choose(rows), screened, list(states), layers, runner.baseline.model.num_moe_layers)


def trial_of(
    candidate: Candidate, state: Hypothesis = AS_CONFIGURED, layers: int | None = None, slices: int = SLICES_A_PULL
) -> Trial:
    """Return the trial that runs a candidate."""
    return Trial(candidate.strategy, candidate.carry_over, state, layers, slices=slices)


def _same(runner: Trials, candidate: Candidate) -> tuple[object, ...]:
    return runner.identity(trial_of(candidate))


def _screen(
    runner: Trials, chosen: Iterable[Candidate], states: Sequence[Hypothesis], effort: Effort
) -> dict[Candidate, dict[Hypothesis, list[float]]]:
    """A few layers of the first seed, in each of the states."""
    tasks = {(c, s): trial_of(c, s, effort.screen_layers, COARSE_SLICES) for c in chosen for s in states}
    seeds = effort.seeds[:1]
    runner.run(dict.fromkeys(tasks.values(), seeds))
    times: dict[Candidate, dict[Hypothesis, list[float]]] = {}
    for (candidate, state), trial in tasks.items():
        times.setdefault(candidate, {})[state] = runner.times(trial, seeds)
    return times


def _shortlist(runner: Trials, times: Mapping[Candidate, Times], current: Candidate) -> list[Candidate]:
    """What is always compared, and each strategy's best sizes; of those that are alike, the ones with fewest copies."""
    copies = {candidate: runner.coarse(trial_of(candidate)).copies for candidate in times}
    groups: dict[str, list[Candidate]] = {}
    for candidate in sorted(times, key=lambda c: (round(_at(times, c) / _at(times, current) / ALIKE), copies[c])):
        groups.setdefault(candidate.kind, []).append(candidate)
    return list(dict.fromkeys([*_always(current), *(c for group in groups.values() for c in group[:_SIZES_KEPT])]))


def _at(times: Mapping[Candidate, Times], candidate: Candidate) -> float:
    """Screened time as configured."""
    return times[candidate][AS_CONFIGURED][0]


def _always(current: Candidate) -> list[Candidate]:
    """What can be chosen today, and contention_opt even where the engine does not have it."""
    return list(dict.fromkeys([*offered(current), pair(current)[1]]))


def _finalists(
    runner: Trials, times: Mapping[Candidate, Times], current: Candidate, also: Sequence[StrategyKind]
) -> list[Candidate]:
    """What is always compared, the best of each of `also`, and of what is somewhere better than all of that: the one
    that is never far from the best, then the fastest as configured; of each strategy one, with the fewest copies of
    those that are alike.
    """
    of_also = (min(_of_kind(times, kind), key=lambda c: _at(times, c)) for kind in also)
    chosen = list(dict.fromkeys([*_always(current), *of_also]))
    means = {c: {s: float(np.mean(values)) for s, values in by.items()} for c, by in times.items()}
    today = {state: min(means[c][state] for c in chosen) for state in means[current]}
    better = [c for c in means if any(means[c][s] < (1.0 - _NOISE) * today[s] for s in today)]
    regrets = _regrets(means)
    copies = {c: runner.coarse(trial_of(c)).copies for c in better}
    by_regret = sorted(better, key=lambda c: (round(regrets[c] / ALIKE), copies[c]))
    by_time = sorted(
        better, key=lambda c: (round(means[c][AS_CONFIGURED] / means[current][AS_CONFIGURED] / ALIKE), copies[c])
    )
    kinds = {(c.kind, c.carry_over) for c in chosen}
    wanted = len(chosen) + _MORE_FINALISTS
    for candidate in (*by_regret[:1], *by_time):
        if len(chosen) < wanted and (candidate.kind, candidate.carry_over) not in kinds:
            chosen.append(candidate)
            kinds.add((candidate.kind, candidate.carry_over))
    return chosen


def _of_kind(chosen: Iterable[Candidate], kind: StrategyKind) -> list[Candidate]:
    return [candidate for candidate in chosen if candidate.strategy.kind == kind]


def _extreme_states(times: Mapping[Candidate, Times]) -> list[Hypothesis]:
    """As configured, and every state in which some finalist gains most or least over the first."""
    current, *others = times
    states = list(times[current])
    extreme = {AS_CONFIGURED: None}
    for candidate in others:
        gains = {state: times[current][state][0] / times[candidate][state][0] for state in states}
        extreme |= {min(states, key=lambda s: gains[s]): None, max(states, key=lambda s: gains[s]): None}
    return list(extreme)


def _regrets(times: Mapping[Candidate, Mapping[Hypothesis, float]]) -> dict[Candidate, float]:
    """How much longer each takes than the best, as a share, in its worst state."""
    states = next(iter(times.values()))
    best = {state: min(by[state] for by in times.values()) for state in states}
    return {candidate: max(by[state] / best[state] for state in states) - 1.0 for candidate, by in times.items()}


def _affordable_layers(runner: Trials, finalists: Sequence[Candidate], states: int, effort: Effort) -> int:
    """As many layers as `effort.copies` allows, from the screening's up to all."""
    workload, every = runner.baseline.workload, runner.baseline.model.num_moe_layers
    runs = len(effort.seeds) + (states - 1) * _SEEDS_A_STATE
    a_layer = sum(runner.coarse(trial_of(candidate)).simulated for candidate in finalists)
    copies = a_layer * runs * (workload.warmup + workload.iterations)
    return min(every, max(effort.screen_layers, effort.copies // copies))


def _compare(
    runner: Trials, chosen: Sequence[Candidate], seeds: Mapping[Hypothesis, Sequence[int]], layers: int, slices: int
) -> list[Row]:
    """Compare candidates with the first of them: so many layers, in each state with its seeds."""
    trials = {c: {s: trial_of(c, s, layers, slices) for s in seeds} for c in chosen}
    runner.run({trials[c][s]: seeds[s] for s in seeds for c in chosen})
    times = {c: {s: runner.times(trial, seeds[s]) for s, trial in by.items()} for c, by in trials.items()}
    current = chosen[0]
    gains = {c: {s: paired_gain(by[s], times[current][s]) for s in seeds} for c, by in times.items()}
    return [
        Row(
            candidate=c,
            iteration=Estimate.of(times[c][AS_CONFIGURED]),
            gain=gains[c][AS_CONFIGURED],
            gains={state: gain.mean for state, gain in gains[c].items()},
            changes=tuple(changes(c, current)),
        )
        for c in chosen
    ]


def choose(rows: Sequence[Row]) -> Row:
    """Return the row with the least worst regret, or the first of those that are alike."""
    regrets = _regrets(
        {row.candidate: {state: 1.0 / (1.0 + gain) for state, gain in row.gains.items()} for row in rows}
    )
    least = min(regrets.values())
    return next(row for row in rows if regrets[row.candidate] <= least + ALIKE)
