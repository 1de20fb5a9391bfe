"""Measure one case on one rank: prepare, warm up, repeat, and check every byte of every run."""

from __future__ import annotations

import itertools

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import Detail, LayerTimes, RankResult, RelativeCost, Sample, Witness
from dwdp_hw.executors.protocol import Executor
from dwdp_hw.group.group import Group


class _Findings:
    """What accumulates over the runs of a case."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.layers: list[list[LayerTimes]] = []
        self.issue_cost_s: dict[str, list[float]] = {}
        self.relative: RelativeCost | None = None
        self.detail: Detail | None = None
        self.witness: Witness | None = None
        self.runs = 0
        self.verified = 0


def measure_case(executor: Executor, group: Group, case: Case) -> RankResult:
    """Run `case` on this rank.

    Raises:
        RankFault: A call failed, a rank did not come, or a byte was wrong.
    """
    group.place.case, group.place.layer = case.name, None
    executor.prepare(case)
    group.meet("the start of the case")
    before = executor.telemetry()
    pulls = group.rank in case.ranks
    found = _Findings()
    run = {
        "layer": _layer_runs,
        "pipeline": _pipeline_runs,
        "issue_cost": _issue_runs,
        "relative_cost": _relative_runs,
    }[case.measure]
    run(executor, group, case, pulls, found)
    group.place.layer = None
    group.meet("the end of the case")
    size = sum(case.plan.copy_bytes[case.plan.copy_rank == group.rank].tolist())
    return RankResult(
        rank=group.rank,
        host=group.place.host,
        device=executor.device,
        path=executor.path(),
        pulls=pulls,
        samples=found.samples,
        detail=found.detail,
        witness=found.witness,
        layers=found.layers,
        issue_cost_s=found.issue_cost_s,
        relative=found.relative,
        clock_uncertainty_s=executor.clock_uncertainty_s(),
        before=before,
        after=executor.telemetry(),
        pulled_bytes=size * found.runs,
        verified_runs=found.verified,
        machine=executor.machine,
    )


def _layer_runs(executor: Executor, group: Group, case: Case, pulls: bool, found: _Findings) -> None:
    # The first run after the profiler has attached is slower; only the second one is kept.
    kinds = {"warm-up": case.warmups, "timed": case.repeats, "watched": case.detail, "witnessed": 2 * case.witness}
    runs = itertools.chain.from_iterable(itertools.repeat(kind, times) for kind, times in kinds.items())
    for number, kind in enumerate(runs):
        if not pulls:
            executor.serve()
            continue
        layer = number % case.layers
        group.place.layer = layer
        executor.poison(layer)
        match kind:
            case "watched":
                found.detail = executor.watch(layer)
            case "witnessed":
                found.witness = executor.witness(layer)
            case "timed":
                found.samples.append(executor.run(layer))
            case _:
                executor.run(layer)
        _verify(executor, group, layer, found)
        found.runs += 1


def _pipeline_runs(executor: Executor, group: Group, case: Case, pulls: bool, found: _Findings) -> None:
    """The first run verifies and is not timed; the rest are timed, and their last two layers compared."""
    for repeat in range(1 + case.warmups + case.repeats):
        if not pulls:
            executor.serve()
            continue
        verify = repeat == 0
        times = executor.pipeline(verify)
        found.runs += case.layers
        if verify:
            found.verified += 1
            continue
        for layer in range(max(case.layers - 2, 0), case.layers):
            group.place.layer = layer
            _verify(executor, group, layer, found)
        group.place.layer = None
        if repeat > case.warmups:
            found.layers.append(times)


def _issue_runs(executor: Executor, group: Group, case: Case, pulls: bool, found: _Findings) -> None:
    for repeat in range(case.warmups + case.repeats):
        group.meet("an issue cost run")
        if not pulls:
            continue
        executor.poison(0)
        for way, cost_s in executor.issue_cost().items():
            found.runs += 1
            if repeat >= case.warmups:
                found.issue_cost_s.setdefault(way, []).append(cost_s)
        _verify(executor, group, 0, found)


def _relative_runs(executor: Executor, group: Group, case: Case, pulls: bool, found: _Findings) -> None:
    group.meet("a relative cost run")
    if pulls:
        executor.poison(0)
        found.relative = executor.relative_cost()
        found.runs += found.relative.pairs
        _verify(executor, group, 0, found)


def _verify(executor: Executor, group: Group, layer: int, found: _Findings) -> None:
    wrong = executor.first_wrong(layer)
    if wrong:
        raise group.place.fault(f"wrong bytes: {wrong}")
    found.verified += 1
