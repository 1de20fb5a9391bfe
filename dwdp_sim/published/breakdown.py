"""The published iteration by kind of kernel, under DEP and under DWDP, from measured kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from dwdp_sim.published.assumptions import AS_ASSUMED, Assumption, expert_loads, uneven_ranks
from dwdp_sim.published.cases import BREAKDOWN, scenario_of, times_of
from dwdp_sim.published.row import PublishedRow, Ranged, published_row
from dwdp_sim.published.trials import SEEDS, Trials
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.layer import exchange_operations
from dwdp_sim.silicon.operation import Operation
from dwdp_sim.steps.dep import dep_step
from dwdp_sim.steps.requests import Chunk, Step, draw_steps
from dwdp_sim.steps.scenario import Replication
from dwdp_sim.steps.silicon_times import SiliconTimes

DEP_MS = {
    "grouped GEMM": 342.40,
    "attention + dense GEMM": 447.17,
    "attention": 269.67,
    "dense GEMM": 177.50,
    "others": 241.69,
    "communication": 126.74,
    "synchronisation": 161.85,
    "iteration": 1319.85,
}
DWDP_MS = {
    "grouped GEMM": 337.42,
    "attention + dense GEMM": 509.84,
    "attention": 320.56,
    "dense GEMM": 189.28,
    "others": 284.32,
    "iteration": 1131.58,
}
COMPUTE_GROWS = 1131.58 / 1031.26  # DWDP's compute over DEP's
WAITING = 0.11  # published as 10–12 %
_KINDS = {
    "grouped GEMM": ("grouped",),
    "attention + dense GEMM": ("attention", "dense"),
    "attention": ("attention",),
    "dense GEMM": ("dense",),
    "others": ("other",),
}
_NEARBY = "rows of the tables"
_VARIATION, _WAITING_DRAWS = 0.2, 50

Weight = Callable[[Operation], float]


def dep_breakdown_rows() -> list[PublishedRow]:
    """The iteration under DEP; nothing is simulated."""
    loads, ranks = expert_loads(), uneven_ranks()
    note = "ISL 8K, ratio 0.8, 32,768 tokens; measured kernels; NVFP4 projections and FP8 cache"
    rows = []
    for kind, names in _KINDS.items():
        values = _kind_under_dep(AS_ASSUMED, names, lambda one: one.seconds)
        changed = [(one.name, _kind_under_dep(one, names, lambda each: each.seconds)) for one in loads]
        ends: tuple[Weight, ...] = (lambda one: one.time.low_s, lambda one: one.time.high_s)
        changed += [(_NEARBY, _kind_under_dep(AS_ASSUMED, names, end)) for end in ends]
        rows.append(published_row(f"DEP4: {kind}", "ms", DEP_MS[kind], Ranged.drawn(values, changed), note))
    for name, figure in _DEP_FIGURES.items():
        changed = [(one.name, figure(one)) for one in (*loads, ranks)] + _exchange_ends(name)
        found = Ranged.drawn(figure(AS_ASSUMED), changed)
        rows.append(published_row(f"DEP4: {name}", "ms", DEP_MS[name], found, note))
    return rows


def dwdp_breakdown_rows(trials: Trials) -> list[PublishedRow]:
    """The iteration under DWDP with its default copies, kernels beside copies included."""
    note = "as under DEP; a kernel beside copies is slowed by what limits it"
    rows = []
    for kind, names in _KINDS.items():
        found = trials.ranged(BREAKDOWN, partial(_kind_under_dwdp, trials, names))
        rows.append(published_row(f"DWDP4: {kind}", "ms", DWDP_MS[kind], found, note))
    found = trials.ranged(BREAKDOWN, partial(trials.seconds, BREAKDOWN))
    rows.append(published_row("DWDP4: iteration", "ms", DWDP_MS["iteration"], found, note))
    found = trials.ranged(BREAKDOWN, partial(_growth, trials))
    rows.append(published_row("compute, DWDP4 ÷ DEP4", "x", COMPUTE_GROWS, found, note))
    return rows


def waiting_row() -> PublishedRow:
    """Share of a DEP step that goes into waiting for the slowest rank at 20 % variation of the ranks' inputs."""

    def shares(changed: Assumption) -> list[float]:
        times, found = times_of(scenario_of(BREAKDOWN, changed)), []
        for seed in range(_WAITING_DRAWS):
            lengths = np.random.default_rng(seed).normal(8192, _VARIATION * 8192, 4).clip(1).astype(int)
            step = dep_step(times, [(Chunk(int(length)),) for length in lengths])
            found.append(step.synchronization_s / step.total_s)
        return found

    found = Ranged.drawn(shares(AS_ASSUMED), [(one.name, shares(one)) for one in (*expert_loads(), uneven_ranks())])
    note = "one request of about 8K a rank, normal; published as 10–12 %"
    return published_row("DEP4: waiting, inputs vary by 20 %", "%", 100 * WAITING, found, note)


def _drawn_steps() -> list[list[tuple[Step, ...]]]:
    """For each seed the counted steps, of all ranks together."""
    scenario = scenario_of(BREAKDOWN)
    workload = scenario.workload
    count = workload.warmup + workload.iterations
    return [
        list(zip(*draw_steps(workload.load, scenario.ranks, count, seed), strict=True))[workload.warmup :]
        for seed in range(SEEDS)
    ]


