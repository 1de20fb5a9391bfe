"""The answers of one set-up: every load, hypothesis and strategy, simulated as `dwdp-sim workload=iteration` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from docs.explorer.causes import CAUSES, bubbles_by_cause
from docs.explorer.choices import HYPOTHESES, SEEDS, TOKENS, Setup, overrides
from docs.explorer.excerpt import LAYERS, excerpt
from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.advice.window_ratio import measure_load
from dwdp_sim.base.estimate import paired_gain
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.job.job import StepsJob
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.repeated_steps import RepeatedSteps
from dwdp_sim.steps.scenario import Draw, draw, figures

COLUMNS = ("gain", "gain_half", "step", "compute", *CAUSES, "prefetch", "excerpt")
"""Of an answer: the gain over the default copies and half of its 95 % interval in permille; microseconds of a step, of
the compute in it and of its bubbles by cause, and of a layer's prefetch; the number of its excerpt."""

_EXACT = 10**9  # pieces of a pull: slices stay as they are
_MANY = 10**7  # copies: enough for the compiled engine to be worth while

_Key = tuple[int, str]  # tokens a step, hypothesis


@dataclass(frozen=True)
class _Case:
    """A load under a hypothesis.

    Attributes:
        job: The forward steps, with default copies.
        hypothesis: What is true.
        draws: What each seed draws.
    """

    job: StepsJob
    hypothesis: Hypothesis
    draws: Sequence[Draw]


@dataclass(frozen=True)
class _Outcome:
    """A strategy in a case: means over ranks, one a seed, and the first seed's excerpt."""

    figures: Sequence[Mapping[str, float]]
    excerpt: str


def answers_of(
    setup: Setup, pool: Executor | None, progress: Callable[[int, int], None], tokens: Sequence[int] = TOKENS
) -> dict[str, Any]:
    """Everything that the explorer shows of a set-up, as JSON.

    Args:
        setup: A model on a machine.
        pool: Where to simulate; None for here. No answer depends on it.
        progress: Called with the number of states of the machine that have been simulated, and of all.
        tokens: Loads.
    """
    cases = {(load, name): case for load in tokens for name, case in _cases(setup.job(load), setup).items()}
    machines: dict[Hypothesis, dict[_Key, _Case]] = {}
    for key, case in cases.items():
        machines.setdefault(replace(case.hypothesis, name="", compute=()), {})[key] = case
    outcomes: dict[_Key, list[_Outcome]] = {}
    side_by_side = map if pool is None else pool.map
    for done, found in enumerate(side_by_side(partial(_simulate, setup.strategies()), machines.values()), 1):
        outcomes |= found
        progress(done, len(machines))
    excerpts: dict[str, int] = {}

    def each(found: Callable[[_Key], Any]) -> list[list[Any]]:
        """Something of every load and hypothesis."""
        return [[found((load, name)) for name in HYPOTHESES] for load in tokens]

    return {
        "model": setup.model,
        "machine": setup.machine,
        "ranks": setup.ranks,
        "kernels": next(iter(cases.values())).job.scenario.workload.compute.backend,
        "ratios": each(lambda key: _ratio(cases[key])),
        "overrides": each(lambda key: overrides(cases[key].hypothesis, cases[key].job)),
        "spans": each(lambda key: round(_span_s(cases[key], outcomes[key][0].figures) * 1e6)),
        "answers": each(lambda key: _rows(outcomes[key], excerpts)),
        "excerpts": list(excerpts),
    }


def _cases(job: StepsJob, setup: Setup) -> dict[str, _Case]:
    """A load under every hypothesis, by its name."""
    baseline, drawn = Baseline.of(job), {}
    for hypothesis in setup.hypotheses(job):
        if hypothesis.compute not in drawn:
            scenario = baseline.scenario(Trial(job.layer.strategy, state=hypothesis, slices=_EXACT))
            drawn[hypothesis.compute] = [draw(scenario, seed) for seed in SEEDS]
    return {h.name: _Case(job, h, drawn[h.compute]) for h in setup.hypotheses(job)}


def _simulate(strategies: Sequence[Strategy], cases: Mapping[_Key, _Case]) -> dict[_Key, list[_Outcome]]:
    """Every strategy in cases in which the machine is the same, the default copies first."""
    found: dict[_Key, list[_Outcome]] = {key: [] for key in cases}
    first = next(iter(cases.values()))
    for strategy in strategies:
        scenario = Baseline.of(first.job).scenario(Trial(strategy, state=first.hypothesis, slices=_EXACT))
        pace = scenario.workload.pace()
        steps = RepeatedSteps(
            scenario.program, scenario.constants, scenario.options, pace, ranks=scenario.ranks, copies=_MANY
        )
        for key, case in cases.items():
            default = found[key][0] if found[key] else None
            found[key].append(_outcome(steps, case, default))
    return found


def _outcome(steps: RepeatedSteps, case: _Case, default: _Outcome | None) -> _Outcome:
    """All seeds; the excerpt of the first is as long as `_span_s` says."""
    warmup = case.job.scenario.workload.warmup
    rows, shown = [], ""
    for drawn in case.draws:
        timeline = steps.run(drawn.windows, drawn.start_s, drawn.seed)
        causes_s = bubbles_by_cause(timeline)[:, warmup:].sum(axis=2).mean(axis=(0, 1))
        rows.append(figures(timeline, drawn.windows, warmup) | dict(zip(CAUSES, causes_s.tolist(), strict=True)))
        if not shown:
            shown = excerpt(timeline, warmup, _span_s(case, default.figures if default else rows))
    return _Outcome(rows, shown)


def _span_s(case: _Case, default: Sequence[Mapping[str, float]]) -> float:
    """Seconds of a few mean layers of the default copies, with the first seed."""
    return LAYERS * default[0]["iteration_s"] / case.job.layer.model.num_moe_layers


def _rows(outcomes: Sequence[_Outcome], excerpts: dict[str, int]) -> list[list[int]]:
    """`COLUMNS` of each strategy; new excerpts get the next numbers."""
    default_s = [run["iteration_s"] for run in outcomes[0].figures]
    rows = []
    for outcome in outcomes:
        gain = paired_gain([run["iteration_s"] for run in outcome.figures], default_s)
        names = ("iteration_s", "compute_s", *CAUSES, "prefetch_latency_s")
        means = [sum(run[name] for run in outcome.figures) / len(SEEDS) for name in names]
        number = excerpts.setdefault(outcome.excerpt, len(excerpts))
        rows.append([round(gain.mean * 1e3), round(gain.half_width * 1e3), *(round(s * 1e6) for s in means), number])
    return rows


def _ratio(case: _Case) -> float:
    """A layer's compute window ÷ its uncontended prefetch, rounded."""
    baseline = Baseline.of(case.job)
    workload = baseline.scenario(Trial(case.job.layer.strategy, state=case.hypothesis)).workload
    return round(measure_load(replace(baseline, workload=workload), case.job.layer.strategy, SEEDS).ratio, 2)