def _kind_under_dep(changed: Assumption, names: Sequence[str], weight: Weight) -> list[float]:
    """Seconds of kinds of kernels in an iteration, mean over ranks and steps; one a seed."""
    times = times_of(scenario_of(BREAKDOWN, changed))
    return [
        float(np.mean([_in_step(times, step, names, weight) for ranks in steps for step in ranks]))
        for steps in _drawn_steps()
    ]


def _kind_under_dwdp(trials: Trials, names: Sequence[str], changed: Assumption) -> list[float]:
    """The same beside copies.

    A part of a layer runs partly beside copies; every kernel of it is taken to do so for the same share of its time.
    """
    scenario = scenario_of(BREAKDOWN, changed)
    times, warmup = times_of(scenario), scenario.workload.warmup
    beside, gpu = times.beside_copies, times.choices.kernels(times.tables, times.gpu).gpu
    assert beside is not None
    found = []
    for run in trials.steps(BREAKDOWN, changed):
        shares = _shares_beside_copies(run, warmup, scenario.constants.event_s)

        def weight(one: Operation, shares: Mapping[bool, float] = shares) -> float:
            return one.seconds * (1.0 + (beside.slowdown(one, gpu) - 1.0) * shares[one.in_moe])

        steps = [step for rank in run.drawn.steps for step in rank[warmup:]]
        found.append(float(np.mean([_in_step(times, step, names, weight) for step in steps])))
    return found


def _in_step(times: SiliconTimes, step: Step, names: Sequence[str], weight: Weight) -> float:
    """Seconds of kinds of kernels in a step of one rank; layers without experts run without copies."""
    model = times.model
    lead = sum(one.seconds for one in times.operations(step, 0) if one.kind in names) if model.num_dense_layers else 0.0
    layer = sum(weight(one) for one in times.operations(step, model.num_dense_layers) if one.kind in names)
    return model.num_dense_layers * lead + model.num_moe_layers * layer


def _shares_beside_copies(run: Replication, warmup: int, event_s: float) -> dict[bool, float]:
    """Share of a slowdown that took place, before the MoE block and in it (True): the simulated time says it."""
    timeline, windows = run.timeline, run.windows
    before_s = timeline.wait_begin_s - event_s - timeline.ready_s - timeline.launch_wait_s
    parts = (
        (False, before_s, windows.before_s, windows.before_slowdown),
        (True, timeline.moe_end_s - timeline.moe_begin_s, windows.moe_s, windows.moe_slowdown),
    )
    shares = {}
    for in_moe, took_s, alone_s, slowdown in parts:
        at_most = float((alone_s * (np.asarray(slowdown) - 1.0))[:, warmup:].sum())
        shares[in_moe] = float((took_s - alone_s)[:, warmup:].sum()) / at_most if at_most else 0.0
    return shares


def _dep(changed: Assumption, part: str) -> list[float]:
    times = times_of(scenario_of(BREAKDOWN, changed))
    return [float(np.mean([getattr(dep_step(times, ranks), part) for ranks in steps])) for steps in _drawn_steps()]


_DEP_FIGURES: Mapping[str, Callable[[Assumption], list[float]]] = {
    "communication": lambda changed: _dep(changed, "communication_s"),
    "synchronisation": lambda changed: _dep(changed, "synchronization_s"),
    "iteration": lambda changed: _dep(changed, "total_s"),
}


def _exchange_ends(name: str) -> list[tuple[str, list[float]]]:
    """What the rows of the exchange leave open, where it is a part of the figure."""
    if name == "synchronisation":
        return []
    times = times_of(scenario_of(BREAKDOWN))
    ends: tuple[Callable[[KernelTime], float], ...] = (lambda time: time.low_s, lambda time: time.high_s)
    others = _DEP_FIGURES[name](AS_ASSUMED)
    whole = _exchanges(times, lambda time: time.seconds)
    return [
        (_NEARBY, [all_s - s + other for all_s, s, other in zip(others, whole, _exchanges(times, end), strict=True)])
        for end in ends
    ]


def _exchanges(times: SiliconTimes, pick: Callable[[KernelTime], float]) -> list[float]:
    """Both exchanges of all layers, mean over steps; one a seed."""
    found = []
    for steps in _drawn_steps():
        most = [max(sum(chunk.new_tokens for chunk in step) for step in ranks) for ranks in steps]
        found.append(times.model.num_moe_layers * float(np.mean([_exchange(times, n, pick) for n in most])))
    return found


def _exchange(times: SiliconTimes, tokens: int, pick: Callable[[KernelTime], float]) -> float:
    ranks = scenario_of(BREAKDOWN).ranks
    found = exchange_operations(times.model, times.tables, times.gpu, times.choices, tokens, ranks)
    return sum(pick(one.time) for one in found)


def _growth(trials: Trials, changed: Assumption) -> list[float]:
    runs, dep = trials.steps(BREAKDOWN, changed), trials.dep(BREAKDOWN, changed)
    return [run.figures["compute_s"] / one.compute_s for run, one in zip(runs, dep, strict=True)]
